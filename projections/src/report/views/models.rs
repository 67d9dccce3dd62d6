//! First touch against last touch: the same accounts, counted for the channel of the one and of the
//! other. No snapshot changes by it.
//!
//! The touches of an account are its first one, the recorded landings that name that one as their
//! visitor's first, bots and the same click again left out, and the touch of the code that a
//! decision was made on; those up to its registration.

use std::collections::HashSet;

use whence_events::{Position, Timestamp};

use crate::report::atom::Atom;
use crate::report::channel::Channel;
use crate::report::facts::{Evidence, Facts, User};
use crate::report::groups::Groups;
use crate::report::measure::ratio;
use crate::report::query::Query;
use crate::report::table::{Cell, Table};
use crate::report::view::View;

#[derive(Default)]
struct ChannelCounts {
    first: u64,
    last: u64,
}

pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<ChannelCounts>::new(View::Models, facts, query);
    let later = Later::of(facts);
    let with_code = touches_with_code(facts);
    let mut evidence: Vec<&Evidence> = facts.evidence.iter().collect();
    evidence.sort_by_key(|evidence| (evidence.user.0, evidence.at));
    for (atom, registered_at, user) in facts.users.registered() {
        if !query.covers(registered_at) {
            continue;
        }
        let first = first(user, &with_code);
        let recorded = later.last(user.touch, registered_at);
        let decided = last_evidence(&evidence, atom, registered_at);
        let touches = [user.touched_at.map(|at| (at, first)), recorded, decided];
        let mut last = None;
        for touch in touches.into_iter().flatten() {
            // Of two at the same moment, the one that is known better.
            if last.is_none_or(|(at, _)| touch.0 >= at) {
                last = Some(touch);
            }
        }
        let last = last.and_then(|(_, channel)| channel);
        if let Some(counts) = groups.of(|_| Atom::of_channel(first)) {
            counts.first += 1;
        }
        if let Some(counts) = groups.of(|_| Atom::of_channel(last)) {
            counts.last += 1;
        }
    }
    shares(groups.table(as_of, |counts| {
        vec![Cell::Count(counts.first), Cell::Count(counts.last), Cell::Unknown, Cell::Unknown]
    }))
}

/// Fills the shares of the counts.
fn shares(mut table: Table) -> Table {
    let width = table.columns.len();
    for (counts, share) in [(width - 4, width - 2), (width - 3, width - 1)] {
        let count = |row: &[Cell]| if let Cell::Count(count) = row[counts] { count } else { 0 };
        let all = table.rows.iter().map(|row| count(row)).sum();
        for row in &mut table.rows {
            row[share] = ratio(count(row), all);
        }
    }
    table
}

/// Returns the touches that are known to have brought a code of a user.
fn touches_with_code(facts: &Facts) -> HashSet<Atom> {
    let recorded = facts.touches.iter();
    let recorded = recorded.filter(|touch| touch.channel == Some(Channel::ReferralProgramme));
    let decided = facts.evidence.iter().map(|evidence| evidence.touch);
    recorded.map(|touch| touch.number).chain(decided).filter(|at| *at != Atom::UNKNOWN).collect()
}

fn first(user: &User, with_code: &HashSet<Atom>) -> Option<Channel> {
    if with_code.contains(&user.touch) { Some(Channel::ReferralProgramme) } else { user.channel }
}

fn last_evidence(
    evidence: &[&Evidence],
    user: Atom,
    until: Timestamp,
) -> Option<(Timestamp, Option<Channel>)> {
    let end = evidence.partition_point(|one| (one.user.0, one.at) <= (user.0, until));
    let last = evidence[..end].last().filter(|one| one.user == user)?;
    Some((last.at, Some(Channel::ReferralProgramme)))
}

/// The recorded landings, by visitor and time.
struct Later {
    touches: Vec<(Atom, Timestamp, Option<Channel>)>,
}

impl Later {
    fn of(facts: &Facts) -> Self {
        let of_visitors = facts.touches.iter().filter(|t| t.first != Atom::UNKNOWN && t.counts);
        let mut touches: Vec<_> =
            of_visitors.map(|touch| (touch.first, touch.at, touch.channel)).collect();
        // Stable: of two at the same moment the later one in the log comes last.
        touches.sort_by_key(|(first, at, _)| (first.0, *at));
        Self { touches }
    }

    /// Returns the last landing of a visitor up to a moment.
    fn last(&self, first: Atom, until: Timestamp) -> Option<(Timestamp, Option<Channel>)> {
        if first == Atom::UNKNOWN {
            return None;
        }
        let end = self.touches.partition_point(|(one, at, _)| (one.0, *at) <= (first.0, until));
        let (one, at, channel) = self.touches[..end].last()?;
        (*one == first).then_some((*at, *channel))
    }
}
