//! The accounts that come back: those of a week of which, n calendar weeks later, a session was opened
//! or used. A week counts from its beginning on, so the last row of each cohort still grows.
//!
//! Older versions did not record every use, so that each row says of how many of its accounts all uses
//! in that week are known: of all in the week of registration, which opened a session, and of all in the
//! weeks that began after the log had every use.

use std::collections::HashMap;

use whence_events::Position;

use crate::report::atom::Atom;
use crate::report::dimension::Dimension;
use crate::report::facts::Facts;
use crate::report::groups::Groups;
use crate::report::measure::{of_user, ratio};
use crate::report::query::Query;
use crate::report::table::{Cell, Note, Table};
use crate::report::view::View;

#[derive(Default)]
struct CohortCounts {
    users: u64,
    active: u64,
    known: u64,
}

pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<CohortCounts>::new(View::Retention, facts, query);
    let Some(last_at) = facts.last_at else {
        let table = groups.table(as_of, |counts| measures(&counts));
        return Table { note: Some(Note::UsesKnownFrom(None)), ..table };
    };
    let last_week = query.zone.week(last_at);
    let is_known = |week: i32| {
        facts.uses.known_from.is_some_and(|known_from| query.zone.start_of(week) >= known_from)
    };
    for (user, count) in alike(facts, query) {
        let first_week = week_of(facts, query, user);
        let weeks = weeks_between(first_week, last_week).unwrap_or(0);
        for (weeks_later, week) in (0..=weeks).zip((first_week..).step_by(7)) {
            if let Some(counts) = groups.of(|by| value(facts, query, user, weeks_later, by)) {
                counts.users += count;
                counts.known += if weeks_later == 0 || is_known(week) { count } else { 0 };
            }
        }
    }
    for (user, week) in active_weeks(facts, query) {
        // No account is active before its registration, nor after the last event.
        let Some(weeks_later) = weeks_between(week_of(facts, query, user), week) else { continue };
        if week <= last_week
            && let Some(counts) = groups.of(|by| value(facts, query, user, weeks_later, by))
        {
            counts.active += 1;
        }
    }
    let table = groups.table(as_of, |counts| measures(&counts));
    Table { note: Some(Note::UsesKnownFrom(facts.uses.known_from)), ..table }
}

fn measures(counts: &CohortCounts) -> Vec<Cell> {
    let rate = ratio(counts.active, counts.users);
    let known = Cell::Count(counts.known);
    vec![Cell::Count(counts.users), Cell::Count(counts.active), rate, known]
}

/// Returns, for all accounts with the same values, one of them and how many there are: cohorts are few,
/// and weeks many.
fn alike(facts: &Facts, query: &Query) -> impl Iterator<Item = (Atom, u64)> {
    let mut dimensions = query.dimensions(View::Retention);
    dimensions.extend(query.filters.iter().map(|(by, _)| *by));
    dimensions.push(Dimension::Cohort);
    let mut alike: HashMap<Vec<Atom>, (Atom, u64)> = HashMap::new();
    for (atom, at, user) in facts.users.registered() {
        if query.covers(at) {
            let values = dimensions.iter().map(|by| of_user(user, at, &query.zone, *by));
            alike.entry(values.collect()).or_insert((atom, 0)).1 += 1;
        }
    }
    alike.into_values()
}

/// Returns each account with each week in which it was active, once.
fn active_weeks(facts: &Facts, query: &Query) -> Vec<(Atom, i32)> {
    let counts = |user: Atom| {
        let registered_at = facts.users.get(user).registered_at;
        registered_at.is_some_and(|at| query.covers(at))
    };
    let active = facts.activities.iter().filter(|activity| counts(activity.user));
    let mut weeks: Vec<_> =
        active.map(|activity| (activity.user, query.zone.week(activity.at()))).collect();
    weeks.sort_unstable_by_key(|(user, week)| (user.0, *week));
    weeks.dedup();
    weeks
}

fn week_of(facts: &Facts, query: &Query, user: Atom) -> i32 {
    query.zone.week(facts.users.get(user).registered_at.unwrap_or_default())
}

fn weeks_between(first: i32, second: i32) -> Option<u32> {
    u32::try_from(second - first).ok().map(|days| days / 7)
}

fn value(facts: &Facts, query: &Query, user: Atom, weeks_later: u32, by: Dimension) -> Atom {
    if by == Dimension::WeeksLater {
        return Atom(weeks_later);
    }
    let user = facts.users.get(user);
    of_user(user, user.registered_at.unwrap_or_default(), &query.zone, by)
}
