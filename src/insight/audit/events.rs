//! Events as they are in the log.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use whence_events::{Position, StreamId};

use super::line::EventLine;
use super::personal::Show;
use crate::engine::{Engine, PAGE};
use crate::store::StoreError;

/// How many events are read at most for one page.
const MAX_EVENTS_READ: usize = 20_000;

/// The events that are asked for.
#[derive(Clone, Debug)]
pub struct EventQuery {
    /// Only events after this position are returned.
    pub after: Position,
    /// This is the largest number of events in a page.
    pub limit: usize,
    /// Only events of this stream are returned.
    pub stream: Option<StreamId>,
    /// Only events of this stored type are returned.
    pub event_type: Option<String>,
}

/// A page of events, and where the next page begins.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// The events of this page.
    pub items: Vec<StoredEvent>,
    /// The position after which the next page begins; `None`: there are no more events.
    pub next: Option<Position>,
}

/// An event and its stored bytes, in which personal data is sealed.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoredEvent {
    /// The event in words.
    #[serde(flatten)]
    pub line: EventLine,
    /// The event as it is stored.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
}

impl EventPage {
    pub(super) async fn of(
        engine: &Engine,
        wanted: &EventQuery,
        show: Show,
    ) -> Result<Self, StoreError> {
        let mut items = vec![];
        let (mut after, mut events_read) = (wanted.after, 0);
        while events_read < MAX_EVENTS_READ {
            let page = engine.store.read_all(after, PAGE).await?;
            if page.is_empty() {
                return Ok(Self { items, next: None });
            }
            events_read += page.len();
            for recorded in &page {
                after = recorded.position;
                let other_stream = wanted.stream.as_ref().is_some_and(|s| *s != recorded.stream);
                let event_type = recorded.event.event_type();
                let other_type = wanted.event_type.as_deref().is_some_and(|t| t != event_type);
                if other_stream || other_type {
                    continue;
                }
                let line = EventLine::of(engine, recorded, show).await?;
                items.push(StoredEvent { line, data: serde_json::from_slice(&recorded.data).ok() });
                if items.len() >= wanted.limit {
                    return Ok(Self { items, next: Some(after) });
                }
            }
        }
        Ok(Self { items, next: Some(after) })
    }
}
