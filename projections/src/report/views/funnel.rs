//! The funnel from landing to attribution. Each stage counts when it happened; logins to accounts that
//! exist count as logins, too.

use whence_events::{Position, Timestamp};

use crate::report::atom::Atom;
use crate::report::dimension::Dimension;
use crate::report::facts::Facts;
use crate::report::groups::Groups;
use crate::report::measure::{of_time, ratio};
use crate::report::query::Query;
use crate::report::stage::{Stage, WAY};
use crate::report::table::{Cell, Table};
use crate::report::view::View;

#[derive(Default)]
struct StageCounts {
    stage: Option<Stage>,
    count: u64,
    /// The count of the stage that leads to this one.
    previous: u64,
}

pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<StageCounts>::new(View::Funnel, facts, query);
    // A row for every stage, also where nothing happened; not for every day, of which there is no end.
    if query.dimensions(View::Funnel) == [Dimension::Stage] {
        for stage in Stage::all() {
            if let Some(counts) = groups.of(|by| value(stage, Timestamp::default(), query, by)) {
                counts.stage = Some(stage);
            }
        }
    }
    for (stage, at) in steps(facts) {
        if query.covers(at) {
            count(&mut groups, stage, at, query);
        }
    }
    groups.table(as_of, |counts| {
        let leads_here = counts.stage.is_some_and(|stage| WAY[1..].contains(&stage));
        let of_previous = ratio(counts.count, counts.previous);
        vec![Cell::Count(counts.count), if leads_here { of_previous } else { Cell::Unknown }]
    })
}

fn steps(facts: &Facts) -> impl Iterator<Item = (Stage, Timestamp)> {
    let requested = facts.requested.iter().map(|(at, _)| (Stage::CodeRequested, *at));
    let delivered = facts.requested.iter().filter(|(_, failed)| !failed);
    let delivered = delivered.map(|(at, _)| (Stage::Delivered, *at));
    facts.steps.iter().copied().chain(requested).chain(delivered)
}

fn count(groups: &mut Groups<'_, StageCounts>, stage: Stage, at: Timestamp, query: &Query) {
    if let Some(counts) = groups.of(|by| value(stage, at, query, by)) {
        counts.stage = Some(stage);
        counts.count += 1;
    }
    let next = WAY.iter().position(|known| *known == stage).and_then(|at| WAY.get(at + 1));
    if let Some(next) = next
        && let Some(counts) = groups.of(|by| value(*next, at, query, by))
    {
        counts.stage = Some(*next);
        counts.previous += 1;
    }
}

fn value(stage: Stage, at: Timestamp, query: &Query, by: Dimension) -> Atom {
    if by == Dimension::Stage { stage.atom() } else { of_time(at, &query.zone, by) }
}
