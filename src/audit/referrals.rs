//! Every referral decision of a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use whence_events::{Position, Timestamp};

use super::decision::Decision;
use crate::records::{PAGE, Records};
use crate::store::StoreError;

/// How far the clocks of nodes, and of their store, may be apart: an event may stand that much before
/// or behind its time.
const CLOCKS: Duration = Duration::from_hours(1);

/// Events looked at for one page.
const MAX_LOOKED: usize = 50_000;

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// From then on.
    pub from: Timestamp,
    /// Until before then.
    pub to: Timestamp,
}

/// Some decisions, in order, and where the next are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// They.
    pub items: Vec<Decision>,
    /// Ask for what comes after this position; none: there is no more.
    pub next: Option<Position>,
}

impl Decisions {
    /// Of a time, after a position: 0 is the beginning.
    pub(super) async fn of(
        records: Records<'_>,
        range: Range,
        after: Position,
    ) -> Result<Self, StoreError> {
        let mut after =
            if after == 0 { beginning(records, range.from - CLOCKS).await? } else { after };
        let mut items = vec![];
        let mut looked = 0;
        while looked < MAX_LOOKED {
            let page = records.store.read_all(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(Self { items, next: None }) };
            let over = last.recorded_at > range.to + CLOCKS;
            after = last.position;
            looked += page.len();
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

/// The last position before that time, found by halves: events stand in the order they were recorded.
/// A log with gaps can be read from behind an event only, and is read from its beginning.
async fn beginning(records: Records<'_>, time: Timestamp) -> Result<Position, StoreError> {
    if records.store.event_at(1).await?.is_none() {
        return Ok(0);
    }
    let (mut low, mut high) = (0, records.store.head().await?);
    while low < high {
        let middle = low + (high - low) / 2;
        match records.store.read_all(middle, 1).await?.first() {
            Some(event) if event.recorded_at < time => low = event.position,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}
