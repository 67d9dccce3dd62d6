//! Accounts by where they came from. An account counts when it registered.

use whence_events::Position;

use crate::report::facts::Facts;
use crate::report::groups::Groups;
use crate::report::measure::of_user;
use crate::report::query::Query;
use crate::report::table::{Cell, Table};
use crate::report::view::View;

pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<u64>::new(View::Signups, facts, query);
    for (_, at, user) in facts.users.registered() {
        if query.covers(at)
            && let Some(count) = groups.of(|by| of_user(user, at, &query.zone, by))
        {
            *count += 1;
        }
    }
    groups.table(as_of, |count| vec![Cell::Count(count)])
}
