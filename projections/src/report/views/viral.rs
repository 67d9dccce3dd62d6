//! How many accounts each account brings. Invitees count for the week in which their referrer
//! registered, however late they come.

use whence_events::Position;

use crate::report::atom::Atom;
use crate::report::facts::Facts;
use crate::report::groups::Groups;
use crate::report::measure::{micros, of_user, percentile, ratio};
use crate::report::query::Query;
use crate::report::table::{Cell, Table};
use crate::report::view::View;

#[derive(Default)]
struct InvitingCohort {
    users: u64,
    inviters: u64,
    invitees: u64,
    /// From the registration of the referrer to that of each invitee, in microseconds.
    cycles: Vec<u64>,
}

pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<InvitingCohort>::new(View::Viral, facts, query);
    let mut has_invited = vec![false; facts.users.all().len()];
    for (_, invited_at, invitee) in facts.users.registered() {
        let Some(referrer) = invitee.referrer else { continue };
        has_invited[referrer.0 as usize] = true;
        let referrer = facts.users.get(referrer);
        // A referrer who never registered belongs to no week and to no time.
        let cohort = match referrer.registered_at {
            Some(at) if query.covers(at) => groups.of(|by| of_user(referrer, at, &query.zone, by)),
            None if query.is_of_all_time() => groups.of(|_| Atom::UNKNOWN),
            Some(_) | None => None,
        };
        if let Some(cohort) = cohort {
            cohort.invitees += 1;
            cohort.cycles.extend(referrer.registered_at.map(|at| micros(invited_at.since(at))));
        }
    }
    for (atom, at, user) in facts.users.registered() {
        if query.covers(at)
            && let Some(cohort) = groups.of(|by| of_user(user, at, &query.zone, by))
        {
            cohort.users += 1;
            cohort.inviters += u64::from(has_invited[atom.0 as usize]);
        }
    }
    groups.table(as_of, measures)
}

fn measures(mut cohort: InvitingCohort) -> Vec<Cell> {
    cohort.cycles.sort_unstable();
    vec![
        Cell::Count(cohort.users),
        Cell::Count(cohort.inviters),
        Cell::Count(cohort.invitees),
        ratio(cohort.invitees, cohort.users),
        percentile(&cohort.cycles, 50),
    ]
}
