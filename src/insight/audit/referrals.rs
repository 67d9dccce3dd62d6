//! The referral decisions of a time.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{Position, Timestamp};

use super::decision::Decision;
use crate::engine::{Engine, PAGE};
use crate::store::StoreError;

/// How far the clocks of nodes and of their store may differ: an event may be that much before or
/// after its time in the log.
const MAX_CLOCK_SKEW: Duration = Duration::from_hours(1);

/// How many events are read at most for one page.
const MAX_EVENTS_READ: usize = 50_000;

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment that counts.
    pub from: Timestamp,
    /// The first moment that no longer counts.
    pub to: Timestamp,
}

/// A page of decisions in order, and where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decisions {
    /// The decisions of this page.
    pub items: Vec<Decision>,
    /// The position after which the next page begins; `None`: there are no more decisions.
    pub next: Option<Position>,
}

impl Decisions {
    /// Returns the decisions of a time, after a position; 0 is the beginning.
    pub(super) async fn of(
        engine: &Engine,
        range: TimeRange,
        after: Position,
    ) -> Result<Self, StoreError> {
        let mut after =
            if after == 0 { beginning(engine, range.from - MAX_CLOCK_SKEW).await? } else { after };
        let mut items = vec![];
        let mut events_read = 0;
        while events_read < MAX_EVENTS_READ {
            let page = engine.store.read_all(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(Self { items, next: None }) };
            let over = last.recorded_at > range.to + MAX_CLOCK_SKEW;
            after = last.position;
            events_read += page.len();
            let decisions = page.iter().filter_map(Decision::of);
            items.extend(decisions.filter(|made| range.from <= made.at && made.at < range.to));
            if over {
                return Ok(Self { items, next: None });
            }
            tokio::task::yield_now().await;
        }
        Ok(Self { items, next: Some(after) })
    }
}

/// Returns the last position before a time, found by bisection: events are in the order in which
/// they were recorded. A log with gaps can be read from after an event only, and is read from its
/// beginning.
async fn beginning(engine: &Engine, time: Timestamp) -> Result<Position, StoreError> {
    if engine.store.event_at(1).await?.is_none() {
        return Ok(0);
    }
    let (mut low, mut high) = (0, engine.store.head().await?);
    while low < high {
        let middle = low + (high - low) / 2;
        match engine.store.read_all(middle, 1).await?.first() {
            Some(event) if event.recorded_at < time => low = event.position,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// Parses a span of time. Without the first end, it is everything before the second; without the
/// second, everything since the first.
pub fn time_range(from: Option<&str>, to: Option<&str>) -> anyhow::Result<TimeRange> {
    let from = match from {
        Some(text) => moment(text).with_context(|| not_a_time("from", text))?,
        None => Timestamp::from_micros(0),
    };
    let to = match to {
        Some(text) => moment(text).with_context(|| not_a_time("to", text))?,
        None => Timestamp::from_micros(i64::MAX / 2),
    };
    ensure!(from < to, "the time from --from to --to is empty");
    Ok(TimeRange { from, to })
}

fn not_a_time(flag: &str, text: &str) -> String {
    format!("--{flag} {text}: not a time like 2026-01-31 or 2026-01-31T12:00:00Z")
}

/// Parses a moment, or a day as its first moment.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let day: chrono::NaiveDate = text.parse().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_begins_where_it_says_and_ends_before_what_it_says() {
        let day = time_range(Some("2026-01-31"), Some("2026-02-01")).unwrap();
        assert_eq!(day.from.to_string(), "2026-01-31T00:00:00.000000Z");
        assert_eq!(day.to.to_string(), "2026-02-01T00:00:00.000000Z");
        assert!(time_range(Some("2026-01-31"), Some("2026-01-31")).is_err());
        let moment = Some("2026-01-31T12:00:00Z");
        assert!(time_range(moment, moment).is_err());
        assert!(time_range(None, moment).is_ok() && time_range(moment, None).is_ok());
    }

    #[test]
    fn what_is_no_time_is_told() {
        for text in ["yesterday", "2026-02-30", "31.01.2026", ""] {
            let error = time_range(Some(text), None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--from {text}: not a time")), "{error}");
        }
        assert!(time_range(Some("2026-02-01"), Some("2026-01-01")).is_err());
    }
}
