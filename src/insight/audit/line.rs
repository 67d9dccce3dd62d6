//! One event, as an audit shows it.

use serde::{Deserialize, Serialize};
use whence_events::{EventId, Position, Recorded, Timestamp, Version};

use super::evidence::Place;
use super::personal::Show;
use super::sentences;
use crate::engine::Engine;
use crate::store::StoreError;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Where it stands in the log.
    pub position: Position,
    /// When it happened.
    pub at: Timestamp,
    /// On whose behalf.
    pub actor: String,
    /// Its stream.
    pub stream: String,
    /// Where it stands in its stream.
    pub version: Version,
    /// Its stored type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its id.
    pub event_id: EventId,
    /// What happened, in words.
    pub text: String,
}

impl Line {
    /// Where it stands.
    pub(super) fn place(&self) -> Option<Place> {
        Some((self.stream.parse().ok()?, self.version))
    }

    /// Of a stored event, as far as its personal data can be read.
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
