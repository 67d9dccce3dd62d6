//! Draws the import graph: the rooms of the repository on their floors, the arrows between them, and what
//! runs up or in a circle.

use std::collections::BTreeMap;

use whence_tidy::graph::Graph;
use whence_tidy::source::rust;
use whence_tidy::{CRATES, HOUSE, room};

fn main() {
    let mut arrows: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut circles = Vec::new();
    for (root, without) in CRATES {
        let graph = Graph::read(root, without);
        for (from, to) in graph.pairs() {
            count(&mut arrows, room(&from), room(&to));
        }
        circles.extend(graph.without_parents().on_a_circle());
    }
    for file in rust("").iter().filter(|file| !file.is_test()) {
        let names = |name: &str| file.code().any(|(_, line)| line.contains(&format!("{name}::")));
        for (name, to) in [
            ("whence_events", "events"),
            ("whence_projections", "projections"),
            ("whence::app", "app"),
            ("whence::store", "store"),
            ("whence::http", "http"),
            ("whence::infra", "infra"),
            ("whence::cli", "cli"),
        ] {
            if names(name) {
                count(&mut arrows, room(&file.path), Some(to));
            }
        }
    }
    print(&arrows);
    for (from, to) in &circles {
        println!("a circle goes through: {from} -> {to}");
    }
    let floor = |name: &str| HOUSE.iter().position(|floor| floor.contains(&name));
    let up = arrows.keys().filter(|(from, to)| floor(to) >= floor(from));
    println!(
        "\n{} rooms, {} arrows between them, {} of them up or sideways; imports on a circle, not counting \
         those of a parent by its child: {}",
        HOUSE.concat().len(),
        arrows.len(),
        up.count(),
        circles.len()
    );
}

fn count<'a>(
    arrows: &mut BTreeMap<(&'a str, &'a str), usize>,
    from: Option<&'static str>,
    to: Option<&'a str>,
) {
    if let (Some(from), Some(to)) = (from, to)
        && from != to
    {
        *arrows.entry((from, to)).or_default() += 1;
    }
}

fn print(arrows: &BTreeMap<(&str, &str), usize>) {
    println!("floor  room         uses, with the number of imports by files");
    for (number, rooms) in HOUSE.iter().enumerate().rev() {
        for name in *rooms {
            let to = arrows.iter().filter(|((from, _), _)| from == name);
            let to: Vec<_> = to.map(|((_, to), count)| format!("{to} {count}")).collect();
            println!("{:>5}  {name:<11}  {}", number + 1, to.join(", "));
        }
    }
}
