//! From landing to attribution. Each step counts when it happened; logins of those who have an
//! account are logins, too.

use whence_events::{DeliveryFailure, Position, Refusal, Timestamp};

use super::{of_time, ratio};
use crate::analytics::asked::Query;
use crate::analytics::dimension::Dimension;
use crate::analytics::facts::{Atom, Facts};
use crate::analytics::groups::Groups;
use crate::analytics::table::{Cell, Table};
use crate::analytics::view::View;

/// A step of the funnel, or something beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::analytics) enum Stage {
    /// Somebody landed: no bot, and not again within the hour.
    Landing,
    CodeRequested,
    /// Its mail did not fail.
    Delivered,
    Verified,
    Registered,
    Attributed,
    Refused(Refusal),
    BotLanding,
    DeduplicatedLanding,
    LoginThrottled,
    DeliveryFailed(DeliveryFailure),
    CodeRejected,
    LoginLocked,
    AddressLocked,
    LoginExpired,
}

/// The steps that lead to one another.
const WAY: [Stage; 6] = [
    Stage::Landing,
    Stage::CodeRequested,
    Stage::Delivered,
    Stage::Verified,
    Stage::Registered,
    Stage::Attributed,
];

impl Stage {
    /// Every stage, in order.
    pub(in crate::analytics) fn all() -> impl Iterator<Item = Self> {
        let refused = Refusal::ALL.iter().copied().map(Self::Refused);
        let landings = [Self::BotLanding, Self::DeduplicatedLanding, Self::LoginThrottled];
        let failed = DeliveryFailure::ALL.iter().copied().map(Self::DeliveryFailed);
        let logins =
            [Self::CodeRejected, Self::LoginLocked, Self::AddressLocked, Self::LoginExpired];
        WAY.into_iter().chain(refused).chain(landings).chain(failed).chain(logins)
    }

    /// What its row is called.
    pub(in crate::analytics) fn name(self) -> String {
        match self {
            Self::Landing => "landing".to_owned(),
            Self::CodeRequested => "code_requested".to_owned(),
            Self::Delivered => "delivered".to_owned(),
            Self::Verified => "verified".to_owned(),
            Self::Registered => "registered".to_owned(),
            Self::Attributed => "attributed".to_owned(),
            Self::Refused(reason) => format!("refused: {reason}"),
            Self::BotLanding => "landing of a bot".to_owned(),
            Self::DeduplicatedLanding => "landing again within the hour".to_owned(),
            Self::LoginThrottled => "login throttled".to_owned(),
            Self::DeliveryFailed(reason) => format!("delivery failed: {reason}"),
            Self::CodeRejected => "wrong code".to_owned(),
            Self::LoginLocked => "login locked".to_owned(),
            Self::AddressLocked => "address locked".to_owned(),
            Self::LoginExpired => "login expired".to_owned(),
        }
    }

    fn atom(self) -> Atom {
        let place = match self {
            Self::Refused(reason) => WAY.len() + index(Refusal::ALL, &reason),
            Self::DeliveryFailed(reason) => {
                WAY.len() + Refusal::ALL.len() + 3 + index(DeliveryFailure::ALL, &reason)
            }
            Self::Landing
            | Self::CodeRequested
            | Self::Delivered
            | Self::Verified
            | Self::Registered
            | Self::Attributed
            | Self::BotLanding
            | Self::DeduplicatedLanding
            | Self::LoginThrottled
            | Self::CodeRejected
            | Self::LoginLocked
            | Self::AddressLocked
            | Self::LoginExpired => Self::all().position(|stage| stage == self).unwrap_or(0),
        };
        Atom::at(place)
    }
}

fn index<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|known| known == one).unwrap_or(0)
}

#[derive(Default)]
struct Counts {
    stage: Option<Stage>,
    count: u64,
    /// Of the step that leads to this one.
    previous: u64,
}

pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<Counts>::new(View::Funnel, facts, query);
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

fn count(groups: &mut Groups<'_, Counts>, stage: Stage, at: Timestamp, query: &Query) {
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
    if by == Dimension::Stage { stage.atom() } else { of_time(at, query.zone, by) }
}
