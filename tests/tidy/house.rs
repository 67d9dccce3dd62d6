//! Draws the import graph: the rooms of `src/` on their floors, the arrows between them, and what runs up
//! or in a circle.

use std::collections::{BTreeMap, BTreeSet};

use whence_tidy::graph::Graph;
use whence_tidy::{FLOORS, room};

fn main() {
    let graph = Graph::read("src/lib.rs", &["src/domain/"]);
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut arrows: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (from, to) in &graph.imports {
        for to in to {
            if let (Some(from), Some(to)) = (room(from), room(to))
                && from != to
            {
                *arrows.entry((from, to)).or_default() += 1;
            }
        }
    }
    println!("floor  room      imports of files in other rooms");
    for (number, rooms) in FLOORS.iter().enumerate().rev() {
        for name in *rooms {
            let to = arrows.iter().filter(|((from, _), _)| from == name);
            let to: Vec<_> = to.map(|((_, to), count)| format!("{to} {count}")).collect();
            println!("{:>5}  {name:<8}  {}", number + 1, to.join(", "));
        }
    }
    let up: BTreeSet<_> = arrows.keys().filter(|(from, to)| floor(to) >= floor(from)).collect();
    let circles = graph.without_parents().on_a_circle();
    let between = circles.iter().filter(|(from, to)| room(from) != room(to)).count();
    for (from, to) in &circles {
        println!("a circle goes through: {from} -> {to}");
    }
    println!(
        "
{} rooms, {} arrows between them, {} of them up; imports on a circle: {between} between rooms, \
         {} inside of a room",
        FLOORS.concat().len(),
        arrows.len(),
        up.len(),
        circles.len() - between
    );
}
