//! A batch of changes as a few statements over many rows, in an order that gives what the changes
//! would have given one by one.
//!
//! Changes of different tables commute, and so do those of one table that touch different rows. So a
//! change may join an earlier statement of its kind, as long as that one comes after all that touched
//! the same row.

use std::collections::HashMap;

use super::sets::{self, Key, Repeats, Set, Table};
use crate::Change;

/// Statements in the making.
#[derive(Default)]
pub(super) struct Plan {
    lanes: [Lane; Table::COUNT],
}

/// One statement and its rows.
pub(super) struct Group {
    pub(super) set: &'static Set,
    pub(super) changes: Vec<Change>,
}

/// The statements of one table.
#[derive(Default)]
struct Lane {
    groups: Vec<Group>,
    /// Where in the groups each row was touched last.
    last: HashMap<Key, Place>,
    /// The first group that a change may join: behind the last statement over any rows.
    floor: usize,
}

#[derive(Clone, Copy)]
struct Place {
    group: usize,
    row: usize,
}

impl Plan {
    pub(super) fn add(&mut self, change: Change) {
        if matches!(change, Change::UserRemoved { .. }) {
            self.lane(&sets::SESSIONS_OF_REMOVED).range(&sets::SESSIONS_OF_REMOVED, change.clone());
        }
        let (set, key) = sets::of(&change);
        match key {
            Some(key) => self.lane(set).keyed(set, key, change),
            None => self.lane(set).range(set, change),
        }
    }

    /// In the order they are to run in.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.lanes.iter().flat_map(|lane| &lane.groups)
    }

    fn lane(&mut self, set: &Set) -> &mut Lane {
        &mut self.lanes[set.table as usize]
    }
}

impl Lane {
    /// A change of one row.
    fn keyed(&mut self, set: &'static Set, key: Key, change: Change) {
        let last = self.last.get(&key).copied();
        if let Some(place) = last
            && is(set, self.groups[place.group].set)
        {
            let changes = &mut self.groups[place.group].changes;
            match set.repeats {
                Repeats::Never => {}
                Repeats::Together => return changes.push(change),
                Repeats::LastWins => {
                    changes[place.row] = change;
                    return;
                }
            }
        }
        let start = last.map_or(self.floor, |place| place.group + 1);
        let found = (start..self.groups.len()).find(|at| is(set, self.groups[*at].set));
        let group = found.unwrap_or_else(|| self.push(set));
        let changes = &mut self.groups[group].changes;
        self.last.insert(key, Place { group, row: changes.len() });
        changes.push(change);
    }

    /// A change of whatever rows: it comes after all before it, and before all after it.
    fn range(&mut self, set: &'static Set, change: Change) {
        match self.groups.last_mut() {
            Some(group) if is(set, group.set) => group.changes.push(change),
            _ => {
                let group = self.push(set);
                self.groups[group].changes.push(change);
                self.last.clear();
                self.floor = self.groups.len();
            }
        }
    }

    fn push(&mut self, set: &'static Set) -> usize {
        self.groups.push(Group { set, changes: Vec::new() });
        self.groups.len() - 1
    }
}

fn is(one: &Set, other: &Set) -> bool {
    std::ptr::eq(one, other)
}
