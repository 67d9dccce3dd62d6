//! Appends events under an expected revision, with event ids that make it safe to ask again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, Client, CurrentRevision, Error, EventData, StreamState, WriteResult,
};
use whence_events::{EventId, Position, Version};

use super::Log;
use super::link::{CallError, Link};
use super::read::{self, StreamPage};
use super::record::{self, Outgoing};
use crate::store::{
    Append, Appended, ForeignEvent, KeyPut, NothingToAppend, PostgresVault, StoreError,
};

/// How long an append that is on disk waits until the tail has published it. Past that it is answered
/// all the same: a reader that then misses the event reads the log.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The most bytes of one append, all events together: the server refuses 1 MiB.
const MAX_APPEND_BYTES: usize = 1_048_576;

/// Appends in flight, by the id of their last event, and whether one of them was acknowledged: the
/// server answers the second of two equal ones like the first.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<EventId, SameAppend>>);

/// The calls in flight that append the same events.
#[derive(Default)]
struct SameAppend {
    calls: usize,
    acknowledged: bool,
}

/// One append in flight.
struct InFlightCall<'a> {
    all: &'a InFlight,
    last: EventId,
}

impl InFlight {
    fn begin(&self, last: EventId) -> InFlightCall<'_> {
        self.with(|all| all.entry(last).or_default().calls += 1);
        InFlightCall { all: self, last }
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<EventId, SameAppend>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl InFlightCall<'_> {
    /// Returns whether this is the first call with these events that the server acknowledged.
    fn is_first(&self) -> bool {
        self.all.with(|all| {
            let same = all.entry(self.last).or_default();
            !std::mem::replace(&mut same.acknowledged, true)
        })
    }
}

impl Drop for InFlightCall<'_> {
    fn drop(&mut self) {
        self.all.with(|all| {
            if let Some(same) = all.get_mut(&self.last) {
                same.calls -= 1;
                if same.calls == 0 {
                    all.remove(&self.last);
                }
            }
        });
    }
}

/// All that an append needs.
pub(super) struct Appender<'a> {
    pub(super) log: &'a Log,
    pub(super) vault: &'a PostgresVault,
    pub(super) in_flight: &'a InFlight,
}

/// The answer of the server to an append.
pub(super) enum AppendAnswer {
    /// The stream has the events; the position of the last, when the server reports it.
    There(Option<Position>),
    /// The stream has another length.
    OtherLength(Version),
    /// The stream was deleted for good.
    Deleted,
}

impl Appender<'_> {
    pub(super) async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let last_event = append.events.last();
        let last_event = last_event.ok_or_else(|| StoreError::unavailable(NothingToAppend))?;
        let Log { link, names, tail, beginning, .. } = self.log;
        if let Some(foreign) = self.log.foreign.in_stream(&append.stream) {
            return Err(StoreError::Foreign(foreign));
        }
        let events: serde_json::Result<Vec<_>> =
            append.events.iter().map(record::outgoing).collect();
        let events = sendable(events.map_err(StoreError::unavailable)?)?;
        beginning.make(link, names, self.vault).await?;
        // What the tail has published was there before this call. A tail that was cut off may not have
        // published what an earlier call wrote without receiving the answer.
        let there_before = if link.is_caught_up() && tail.is_caught_up() {
            tail.covered()
        } else {
            read::head(self.log).await.map_err(StoreError::unavailable)?
        };
        let call = self.in_flight.begin(last_event.event_id);
        self.put_key(&append).await?;
        let name = names.of(&append.stream);
        let sent = send(link, &name, append.expected_length, &events).await;
        let last = match sent.map_err(StoreError::unavailable)? {
            AppendAnswer::There(Some(position)) => position,
            AppendAnswer::There(None) => {
                self.find(&append).await?.ok_or(StoreError::unavailable(Lost))?
            }
            AppendAnswer::OtherLength(length) => {
                let last = self.find(&append).await?.ok_or(StoreError::Conflict { length })?;
                self.wait_until_published(last).await;
                return Ok(Appended::Again { last });
            }
            AppendAnswer::Deleted => return Err(self.deleted(&append)),
        };
        // Durable now, on a majority of the nodes. A caller that reads next finds the caches updated.
        let first = call.is_first() && last > there_before;
        self.wait_until_published(last).await;
        Ok(if first { Appended::Now { last } } else { Appended::Again { last } })
    }

    /// Puts the key into the vault before the events that need it: a key without events does no harm,
    /// events without their key are lost.
    async fn put_key(&self, append: &Append) -> Result<(), StoreError> {
        let Some(key) = &append.new_key else { return Ok(()) };
        // An append that will be refused, or was written before, leaves no key behind. The first key of
        // a stream that has events with personal fields is there already, and refuses this one: only
        // for a later key is the stream asked.
        let is_first = append.expected_length == 0 && key.generation == 0;
        if !is_first && self.length(append).await? != append.expected_length {
            return Ok(());
        }
        match self.vault.put(&append.stream, key).await? {
            KeyPut::Stored => Ok(()),
            KeyPut::Taken => match self.length(append).await? {
                // Another node was faster with its key, and is about to be with its events.
                length if length == append.expected_length => Err(StoreError::Conflict { length }),
                // Refused by the server, or written before: it is asked which.
                _ => Ok(()),
            },
        }
    }

    async fn length(&self, append: &Append) -> Result<Version, StoreError> {
        let length = read::length(&self.log.link, &self.log.names.of(&append.stream)).await;
        length.map_err(StoreError::unavailable)
    }

    /// Returns the position of the last event, when the stream has these very events at their place.
    async fn find(&self, append: &Append) -> Result<Option<Position>, StoreError> {
        let count = append.events.len();
        let name = self.log.names.of(&append.stream);
        let stored = read::stream_page(&self.log.link, &name, append.expected_length, count).await;
        let stored = match stored.map_err(StoreError::unavailable)? {
            StreamPage::Events(events) => events,
            StreamPage::Deleted => return Err(self.deleted(append)),
        };
        let ids = append.events.iter().map(|event| event.event_id.0);
        let same = stored.iter().map(|event| event.get_original_event().id).eq(ids);
        Ok(stored.last().filter(|_| same).and_then(record::position))
    }

    /// Notes that the stream of an append was deleted, and returns the error that says so.
    fn deleted(&self, append: &Append) -> StoreError {
        let found = "the stream was deleted for good".to_owned();
        let event = ForeignEvent { stream: append.stream.clone(), position: 0, found };
        self.log.foreign.note(event.clone());
        StoreError::Foreign(event)
    }

    async fn wait_until_published(&self, position: Position) {
        let _ = tokio::time::timeout(PUBLISH_TIMEOUT, self.log.tail.wait_for(position)).await;
    }
}

/// Returns the events to send, unless the server would refuse so many bytes.
fn sendable(events: Vec<Outgoing>) -> Result<Vec<EventData>, StoreError> {
    let bytes = events.iter().map(|event| event.bytes).sum();
    if bytes >= MAX_APPEND_BYTES {
        return Err(StoreError::TooLarge { bytes, limit: MAX_APPEND_BYTES });
    }
    Ok(events.into_iter().map(|event| event.event).collect())
}

/// Appends events to a stream, which the server refuses unless the stream has the expected length.
pub(super) async fn send(
    link: &Link,
    name: &str,
    expected_length: Version,
    events: &[EventData],
) -> Result<AppendAnswer, CallError> {
    // The server would take such a length for a word of its own: "any", or "none".
    if i64::try_from(expected_length).is_err() {
        return Ok(AppendAnswer::OtherLength(read::length(link, name).await?));
    }
    let expected = match expected_length.checked_sub(1) {
        None => StreamState::NoStream,
        Some(revision) => StreamState::StreamRevision(revision),
    };
    let options = AppendToStreamOptions::default().requires_leader(true).stream_state(expected);
    let options = &options;
    link.call(|client: Arc<Client>| {
        let (name, events) = (name.to_owned(), events.to_vec());
        async move { written(client.append_to_stream(name, options, events).await) }
    })
    .await
}

fn written(result: Result<WriteResult, Error>) -> Result<AppendAnswer, Error> {
    match result {
        Ok(written) => Ok(AppendAnswer::There(record::known(written.position.commit))),
        Err(Error::WrongExpectedVersion { current, .. }) => {
            Ok(AppendAnswer::OtherLength(match current {
                CurrentRevision::Current(revision) => revision + 1,
                CurrentRevision::NoStream => 0,
            }))
        }
        Err(Error::ResourceDeleted) => Ok(AppendAnswer::Deleted),
        Err(error) => Err(error),
    }
}

/// The server acknowledged the events, and then did not have them.
#[derive(Debug, thiserror::Error)]
#[error("an event that was acknowledged is not in its stream")]
struct Lost;
