//! The shape of the referral tree: an edge leads from an attributed user to the referrer.

use std::collections::BTreeMap;

use whence_events::Position;

use crate::report::atom::Atom;
use crate::report::dimension::{Dimension, PARTS};
use crate::report::facts::Facts;
use crate::report::groups;
use crate::report::query::Query;
use crate::report::table::{Cell, Table};
use crate::report::view::View;

/// How many of the largest subtrees have a row.
const LARGEST: usize = 10;

/// How deep a user is in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Unvisited,
    /// On the path that is being followed now.
    Visiting,
    At(u32),
    /// The path up never ends.
    Endless,
}

/// Makes the table. The tree is always the whole one: the time of a query picks the accounts that are
/// counted in it.
pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let parents: Vec<Option<usize>> =
        facts.users.all().iter().map(|user| Some(user.referrer?.0 as usize)).collect();
    let counted: Vec<bool> = facts
        .users
        .all()
        .iter()
        .map(|user| user.registered_at.is_some_and(|at| query.covers(at)))
        .collect();
    let (depths, on_cycle) = depths(&parents);
    let mut rows = histogram(&depths, &counted);
    rows.extend(largest(facts, &parents, &depths, &counted));
    let cycles = on_cycle.iter().zip(&counted).filter(|(on, counted)| **on && **counted).count();
    rows.push(row(2, Cell::Text("all".to_owned()), cycles));
    rows.retain(|row| passes(query, row));
    let by = query.dimensions(View::Tree);
    groups::named(View::Tree, &by, rows, as_of)
}

fn row(part: usize, which: Cell, users: usize) -> Vec<Cell> {
    vec![Cell::Text(PARTS[part].to_owned()), which, Cell::Count(users as u64)]
}

fn passes(query: &Query, row: &[Cell]) -> bool {
    let one = |wanted: Dimension, cell: &Cell| {
        let mut values = query.filters.iter().filter(|(by, _)| *by == wanted).peekable();
        values.peek().is_none() || values.any(|(_, text)| *text == cell.to_text())
    };
    one(Dimension::Part, &row[0]) && one(Dimension::Which, &row[1])
}

/// Returns the depth of each user, roots being 0, and whether they are on a cycle.
fn depths(parents: &[Option<usize>]) -> (Vec<Depth>, Vec<bool>) {
    let mut depths = vec![Depth::Unvisited; parents.len()];
    let mut on_cycle = vec![false; parents.len()];
    let mut way = Vec::new();
    for start in 0..parents.len() {
        let mut next = Some(start);
        while let Some(at) = next.filter(|at| depths[*at] == Depth::Unvisited) {
            depths[at] = Depth::Visiting;
            way.push(at);
            next = parents[at];
        }
        let mut above = next.map(|at| depths[at]);
        if above == Some(Depth::Visiting) {
            let begins = way.iter().position(|at| Some(*at) == next).unwrap_or(0);
            for at in &way[begins..] {
                on_cycle[*at] = true;
            }
        }
        while let Some(at) = way.pop() {
            depths[at] = match above {
                None => Depth::At(0),
                Some(Depth::At(depth)) => Depth::At(depth + 1),
                Some(Depth::Unvisited | Depth::Visiting | Depth::Endless) => Depth::Endless,
            };
            above = Some(depths[at]);
        }
    }
    (depths, on_cycle)
}

fn histogram(depths: &[Depth], counted: &[bool]) -> Vec<Vec<Cell>> {
    let mut known: BTreeMap<u32, usize> = BTreeMap::new();
    let mut unknown = 0;
    for (depth, _) in depths.iter().zip(counted).filter(|(_, counted)| **counted) {
        match depth {
            Depth::At(depth) => *known.entry(*depth).or_default() += 1,
            Depth::Unvisited | Depth::Visiting | Depth::Endless => unknown += 1,
        }
    }
    let known =
        known.into_iter().map(|(depth, users)| row(0, Cell::Text(depth.to_string()), users));
    let unknown = (unknown > 0).then(|| row(0, Cell::Unknown, unknown));
    known.chain(unknown).collect()
}

/// Returns the referrers with the most accounts below them, at any depth.
fn largest(
    facts: &Facts,
    parents: &[Option<usize>],
    depths: &[Depth],
    counted: &[bool],
) -> Vec<Vec<Cell>> {
    let depth_of = |at: &usize| match depths[*at] {
        Depth::At(depth) => Some(depth),
        Depth::Unvisited | Depth::Visiting | Depth::Endless => None,
    };
    // From the leaves up, so that each is complete when it is added to the one above.
    let mut order: Vec<usize> = (0..parents.len()).filter(|at| depth_of(at).is_some()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(depth_of(at)));
    let mut below = vec![0_usize; parents.len()];
    for at in order {
        if let Some(parent) = parents[at] {
            below[parent] += below[at] + usize::from(counted[at]);
        }
    }
    let id = |at: usize| facts.users.id(Atom::at(at));
    let mut largest: Vec<usize> = (0..parents.len()).filter(|at| below[*at] > 0).collect();
    largest.sort_by_key(|at| (std::cmp::Reverse(below[*at]), id(*at)));
    largest.truncate(LARGEST);
    let rows = largest.into_iter().map(|at| row(1, Cell::Text(id(at).to_string()), below[at]));
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_and_told_apart_from_those_below_it() {
        // 0 <- 1 <- 2; 3 <- 4 <- 5 <- 3; 6 below 3; 7 alone; 8 its own referrer.
        let parents = [None, Some(0), Some(1), Some(5), Some(3), Some(4), Some(3), None, Some(8)];
        let (depths, on_cycle) = depths(&parents);
        let at = Depth::At;
        assert_eq!(depths[..3], [at(0), at(1), at(2)]);
        assert_eq!(depths[3..7], [Depth::Endless; 4]);
        assert_eq!((depths[7], depths[8]), (at(0), Depth::Endless));
        let cycle: Vec<_> = (0..9).filter(|at| on_cycle[*at]).collect();
        assert_eq!(cycle, [3, 4, 5, 8]);
    }
}
