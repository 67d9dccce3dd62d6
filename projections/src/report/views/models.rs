//! Attribution models: the same accounts, each with one account's worth of credit, which every model
//! shares among the touches that led to it in a way of its own. No snapshot changes by it.
//!
//! - First touch and last touch give all to one touch; last non-direct to the last one that was no direct
//!   visit, or to the last one where all were.
//! - Linear, position-based and time decay share by the place or the age of a touch.
//! - Markov shares all accounts in proportion to what would be missing without a channel, by the ways of
//!   visitors with and without an account.
//! - Shapley asks the same of every set of channels: a set is worth the accounts of which all touches are
//!   of the set. The Shapley value of that game shares an account equally among the different channels
//!   of its path, so that it is exact for any number of channels.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use whence_events::Position;

use crate::report::atom::Atom;
use crate::report::channel::Channel;
use crate::report::credit::{as_float, position_based, time_decay};
use crate::report::dimension::Dimension;
use crate::report::facts::Facts;
use crate::report::groups::Groups;
use crate::report::markov::Chain;
use crate::report::measure::ratio;
use crate::report::path::{PathTouch, Paths};
use crate::report::query::{HALF_LIFE, Query};
use crate::report::table::{Cell, Table};
use crate::report::view::View;

/// The credit of a group, by each model.
#[derive(Clone, Copy, Debug, Default)]
struct Credits {
    first: u64,
    last: u64,
    last_non_direct: u64,
    linear: f64,
    position_based: f64,
    time_decay: f64,
    markov: f64,
    shapley: f64,
}

impl Credits {
    fn add(&mut self, other: &Self) {
        self.first += other.first;
        self.last += other.last;
        self.last_non_direct += other.last_non_direct;
        self.linear += other.linear;
        self.position_based += other.position_based;
        self.time_decay += other.time_decay;
        self.markov += other.markov;
        self.shapley += other.shapley;
    }

    fn has_any(&self) -> bool {
        self.linear > 0.0 || self.markov > 0.0
    }

    fn cells(self) -> Vec<Cell> {
        let shared = [self.linear, self.position_based, self.time_decay, self.markov, self.shapley];
        [Cell::Count(self.first), Cell::Count(self.last), Cell::Unknown, Cell::Unknown]
            .into_iter()
            .chain([Cell::Count(self.last_non_direct)])
            .chain(shared.map(Cell::Credit))
            .collect()
    }
}

pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut states = States::of(query);
    let paths = Paths::of(facts);
    paths.of_accounts(query, |path| states.convert(path));
    paths.of_visitors(query, |path| states.lose(path));
    states.ask_the_chain();
    let mut groups = Groups::<Credits>::new(View::Models, facts, query);
    for (values, credits) in &states.met {
        // What only visitors without an account came by has credit of no model, unless of the chain.
        if credits.has_any()
            && let Some(group) = groups.of(|by| states.value(values, by))
        {
            group.add(credits);
        }
    }
    shares(groups.table(as_of, Credits::cells))
}

/// The most dimensions of the view.
const MOST: usize = 6;

/// The values of a touch, in the order of the dimensions that count.
type Values = [Atom; MOST];

/// The combinations of values that touches have, and their credit: the states that visitors go through.
struct States<'a> {
    query: &'a Query,
    /// The dimensions that are grouped by or filtered by.
    dimensions: Vec<Dimension>,
    numbers: HashMap<Values, usize, RandomState>,
    /// In the order in which they were met.
    met: Vec<(Values, Credits)>,
    chain: Chain,
    /// The states of the path at hand.
    way: Vec<usize>,
}

impl<'a> States<'a> {
    fn of(query: &'a Query) -> Self {
        let mut dimensions = query.dimensions(View::Models);
        for (by, _) in &query.filters {
            if !dimensions.contains(by) {
                dimensions.push(*by);
            }
        }
        let (numbers, chain) = (HashMap::default(), Chain::default());
        Self { query, dimensions, numbers, met: vec![], chain, way: vec![] }
    }

    /// Takes the path of an account.
    fn convert(&mut self, path: &[PathTouch]) {
        self.go(path, true);
        let direct = |touch: &PathTouch| touch.channel == Some(Channel::Direct);
        let last = path.len() - 1;
        let last_non_direct = path.iter().rposition(|touch| !direct(touch)).unwrap_or(last);
        let times: Vec<_> = path.iter().map(|touch| touch.at).collect();
        let half_life = self.query.half_life.unwrap_or(HALF_LIFE);
        let shares = position_based(path.len()).into_iter().zip(time_decay(&times, half_life));
        for ((place, state), (by_position, by_age)) in self.way.iter().enumerate().zip(shares) {
            let credits = &mut self.met[*state].1;
            credits.first += u64::from(place == 0);
            credits.last += u64::from(place == last);
            credits.last_non_direct += u64::from(place == last_non_direct);
            credits.linear += 1.0 / as_float(path.len());
            credits.position_based += by_position;
            credits.time_decay += by_age;
        }
        self.way.sort_unstable();
        self.way.dedup();
        for state in &self.way {
            self.met[*state].1.shapley += 1.0 / as_float(self.way.len());
        }
    }

    /// Takes the path of a visitor who made no account.
    fn lose(&mut self, path: &[PathTouch]) {
        self.go(path, false);
    }

    fn go(&mut self, path: &[PathTouch], converted: bool) {
        self.way.clear();
        for touch in path {
            let mut values = [Atom::UNKNOWN; MOST];
            for (value, by) in values.iter_mut().zip(&self.dimensions) {
                *value = of_touch(touch, *by);
            }
            let next = self.met.len();
            let state = *self.numbers.entry(values).or_insert(next);
            if state == next {
                self.met.push((values, Credits::default()));
            }
            self.way.push(state);
        }
        self.chain.add(&self.way, converted);
    }

    /// Returns the value of a dimension that counts.
    fn value(&self, values: &Values, by: Dimension) -> Atom {
        let place = self.dimensions.iter().position(|known| *known == by);
        place.map_or(Atom::UNKNOWN, |place| values[place])
    }

    /// Gives every state the credit that the chain gives it.
    fn ask_the_chain(&mut self) {
        let shares: Vec<f64> = self.met.iter().map(|(_, credits)| credits.linear).collect();
        for ((_, credits), markov) in self.met.iter_mut().zip(self.chain.credits(&shares)) {
            credits.markov = markov;
        }
    }
}

fn of_touch(touch: &PathTouch, by: Dimension) -> Atom {
    match by {
        Dimension::Channel => Atom::of_channel(touch.channel),
        Dimension::Source => touch.origin.source,
        Dimension::Medium => touch.origin.medium,
        Dimension::Campaign => touch.origin.campaign,
        Dimension::LandingPage => touch.origin.landing_page,
        Dimension::Creator => touch.creator,
        // Not of a touch on a path.
        Dimension::Day
        | Dimension::Week
        | Dimension::Country
        | Dimension::Device
        | Dimension::ReferrerDomain
        | Dimension::Stage
        | Dimension::Referrer
        | Dimension::Part
        | Dimension::Which
        | Dimension::Cohort
        | Dimension::WeeksLater
        | Dimension::FirstTouch => Atom::UNKNOWN,
    }
}

/// Fills the shares of the first and of the last touch.
fn shares(mut table: Table) -> Table {
    let place = |table: &Table, name| table.columns.iter().position(|column| column.name == name);
    for (counts, share) in
        [("first_touch", "first_touch_share"), ("last_touch", "last_touch_share")]
    {
        let (Some(counts), Some(share)) = (place(&table, counts), place(&table, share)) else {
            continue;
        };
        let count = |row: &[Cell]| if let Cell::Count(count) = row[counts] { count } else { 0 };
        let all = table.rows.iter().map(|row| count(row)).sum();
        for row in &mut table.rows {
            row[share] = ratio(count(row), all);
        }
    }
    table
}
