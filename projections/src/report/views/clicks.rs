//! Landings of people and the accounts that came of them, by site, by referrer and by creator. A landing
//! counts when it happened and an account when it registered. Landings of bots do not count; one that
//! repeats a landing of the hour before is no click.

use whence_events::{Position, Timestamp};

use crate::report::atom::Atom;
use crate::report::dimension::Dimension;
use crate::report::facts::{Facts, LandingKind, Touch, User};
use crate::report::groups::Groups;
use crate::report::measure::{of_time, of_user, ratio};
use crate::report::query::Query;
use crate::report::table::{Cell, Table};
use crate::report::view::View;

#[derive(Default)]
struct ClickCounts {
    landings: u64,
    clicks: u64,
    /// The first touches of the visitors, repeated ones included.
    visitors: Vec<u32>,
    /// The clicks of visitors of whom nothing else is known: each is a visitor.
    strangers: u64,
    signups: u64,
    attributed: u64,
}

impl ClickCounts {
    fn land(&mut self, touch: &Touch) {
        self.landings += 1;
        self.clicks += u64::from(touch.is_click());
        if touch.first == Atom::UNKNOWN {
            self.strangers += u64::from(touch.is_click());
        } else {
            self.visitors.push(touch.first.0);
        }
    }

    /// Returns the number of visitors.
    fn visitors(&mut self) -> u64 {
        self.visitors.sort_unstable();
        self.visitors.dedup();
        u64::try_from(self.visitors.len()).unwrap_or(u64::MAX).saturating_add(self.strangers)
    }

    fn with_rate(mut self) -> Vec<Cell> {
        let rate = ratio(self.signups, self.clicks);
        let counts = [self.clicks, self.signups, self.attributed].map(Cell::Count);
        let more = [self.landings, self.visitors()].map(Cell::Count);
        counts.into_iter().chain([rate]).chain(more).collect()
    }

    fn with_clicks(mut self) -> Vec<Cell> {
        let visitors = self.visitors();
        [self.landings, self.signups, self.clicks, visitors].map(Cell::Count).to_vec()
    }
}

pub(super) fn domains(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<ClickCounts>::new(View::Domains, facts, query);
    for touch in landings(facts, query) {
        if let Some(counts) = groups.of(|by| of_touch(touch, query, by)) {
            counts.land(touch);
        }
    }
    for (at, user) in accounts(facts, query) {
        if let Some(counts) = groups.of(|by| of_user(user, at, &query.zone, by)) {
            counts.signups += 1;
        }
    }
    groups.table(as_of, ClickCounts::with_clicks)
}

/// Makes the table of referrers. Unknown are those who came with a code that no user owns. A referrer
/// whose codes only bots came with has a row, too, without clicks.
pub(super) fn referrers(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<ClickCounts>::new(View::Referrers, facts, query);
    for touch in bots(facts, query).filter(|touch| touch.with_code) {
        groups.of(|by| of_touch(touch, query, by));
    }
    for touch in landings(facts, query).filter(|touch| touch.with_code) {
        if let Some(counts) = groups.of(|by| of_touch(touch, query, by)) {
            counts.land(touch);
        }
    }
    for (at, user) in accounts(facts, query).filter(|(_, user)| user.came_with.is_some()) {
        if let Some(counts) = groups.of(|by| of_user(user, at, &query.zone, by)) {
            counts.signups += 1;
            counts.attributed += u64::from(user.referrer.is_some());
        }
    }
    groups.table(as_of, ClickCounts::with_rate)
}

/// Makes the table of creators. Unknown are those who came to the page of a creator that no user is.
pub(super) fn creators(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<ClickCounts>::new(View::Creators, facts, query);
    let of_creator = |page: bool, creator: Atom| page || creator != Atom::UNKNOWN;
    for touch in landings(facts, query).filter(|t| of_creator(t.on_creator_page, t.creator)) {
        if let Some(counts) = groups.of(|by| of_touch(touch, query, by)) {
            counts.land(touch);
        }
    }
    for (at, user) in accounts(facts, query) {
        if of_creator(user.on_creator_page, user.creator)
            && let Some(counts) = groups.of(|by| of_user(user, at, &query.zone, by))
        {
            counts.signups += 1;
            counts.attributed += u64::from(user.referrer == Some(user.creator));
        }
    }
    groups.table(as_of, ClickCounts::with_rate)
}

fn landings<'a>(facts: &'a Facts, query: &'a Query) -> impl Iterator<Item = &'a Touch> {
    facts.touches.iter().filter(|touch| touch.kind != LandingKind::Bot && query.covers(touch.at))
}

fn bots<'a>(facts: &'a Facts, query: &'a Query) -> impl Iterator<Item = &'a Touch> {
    facts.touches.iter().filter(|touch| touch.kind == LandingKind::Bot && query.covers(touch.at))
}

fn accounts<'a>(facts: &'a Facts, query: &'a Query) -> impl Iterator<Item = (Timestamp, &'a User)> {
    let users = facts.users.registered().map(|(_, at, user)| (at, user));
    users.filter(|(at, _)| query.covers(*at))
}

fn of_touch(touch: &Touch, query: &Query, by: Dimension) -> Atom {
    match by {
        Dimension::ReferrerDomain => touch.referrer_domain,
        Dimension::Referrer => touch.owner,
        Dimension::Creator => touch.creator,
        Dimension::Day
        | Dimension::Week
        | Dimension::Source
        | Dimension::Medium
        | Dimension::Campaign
        | Dimension::Channel
        | Dimension::Country
        | Dimension::Device
        | Dimension::LandingPage
        | Dimension::Stage
        | Dimension::Part
        | Dimension::Which
        | Dimension::Cohort
        | Dimension::WeeksLater
        | Dimension::FirstTouch => of_time(touch.at, &query.zone, by),
    }
}
