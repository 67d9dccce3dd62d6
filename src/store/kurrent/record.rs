//! Converts events into what KurrentDB keeps, and back.

use eventstore::{EventData, RecordedEvent, ResolvedEvent, SubscriptionFilter};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;
use whence_events::codec::{self, CodecError};
use whence_events::{
    CorrelationId, EventId, InvalidId, Metadata, Position, Recorded, StreamId, Timestamp,
};

use crate::store::NewEvent;

/// How many events the server looks at before it reports how far it is. Its own default is 32, too few
/// when other programs write much to the same log.
const FILTER_WINDOW: u32 = 1000;

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

/// An event in a stream of whence that is not as whence writes them.
#[derive(Debug, thiserror::Error)]
#[error("event {position} cannot be read: {source}")]
pub(super) struct Unreadable {
    pub(super) position: Position,
    source: Damage,
}

#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("its metadata is not what whence writes: {0}")]
    Metadata(#[from] serde_json::Error),
    #[error(transparent)]
    Actor(#[from] InvalidId),
    #[error("the server gave no position")]
    NoPosition,
}

/// Returns the filter for streams of whence: other programs may write to the same log, and the server
/// itself does.
pub(super) fn ours() -> SubscriptionFilter {
    let filter = SubscriptionFilter::on_stream_name().max(FILTER_WINDOW);
    StreamId::PREFIXES.iter().fold(filter, SubscriptionFilter::add_prefix)
}

/// Returns an event to send. The server keeps its bytes as they are.
pub(super) fn outgoing(event: &NewEvent) -> serde_json::Result<EventData> {
    let NewEvent { event_id, event, data, metadata } = event;
    sent(*event_id, event.event_type(), data, &stored_metadata(metadata, None))
}

/// Returns an event of another log to send, with the time at which that log recorded it.
pub(super) fn copied(event: &Recorded) -> serde_json::Result<EventData> {
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
) -> serde_json::Result<EventData> {
    // As JSON, so that the server's own tools can show it, but with the same bytes.
    let data: &RawValue = serde_json::from_slice(data)?;
    EventData::json(name, &data)?.id(id.0).metadata_as_json(metadata)
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

/// Returns an event as it was stored; `None` when its stream is not one of whence.
pub(super) fn recorded(event: &ResolvedEvent) -> Result<Option<Recorded>, Unreadable> {
    let event = event.get_original_event();
    let Ok(stream) = event.stream_id().parse::<StreamId>() else {
        return Ok(None);
    };
    let unreadable = |source| Unreadable { position: event.position.commit, source };
    in_stream(stream, event).map(Some).map_err(unreadable)
}

fn in_stream(stream: StreamId, event: &RecordedEvent) -> Result<Recorded, Damage> {
    let stored: StoredMetadata = serde_json::from_slice(&event.custom_metadata)?;
    let recorded_at = stored.recorded_at.unwrap_or_else(|| created(event).as_micros());
    Ok(Recorded {
        position: known(event.position.commit).ok_or(Damage::NoPosition)?,
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
