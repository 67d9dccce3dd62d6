//! One event in one line, as an audit shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{EventId, Position, Recorded, Timestamp, Version};

use super::evidence::EventPlace;
use super::personal::Show;
use super::sentences;
use crate::engine::Engine;
use crate::store::StoreError;

/// An event in words, with where it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventLine {
    /// The position in the log.
    pub position: Position,
    /// The time at which it happened.
    pub at: Timestamp,
    /// The actor on whose behalf it happened.
    pub actor: String,
    /// The stream of the event.
    pub stream: String,
    /// The version of the event in its stream.
    pub version: Version,
    /// The stored type of the event.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The id of the event.
    pub event_id: EventId,
    /// What happened, in words.
    pub text: String,
}

impl EventLine {
    /// Returns the stream and the version of the event.
    pub(super) fn place(&self) -> Option<EventPlace> {
        Some((self.stream.parse().ok()?, self.version))
    }

    /// Returns the line of a stored event, with its personal data as far as it can be read.
    pub(super) async fn of(
        engine: &Engine,
        recorded: &Recorded,
        show: Show,
    ) -> Result<Self, StoreError> {
        let mut event = recorded.event.clone();
        engine.vault.open_event(&recorded.stream, recorded.version, &mut event).await?;
        Ok(Self {
            position: recorded.position,
            at: recorded.metadata.occurred_at,
            actor: recorded.metadata.actor.to_string(),
            stream: recorded.stream.to_string(),
            version: recorded.version,
            event_type: recorded.event.event_type().to_owned(),
            event_id: recorded.event_id,
            text: sentences::at(&recorded.stream, &event, show),
        })
    }

    pub(super) async fn all(
        engine: &Engine,
        events: &[Recorded],
        show: Show,
    ) -> Result<Vec<Self>, StoreError> {
        let mut lines = Vec::with_capacity(events.len());
        for recorded in events {
            lines.push(Self::of(engine, recorded, show).await?);
        }
        lines.sort_by_key(|line| line.position);
        Ok(lines)
    }
}
