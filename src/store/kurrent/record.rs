//! Events as KurrentDB keeps them, and back.

use eventstore::{EventData, RecordedEvent, ResolvedEvent, SubscriptionFilter};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;
use whence_events::codec::{self, CodecError};
use whence_events::{
    CorrelationId, EventId, InvalidId, Metadata, Position, Recorded, StreamId, Timestamp,
};

use crate::store::NewEvent;

/// Events that the server looks at before it says how far it is; its own default is 32, too few where
/// others write much to the same log.
const FILTER_WINDOW: u32 = 1000;

/// What stands beside the data of an event. The names with a `$` are those that KurrentDB's own tools
/// follow from event to event.
#[derive(Serialize, Deserialize)]
struct StoredMetadata {
    /// Microseconds since 1970.
    occurred_at: i64,
    actor: String,
    #[serde(rename = "$correlationId")]
    correlation_id: Uuid,
    #[serde(rename = "$causationId", default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    /// When the log took it of which this one is a copy, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded_at: Option<i64>,
}

/// An event in a stream of ours that is not as we write them.
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

/// Only what stands in streams of ours: others may write to the same log, and the server itself does.
pub(super) fn ours() -> SubscriptionFilter {
    let filter = SubscriptionFilter::on_stream_name().max(FILTER_WINDOW);
    StreamId::PREFIXES.iter().fold(filter, SubscriptionFilter::add_prefix)
}

/// An event to send. The server keeps its bytes as they are.
pub(super) fn outgoing(event: &NewEvent) -> serde_json::Result<EventData> {
    let NewEvent { event_id, event, data, metadata } = event;
    sent(*event_id, event.event_type(), data, &beside(metadata, None))
}

/// An event of another log to send, with the time at which that took it.
pub(super) fn copied(event: &Recorded) -> serde_json::Result<EventData> {
    let beside = beside(&event.metadata, Some(event.recorded_at));
    sent(event.event_id, event.event.event_type(), &event.data, &beside)
}

fn beside(metadata: &Metadata, recorded_at: Option<Timestamp>) -> StoredMetadata {
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
    beside: &StoredMetadata,
) -> serde_json::Result<EventData> {
    // As JSON, so that the server's own tools can show it, but not written anew.
    let data: &RawValue = serde_json::from_slice(data)?;
    EventData::json(name, &data)?.id(id.0).metadata_as_json(beside)
}

/// The position of an event, when the server told it: it does so since version 22.6, for reads of one
/// stream, too.
pub(super) fn position(event: &ResolvedEvent) -> Option<Position> {
    known(event.get_original_event().position.commit)
}

/// A position that the server really gave: it says "none" with 0 or with a negative number.
pub(super) fn known(position: u64) -> Option<Position> {
    (position > 0 && i64::try_from(position).is_ok()).then_some(position)
}

/// An event as it was stored; `None` when its stream is not one of ours.
pub(super) fn recorded(event: &ResolvedEvent) -> Result<Option<Recorded>, Unreadable> {
    let event = event.get_original_event();
    let Ok(stream) = event.stream_id().parse::<StreamId>() else {
        return Ok(None);
    };
    let unreadable = |source| Unreadable { position: event.position.commit, source };
    in_stream(stream, event).map(Some).map_err(unreadable)
}

fn in_stream(stream: StreamId, event: &RecordedEvent) -> Result<Recorded, Damage> {
    let beside: StoredMetadata = serde_json::from_slice(&event.custom_metadata)?;
    let recorded_at = beside.recorded_at.unwrap_or_else(|| created(event).as_micros());
    Ok(Recorded {
        position: known(event.position.commit).ok_or(Damage::NoPosition)?,
        stream,
        version: event.revision,
        event_id: EventId(event.id),
        event: codec::decode(&event.event_type, &event.data)?,
        data: event.data.as_ref().into(),
        metadata: Metadata {
            occurred_at: Timestamp::from_micros(beside.occurred_at),
            correlation_id: CorrelationId(beside.correlation_id),
            causation_id: beside.causation_id.map(EventId),
            actor: beside.actor.parse()?,
        },
        recorded_at: Timestamp::from_micros(recorded_at),
    })
}

/// When the server took it. The client keeps whole seconds of that; what it read them from has more.
pub(super) fn created(event: &RecordedEvent) -> Timestamp {
    let ticks = event.metadata.get("created").and_then(|ticks| ticks.parse::<i64>().ok());
    Timestamp::from_micros(ticks.unwrap_or(0) / 10)
}
