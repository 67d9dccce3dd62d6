//! From facts to the tables of the views.

mod clicks;
mod funnel;
mod models;
mod retention;
mod signups;
mod time_to_signup;
mod tree;
mod viral;

use whence_events::{Position, Timestamp};

pub(super) use funnel::Stage;

use super::asked::Query;
use super::dimension::Dimension;
use super::facts::{Atom, Facts, User};
use super::table::{Cell, Table};
use super::view::View;
use super::zone::Zone;

/// The answer of a view.
pub(super) fn table(view: View, facts: &Facts, query: &Query, as_of: Position) -> Table {
    match view {
        View::Signups => signups::table(facts, query, as_of),
        View::Domains => clicks::domains(facts, query, as_of),
        View::Funnel => funnel::table(facts, query, as_of),
        View::Referrers => clicks::referrers(facts, query, as_of),
        View::Creators => clicks::creators(facts, query, as_of),
        View::Tree => tree::table(facts, query, as_of),
        View::Viral => viral::table(facts, query, as_of),
        View::TimeToSignup => time_to_signup::table(facts, query, as_of),
        View::Retention => retention::table(facts, query, as_of),
        View::Models => models::table(facts, query, as_of),
    }
}

/// The value of a dimension for an account that registered then.
fn of_user(user: &User, registered_at: Timestamp, zone: Zone, dimension: Dimension) -> Atom {
    match dimension {
        Dimension::Source => user.source,
        Dimension::Medium => user.medium,
        Dimension::Campaign => user.campaign,
        Dimension::Channel => Atom::of_channel(user.credited_channel()),
        Dimension::Country => user.country,
        Dimension::Device => user.device,
        Dimension::LandingPage => user.landing_page,
        Dimension::ReferrerDomain => user.referrer_domain,
        Dimension::FirstTouch if user.touched_at.is_some() => Atom(0),
        Dimension::Referrer => user.came_with.unwrap_or(Atom::UNKNOWN),
        Dimension::Creator => user.creator,
        Dimension::Day | Dimension::Week | Dimension::Cohort => {
            of_time(registered_at, zone, dimension)
        }
        // Not of an account.
        Dimension::FirstTouch
        | Dimension::Stage
        | Dimension::Part
        | Dimension::Which
        | Dimension::WeeksLater => Atom::UNKNOWN,
    }
}

/// The value of a dimension of time; unknown for any other.
fn of_time(at: Timestamp, zone: Zone, dimension: Dimension) -> Atom {
    if dimension == Dimension::Day {
        Atom::of_day(zone.day(at))
    } else if matches!(dimension, Dimension::Week | Dimension::Cohort) {
        Atom::of_day(zone.week(at))
    } else {
        Atom::UNKNOWN
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^52")]
fn ratio(part: u64, whole: u64) -> Cell {
    if whole == 0 { Cell::Unknown } else { Cell::Ratio(part as f64 / whole as f64) }
}

/// The smallest of the sorted lengths that so many percent of them do not exceed (nearest rank).
#[expect(clippy::cast_precision_loss, reason = "microseconds of a few years are below 2^52")]
fn percentile(sorted_micros: &[u64], percent: usize) -> Cell {
    let rank = (sorted_micros.len() * percent).div_ceil(100).max(1);
    match sorted_micros.get(rank - 1) {
        Some(micros) => Cell::Seconds(*micros as f64 / 1e6),
        None => Cell::Unknown,
    }
}

fn micros(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
