//! A batch of changes as a few statements over many rows, in an order that gives what the changes
//! would have given one by one.
//!
//! Changes of different tables commute, and so do those of one table that touch different rows. So a
//! change may join an earlier statement of its kind, as long as that one comes after all that touched
//! the same row.

use std::collections::HashMap;

use super::bulk::{BulkStatement, OnRepeat, Part, RowKey};
use crate::change::{Change, Leaf};

/// The statements of a batch, and the leaves that it adds to the tree over the log.
#[derive(Default)]
pub(super) struct Plan {
    /// The statements of each table.
    lanes: Vec<(&'static str, Lane)>,
    leaves: Vec<Leaf>,
}

/// One statement and its rows.
pub(super) struct Group {
    pub(super) statement: &'static BulkStatement,
    pub(super) changes: Vec<Change>,
}

/// The statements of one table.
#[derive(Default)]
struct Lane {
    groups: Vec<Group>,
    /// Where in the groups each row was touched last.
    last: HashMap<RowKey, RowPlace>,
    /// The first group that a change may join: the one after the last statement over any rows.
    floor: usize,
}

/// Where a row was touched.
#[derive(Clone, Copy)]
struct RowPlace {
    group: usize,
    row: usize,
}

impl Plan {
    pub(super) fn add(&mut self, change: Change) {
        if let Change::LeafAdded(leaf) = change {
            return self.leaves.push(leaf);
        }
        let Some(Part { before, statement, row }) = Part::of(&change) else { return };
        if let Some(before) = before {
            self.lane(before).range(before, change.clone());
        }
        match row {
            Some(row) => self.lane(statement).keyed(statement, row, change),
            None => self.lane(statement).range(statement, change),
        }
    }

    /// Returns the statements in the order they are to run in.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.lanes.iter().flat_map(|(_, lane)| &lane.groups)
    }

    /// Returns the leaves in the order of the log.
    pub(super) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    fn lane(&mut self, statement: &BulkStatement) -> &mut Lane {
        let known = self.lanes.iter().position(|(table, _)| *table == statement.table);
        let at = known.unwrap_or_else(|| {
            self.lanes.push((statement.table, Lane::default()));
            self.lanes.len() - 1
        });
        &mut self.lanes[at].1
    }
}

impl Lane {
    /// Adds a change of one row.
    fn keyed(&mut self, statement: &'static BulkStatement, key: RowKey, change: Change) {
        let last = self.last.get(&key).copied();
        if let Some(place) = last
            && is(statement, self.groups[place.group].statement)
        {
            let changes = &mut self.groups[place.group].changes;
            match statement.on_repeat {
                OnRepeat::Never => {}
                OnRepeat::Together => return changes.push(change),
                OnRepeat::LastWins => {
                    changes[place.row] = change;
                    return;
                }
            }
        }
        let start = last.map_or(self.floor, |place| place.group + 1);
        let found = (start..self.groups.len()).find(|at| is(statement, self.groups[*at].statement));
        let group = found.unwrap_or_else(|| self.push(statement));
        let changes = &mut self.groups[group].changes;
        self.last.insert(key, RowPlace { group, row: changes.len() });
        changes.push(change);
    }

    /// Adds a change of any rows: it comes after all before it, and before all after it.
    fn range(&mut self, statement: &'static BulkStatement, change: Change) {
        match self.groups.last_mut() {
            Some(group) if is(statement, group.statement) => group.changes.push(change),
            _ => {
                let group = self.push(statement);
                self.groups[group].changes.push(change);
                self.last.clear();
                self.floor = self.groups.len();
            }
        }
    }

    fn push(&mut self, statement: &'static BulkStatement) -> usize {
        self.groups.push(Group { statement, changes: Vec::new() });
        self.groups.len() - 1
    }
}

fn is(one: &BulkStatement, other: &BulkStatement) -> bool {
    std::ptr::eq(one, other)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use whence_events::{EmailKey, RequestId, Timestamp, UserId};

    use super::*;
    use crate::change::{AttributionChange, IdentityChange};

    /// Checks the statements of a plan, each given as the words that its changes are made of.
    #[track_caller]
    fn assert_plan(changes: &[&str], expected: &[&[&str]]) {
        let mut plan = Plan::default();
        for words in changes {
            plan.add(change(words));
        }
        let expected: Vec<Vec<_>> = expected
            .iter()
            .map(|group| group.iter().map(|words| change(words)).collect())
            .collect();
        let groups: Vec<_> = plan.groups().map(|group| group.changes.clone()).collect();
        assert_eq!(groups, expected);
    }

    /// Makes a change out of its kind, what it is about, and maybe a time.
    fn change(words: &str) -> Change {
        let mut words = words.split(' ');
        let kind = words.next().unwrap();
        let id = Uuid::from_u128(u128::from(words.next().unwrap().as_bytes()[0]));
        let micros = words.next().map_or(0, |word| word.parse().unwrap());
        let (request_id, user_id, at) = (RequestId(id), UserId(id), Timestamp::from_micros(micros));
        let email_key = EmailKey([0; 16]);
        let session_id = whence_events::SessionId(id);
        match kind {
            "open" => IdentityChange::LoginOpened { request_id, email_key, expires_at: at },
            "close" => IdentityChange::LoginClosed { request_id },
            "forget" => IdentityChange::LoginsForgotten { before: at },
            "bill" => IdentityChange::UserBilledAs {
                user_id,
                billing_customer_id: micros.to_string(),
                at,
            },
            "show" => IdentityChange::UserShownAs {
                user_id,
                display_name: None,
                avatar_url: None,
                version: 0,
                at,
            },
            "extend" => IdentityChange::SessionExtended { session_id, expires_at: at, at },
            "revoke" => IdentityChange::SessionRemoved { session_id },
            "remove" => IdentityChange::UserRemoved { user_id },
            "click" => return AttributionChange::Clicked { owner: user_id }.into(),
            "disable" => {
                let code = if id.as_u128() < 97 { "ALPHA" } else { "alpha" };
                return AttributionChange::CodeDisabled { code: code.parse().unwrap(), at }.into();
            }
            _ => unreachable!("{kind}"),
        }
        .into()
    }

    #[test]
    fn changes_of_a_kind_are_one_statement() {
        assert_plan(&["open a", "open b", "open c"], &[&["open a", "open b", "open c"]]);
    }

    #[test]
    fn a_change_joins_its_kind_across_changes_of_other_rows() {
        assert_plan(
            &["open a", "close b", "open c", "close a", "open d", "close c"],
            &[&["open a", "open c", "open d"], &["close b", "close a", "close c"]],
        );
    }

    #[test]
    fn changes_of_one_row_keep_their_order() {
        assert_plan(
            &["close a", "open a", "close a", "open b", "open a"],
            &[&["close a"], &["open a", "open b"], &["close a"], &["open a"]],
        );
    }

    #[test]
    fn a_row_may_join_the_first_statement_behind_its_last() {
        assert_plan(
            &["open a", "close a", "open a", "close b", "open b", "close b"],
            &[&["open a"], &["close a", "close b"], &["open a", "open b"], &["close b"]],
        );
    }

    #[test]
    fn an_insert_of_what_was_inserted_is_a_statement_of_its_own() {
        assert_plan(&["open a", "open b", "open a"], &[&["open a", "open b"], &["open a"]]);
    }

    #[test]
    fn what_may_repeat_is_in_the_same_statement() {
        assert_plan(&["click a", "click b", "click a"], &[&["click a", "click b", "click a"]]);
        assert_plan(&["close a", "close a"], &[&["close a", "close a"]]);
    }

    #[test]
    fn of_updates_that_replace_each_other_the_last_is_made() {
        assert_plan(&["extend a 1", "extend b 2", "extend a 3"], &[&["extend a 3", "extend b 2"]]);
        assert_plan(
            &["bill a 1", "show a 2", "bill a 3"],
            &[&["bill a 1"], &["show a 2"], &["bill a 3"]],
        );
        assert_plan(
            &["extend a 1", "revoke a", "extend a 2"],
            &[&["extend a 1"], &["revoke a"], &["extend a 2"]],
        );
    }

    #[test]
    fn nothing_passes_a_statement_over_any_rows() {
        assert_plan(
            &["open a", "close b", "forget _ 5", "open c", "close a", "open d"],
            &[&["open a"], &["close b"], &["forget _ 5"], &["open c", "open d"], &["close a"]],
        );
    }

    #[test]
    fn statements_over_any_rows_in_a_row_are_one() {
        assert_plan(
            &["forget _ 1", "forget _ 2", "open a", "forget _ 3"],
            &[&["forget _ 1", "forget _ 2"], &["open a"], &["forget _ 3"]],
        );
    }

    #[test]
    fn a_user_goes_with_all_sessions_and_holds_up_no_other_table() {
        assert_plan(
            &["bill b 1", "extend s 1", "remove a", "bill c 2", "extend t 2", "remove d"],
            &[
                &["bill b 1", "bill c 2"],
                &["remove a", "remove d"],
                &["extend s 1"],
                &["remove a"],
                &["extend t 2"],
                &["remove d"],
            ],
        );
    }

    #[test]
    fn a_code_is_the_same_in_capitals() {
        assert_plan(&["disable A 1", "disable a 2"], &[&["disable A 1"], &["disable a 2"]]);
    }
}
