//! Grouping: one accumulator for each combination of values.

use std::cmp::Ordering;
use std::collections::HashMap;

use whence_events::Position;

use super::atom::Atom;
use super::dimension::Dimension;
use super::facts::Facts;
use super::query::Query;
use super::table::{Cell, Table};
use super::view::View;
use super::zone::Zone;

/// The most dimensions that a view has.
const MOST: usize = 12;

type GroupKey = [Atom; MOST];

/// The accumulators of a view, by the values of the dimensions of a query.
pub(super) struct Groups<'a, A> {
    facts: &'a Facts,
    view: View,
    by: Vec<Dimension>,
    /// For each dimension that is filtered, the values that pass.
    passes: Vec<(Dimension, Vec<Atom>)>,
    found: HashMap<GroupKey, A>,
}

impl<'a, A: Default> Groups<'a, A> {
    pub(super) fn new(view: View, facts: &'a Facts, query: &Query) -> Self {
        let mut passes: Vec<(Dimension, Vec<Atom>)> = Vec::new();
        for (dimension, text) in &query.filters {
            let atom = text.as_deref().map_or(Some(Atom::UNKNOWN), |t| dimension.atom(t, facts));
            match passes.iter_mut().find(|(known, _)| known == dimension) {
                Some((_, atoms)) => atoms.extend(atom),
                None => passes.push((*dimension, atom.into_iter().collect())),
            }
        }
        Self { facts, view, by: query.dimensions(view), passes, found: HashMap::new() }
    }

    /// Returns the accumulator of a fact with these values; `None` when a filter keeps it out.
    pub(super) fn of(&mut self, value: impl Fn(Dimension) -> Atom) -> Option<&mut A> {
        let passes = self.passes.iter().all(|(by, atoms)| atoms.contains(&value(*by)));
        passes.then(|| self.found.entry(key(&self.by, value)).or_default())
    }

    /// Returns the table in its order: by time where it has one, else from the most to the least; then
    /// by the dimensions from left to right, unknown last.
    pub(super) fn table(self, as_of: Position, measures: impl Fn(A) -> Vec<Cell>) -> Table {
        let Self { facts, view, by, found, .. } = self;
        let width = by.len();
        let row = |(key, group): (GroupKey, A)| {
            let cells = by.iter().zip(key).map(|(by, atom)| by.cell(atom, facts));
            let place = key_place(&by, key);
            (place, cells.chain(measures(group)).collect::<Vec<_>>())
        };
        let mut rows: Vec<(Vec<u32>, Vec<Cell>)> = found.into_iter().map(row).collect();
        let ordered = by.first().is_none_or(|first| first.has_an_order());
        rows.sort_by(|(a_place, a), (b_place, b)| {
            let most = || compare(&b[width], &a[width]);
            let first = if ordered { a_place.cmp(b_place) } else { most() };
            first.then_with(|| compare_all(&a[..width], &b[..width]))
        });
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        named(view, &by, rows, as_of)
    }
}

/// Returns a table of a view.
pub(super) fn named(view: View, by: &[Dimension], rows: Vec<Vec<Cell>>, as_of: Position) -> Table {
    let columns = by.iter().map(|by| by.column()).chain(view.measures().iter().copied());
    let (name, title, zone) = (view.name(), view.title(), Zone::default());
    Table {
        name,
        title,
        columns: columns.collect(),
        rows,
        as_of,
        zone,
        note: None,
        bot_rules: None,
    }
}

fn key(by: &[Dimension], value: impl Fn(Dimension) -> Atom) -> GroupKey {
    let mut key = [Atom::UNKNOWN; MOST];
    for (place, dimension) in key.iter_mut().zip(by) {
        *place = value(*dimension);
    }
    key
}

/// Returns the values of the leading dimensions that have an order of their own, which is the order
/// of their numbers.
fn key_place(by: &[Dimension], key: GroupKey) -> Vec<u32> {
    let leading = by.iter().zip(key).take_while(|(by, _)| by.has_an_order());
    leading.map(|(_, atom)| atom.0).collect()
}

fn compare_all(a: &[Cell], b: &[Cell]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| compare(a, b));
    pairs.fold(Ordering::Equal, Ordering::then)
}

/// Compares cells of one column, unknown last.
fn compare(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Unknown, Cell::Unknown) => Ordering::Equal,
        (Cell::Unknown, _) => Ordering::Greater,
        (_, Cell::Unknown) => Ordering::Less,
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Day(a), Cell::Day(b)) => a.cmp(b),
        (Cell::Count(a), Cell::Count(b)) => a.cmp(b),
        (
            Cell::Credit(a) | Cell::Ratio(a) | Cell::Seconds(a),
            Cell::Credit(b) | Cell::Ratio(b) | Cell::Seconds(b),
        ) => a.total_cmp(b),
        // A column holds cells of one kind.
        (
            Cell::Text(_)
            | Cell::Day(_)
            | Cell::Count(_)
            | Cell::Credit(_)
            | Cell::Ratio(_)
            | Cell::Seconds(_),
            _,
        ) => Ordering::Equal,
    }
}
