//! What the views measure: the values of an account, shares, percentiles, lengths of time.

use whence_events::Timestamp;

use super::atom::Atom;
use super::dimension::Dimension;
use super::facts::User;
use super::table::Cell;
use super::zone::Zone;

/// Returns the value of a dimension for an account that registered at a moment.
pub(super) fn of_user(
    user: &User,
    registered_at: Timestamp,
    zone: &Zone,
    dimension: Dimension,
) -> Atom {
    match dimension {
        Dimension::Source => user.origin.source,
        Dimension::Medium => user.origin.medium,
        Dimension::Campaign => user.origin.campaign,
        Dimension::Channel => Atom::of_channel(user.credited_channel()),
        Dimension::Country => user.country,
        Dimension::Device => user.device,
        Dimension::LandingPage => user.origin.landing_page,
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

/// Returns the value of a dimension of time; unknown for any other.
pub(super) fn of_time(at: Timestamp, zone: &Zone, dimension: Dimension) -> Atom {
    if dimension == Dimension::Day {
        Atom::of_day(zone.day(at))
    } else if matches!(dimension, Dimension::Week | Dimension::Cohort) {
        Atom::of_day(zone.week(at))
    } else {
        Atom::UNKNOWN
    }
}

/// Returns a share; unknown where there is nothing to divide by.
#[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^52")]
pub(super) fn ratio(part: u64, whole: u64) -> Cell {
    if whole == 0 { Cell::Unknown } else { Cell::Ratio(part as f64 / whole as f64) }
}

/// Returns the smallest of the sorted lengths that this many percent of them do not exceed (nearest
/// rank).
#[expect(clippy::cast_precision_loss, reason = "microseconds of a few years are below 2^52")]
pub(super) fn percentile(sorted_micros: &[u64], percent: usize) -> Cell {
    let rank = (sorted_micros.len() * percent).div_ceil(100).max(1);
    match sorted_micros.get(rank - 1) {
        Some(micros) => Cell::Seconds(*micros as f64 / 1e6),
        None => Cell::Unknown,
    }
}

pub(super) fn micros(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
