//! Converts events into what KurrentDB keeps, and back.

use eventstore::{EventData, RecordedEvent, ResolvedEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;
use whence_events::codec::{self, CodecError};
use whence_events::{
    CorrelationId, EventId, InvalidId, Metadata, Position, Recorded, StreamId, Timestamp,
};

use super::names::{Named, Names};
use crate::store::{ForeignEvent, NewEvent};

/// The type of the event that the server writes at the end of a stream that was deleted for good.
const TOMBSTONE: &str = "$streamDeleted";

/// The most characters that are shown of what another program wrote.
const SHOWN: usize = 80;

/// The bytes that the server may count of an event besides its data and metadata.
const OVERHEAD: usize = 128;

/// The metadata of an event as KurrentDB stores it. The names with a `$` are those that KurrentDB's own
/// tools follow from event to event.
#[derive(Serialize, Deserialize)]
struct StoredMetadata {
    /// When the event occurred, in microseconds since 1970.
    occurred_at: i64,
    actor: String,
    #[serde(rename = "$correlationId")]
    correlation_id: Uuid,
    #[serde(rename = "$causationId", default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    /// Only in a copy of a log: when the first log recorded the event, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded_at: Option<i64>,
}

/// Why an event is not one that whence wrote.
#[derive(Debug, thiserror::Error)]
enum NotWritten {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("its metadata is not what whence writes: {0}")]
    Metadata(#[from] serde_json::Error),
    #[error(transparent)]
    Actor(#[from] InvalidId),
}

/// An event to send, and the bytes that the server counts of it at most.
pub(super) struct Outgoing {
    pub(super) event: EventData,
    pub(super) bytes: usize,
}

/// Returns an event to send. The server keeps its bytes as they are.
pub(super) fn outgoing(event: &NewEvent) -> serde_json::Result<Outgoing> {
    let NewEvent { event_id, event, data, metadata } = event;
    sent(*event_id, event.event_type(), data, &stored_metadata(metadata, None))
}

/// Returns an event of another log to send, with the time at which that log recorded it.
pub(super) fn copied(event: &Recorded) -> serde_json::Result<Outgoing> {
    let metadata = stored_metadata(&event.metadata, Some(event.recorded_at));
    sent(event.event_id, event.event.event_type(), &event.data, &metadata)
}

fn stored_metadata(metadata: &Metadata, recorded_at: Option<Timestamp>) -> StoredMetadata {
    StoredMetadata {
        occurred_at: metadata.occurred_at.as_micros(),
        actor: metadata.actor.to_string(),
        correlation_id: metadata.correlation_id.0,
        causation_id: metadata.causation_id.map(|id| id.0),
        recorded_at: recorded_at.map(Timestamp::as_micros),
    }
}

fn sent(
    id: EventId,
    name: &str,
    data: &[u8],
    metadata: &StoredMetadata,
) -> serde_json::Result<Outgoing> {
    let metadata = serde_json::value::to_raw_value(metadata)?;
    let bytes = data.len() + metadata.get().len() + name.len() + OVERHEAD;
    // As JSON, so that the server's own tools can show it, but with the same bytes.
    let data: &RawValue = serde_json::from_slice(data)?;
    let event = EventData::json(name, &data)?.id(id.0).metadata_as_json(&metadata)?;
    Ok(Outgoing { event, bytes })
}

/// Returns the position of an event, when the server reports it. Since version 22.6 it does so also in
/// reads of one stream.
pub(super) fn position(event: &ResolvedEvent) -> Option<Position> {
    known(event.get_original_event().position.commit)
}

/// Returns a position unless it stands for "none", which the server writes as 0 or a negative number.
pub(super) fn known(position: u64) -> Option<Position> {
    (position > 0 && i64::try_from(position).is_ok()).then_some(position)
}

/// Returns an event as it was stored; `None` when it has nothing to do with this log. The error is an
/// event in a stream of whence, or about one, that whence did not write.
pub(super) fn recorded(
    names: &Names,
    event: &ResolvedEvent,
) -> Result<Option<Recorded>, ForeignEvent> {
    let event = event.get_original_event();
    let position = known(event.position.commit).unwrap_or(0);
    let foreign = |stream, found| Err(ForeignEvent { stream, position, found });
    match names.read(event.stream_id()) {
        None => Ok(None),
        Some(Named::Metadata(stream)) => {
            let found = format!("its metadata was changed to {}", shown(&event.data));
            foreign(stream, found)
        }
        Some(Named::Stream(stream)) if event.event_type == TOMBSTONE => {
            foreign(stream, "the stream was deleted for good".to_owned())
        }
        Some(Named::Stream(stream)) => match in_stream(stream.clone(), event) {
            Ok(event) => Ok(Some(event)),
            Err(why) => {
                let event_type = shown(event.event_type.as_bytes());
                let why = shown(why.to_string().as_bytes());
                let found =
                    format!("an event of type {event_type} that whence did not write: {why}");
                foreign(stream, found)
            }
        },
    }
}

/// Returns the beginning of what another program wrote, as text that steers no terminal.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

fn in_stream(stream: StreamId, event: &RecordedEvent) -> Result<Recorded, NotWritten> {
    let stored: StoredMetadata = serde_json::from_slice(&event.custom_metadata)?;
    let recorded_at = stored.recorded_at.unwrap_or_else(|| created(event).as_micros());
    Ok(Recorded {
        position: known(event.position.commit).unwrap_or(0),
        stream,
        version: event.revision,
        event_id: EventId(event.id),
        event: codec::decode(&event.event_type, &event.data)?,
        data: event.data.as_ref().into(),
        metadata: Metadata {
            occurred_at: Timestamp::from_micros(stored.occurred_at),
            correlation_id: CorrelationId(stored.correlation_id),
            causation_id: stored.causation_id.map(EventId),
            actor: stored.actor.parse()?,
        },
        recorded_at: Timestamp::from_micros(recorded_at),
    })
}

/// Returns when the server recorded an event. The client keeps whole seconds of that; the metadata
/// that it reads them from has more.
pub(super) fn created(event: &RecordedEvent) -> Timestamp {
    let ticks = event.metadata.get("created").and_then(|ticks| ticks.parse::<i64>().ok());
    Timestamp::from_micros(ticks.unwrap_or(0) / 10)
}
