//! Events as they stand in the log.

use serde::Serialize;
use serde_json::value::RawValue;
use whence_events::{Position, StreamId};

use super::line::Line;
use super::personal::Show;
use crate::engine::{Engine, PAGE};
use crate::store::StoreError;

/// Events looked at for one page.
const MAX_LOOKED: usize = 20_000;

/// Which events.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Those after this position.
    pub after: Position,
    /// So many at most.
    pub limit: usize,
    /// Of this stream alone.
    pub stream: Option<StreamId>,
    /// Of this stored type alone.
    pub event_type: Option<String>,
}

/// Some events, and where the next are.
#[derive(Debug, Serialize)]
pub struct Events {
    /// They.
    pub items: Vec<Stored>,
    /// Ask for what comes after this position; none: there is no more.
    pub next: Option<Position>,
}

/// An event and its stored bytes: personal data is sealed in them.
#[derive(Debug, Serialize)]
pub struct Stored {
    /// The event in words.
    #[serde(flatten)]
    pub line: Line,
    /// As it is stored.
    pub data: Option<Box<RawValue>>,
}

impl Events {
    pub(super) async fn of(
        engine: &Engine,
        wanted: &Wanted,
        show: Show,
    ) -> Result<Self, StoreError> {
        let mut items = vec![];
        let (mut after, mut looked) = (wanted.after, 0);
        while looked < MAX_LOOKED {
            let page = engine.store.read_all(after, PAGE).await?;
            if page.is_empty() {
                return Ok(Self { items, next: None });
            }
            looked += page.len();
            for recorded in &page {
                after = recorded.position;
                let other_stream = wanted.stream.as_ref().is_some_and(|s| *s != recorded.stream);
                let event_type = recorded.event.event_type();
                let other_type = wanted.event_type.as_deref().is_some_and(|t| t != event_type);
                if other_stream || other_type {
                    continue;
                }
                let line = Line::of(engine, recorded, show).await?;
                items.push(Stored { line, data: serde_json::from_slice(&recorded.data).ok() });
                if items.len() >= wanted.limit {
                    return Ok(Self { items, next: Some(after) });
                }
            }
        }
        Ok(Self { items, next: Some(after) })
    }
}
