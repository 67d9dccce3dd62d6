//! The contract of an event store: what every database that keeps the log promises.
//!
//! Above it, the handler decides on one stream at a time and appends. Below it, a store makes the
//! append durable, keeps one commit order, and sends what was committed to the readers of the tail.
//! The contract is on the methods; `tests/store/contract/` holds every store to it.

pub mod findings;
mod foreign;
mod keys;
#[cfg(feature = "kurrentdb")]
mod kurrent;
mod leaves;
mod location;
mod postgres;
mod sqlite;
mod transfer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use whence_events::codec::CodecError;
use whence_events::{Event, EventId, Metadata, Position, Recorded, StreamId, Timestamp, Version};

use crate::infra::clock::ClockAhead;
pub use crate::infra::keys::VaultState;
pub use foreign::ForeignEvent;
pub use keys::{KeyName, Rewrapped, VaultChange};
#[cfg(feature = "kurrentdb")]
pub use kurrent::{KurrentOpenError, KurrentStore, KurrentUrl, PrefixError};
pub use leaves::Leaves;
pub use location::{Location, Side};
pub use postgres::{PostgresOpenError, PostgresStore, PostgresVault};
pub use sqlite::{SqliteOpenError, SqliteStore};
pub use transfer::{KeyPlace, StoredKey, Transfer};

/// The longest time without word from the log after which the tail still counts as current.
pub const MAX_TAIL_SILENCE: Duration = Duration::from_secs(3);

/// Jobs that may wait for the one writer of a node; past that, callers wait to get in.
const QUEUE_CAPACITY: usize = 4096;

/// Batches that a reader of the tail may be behind before it has to read the log.
const TAIL_CAPACITY: usize = 1024;

/// Returns a number as the databases hold it, in 64 signed bits. No log is as long as that, so a larger
/// number means the same as the largest.
fn clamped(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A part of the log that was committed: all events between two positions.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The position that the part begins after: up to it, the tail has sent everything before.
    /// Positions need not be dense, so this is how a reader of the tail knows that it missed nothing.
    pub after: Position,
    /// The position that the part ends at: that of its last event, or a later one.
    pub upto: Position,
    /// The events, in log order. There are none when others have written to the log meanwhile.
    pub events: Arc<[Recorded]>,
}

/// The events that were read after a position, and how far the log was read for them.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events, in log order.
    pub events: Vec<Recorded>,
    /// The position up to which there are no other events: that of the last one, or a later one.
    pub upto: Position,
}

/// An append-only log of streams with optimistic concurrency, and the vault of its subject keys.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends all events of one decision, or none.
    ///
    /// On `Ok` the events, and the key that came with them, are on disk: a crash of process or
    /// machine does not lose them. Any number of appends may run at the same time; of two that
    /// expect the same length of one stream, one wins. The same event ids at the same place again
    /// give [`Appended::Again`] with the first positions, so a caller that never received the answer
    /// can ask again.
    ///
    /// After [`StoreError::Conflict`] the stream has another length and nothing was written. Where the
    /// vault is in another database than the log, a first key may stay that came with an append to a
    /// stream without personal fields: it harms nothing, and the next append uses it. After
    /// [`StoreError::Unavailable`] it is unknown whether the events were written: the caller asks again
    /// with the same ids. An append without events is refused as unavailable, too.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Returns up to `limit` events of a stream from version `from` on, in order; none past its end.
    ///
    /// Sees every append that was acknowledged before the call.
    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError>;

    /// Returns up to `limit` events after position `after`, in log order. A caller that resumes
    /// after the last one it saw sees each event exactly once, whatever is appended meanwhile.
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError>;

    /// Returns the same events as [`EventStore::read_all`], as leaves of the tree over the log:
    /// columns as they are stored, not decoded. So a damaged event does not stop the reader, in
    /// stores where that is possible; its leaf then has no bytes.
    async fn read_leaves(&self, after: Position, limit: usize) -> Result<Leaves, StoreError> {
        let events = self.read_all(after, limit).await?;
        let mut leaves = Leaves::default();
        for event in &events {
            leaves.add(event.position, |out| event.write_leaf(out));
        }
        Ok(leaves)
    }

    /// Returns the same events as [`EventStore::read_all`], and how far the log was read for them:
    /// further than the last event when only others have written since. A page without events is
    /// the last one.
    async fn read_page(&self, after: Position, limit: usize) -> Result<Page, StoreError> {
        let events = self.read_all(after, limit).await?;
        let upto = events.last().map_or(after, |last| last.position);
        Ok(Page { events, upto })
    }

    /// Returns the position of the last event; 0 when there is none. Where others write to the same
    /// log, it may be a later one, with no event of whence in between.
    async fn head(&self) -> Result<Position, StoreError>;

    /// Returns the id of the event at a position; `None` when there is none. The position may come from
    /// another log. The default is for logs whose positions are dense.
    async fn event_at(&self, position: Position) -> Result<Option<EventId>, StoreError> {
        let Some(after) = position.checked_sub(1) else { return Ok(None) };
        let next = self.read_all(after, 1).await?;
        let there = next.first().filter(|event| event.position == position);
        Ok(there.map(|event| event.event_id))
    }

    /// Returns the event at a position; `None` when there is none. The default is for logs whose
    /// positions are dense.
    async fn read_at(&self, position: Position) -> Result<Option<Recorded>, StoreError> {
        let Some(after) = position.checked_sub(1) else { return Ok(None) };
        let next = self.read_all(after, 1).await?.pop();
        Ok(next.filter(|event| event.position == position))
    }

    /// Returns every batch that is committed from now on, in log order. A receiver that falls behind
    /// learns how much it missed and reads that from the log.
    fn tail(&self) -> broadcast::Receiver<Batch>;

    /// Returns what others wrote into a stream, or did to it, as far as this process has read: the
    /// first of it. Commands on such a stream are refused.
    fn foreign_in(&self, stream: &StreamId) -> Option<ForeignEvent> {
        let _ = stream;
        None
    }

    /// Returns what [`EventStore::foreign_in`] does for every stream that has something, in the order
    /// of the log.
    fn foreign_events(&self) -> Vec<ForeignEvent> {
        Vec::new()
    }

    /// Returns whether the tail is known to be at most [`MAX_TAIL_SILENCE`] behind the log. While it is
    /// not, what other nodes have done meanwhile is unknown here, and no cached answer can be trusted.
    fn is_current(&self) -> bool;

    /// Returns the latest key of a subject.
    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError>;

    /// Destroys the key of a subject for good, and with `up_to` none that is of a later generation. One
    /// that never had a key has a destroyed one from then on, so that it can be told that the subject was
    /// erased.
    async fn destroy_key(&self, subject: &StreamId, up_to: Option<u32>) -> Result<(), StoreError>;

    /// Returns what the vault says of its master key, and its service keys.
    async fn vault_state(&self) -> Result<VaultState, StoreError>;

    /// Returns up to `limit` subject keys after the one at `after`, in the order of their places: all
    /// generations, including those that were destroyed.
    async fn vault_keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError>;

    /// Changes the keys of the vault as a whole; durable on `Ok`. It may be repeated.
    async fn change_vault(&self, change: VaultChange) -> Result<(), StoreError>;
}

/// The outcome of putting a key into a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPut {
    /// The vault has the key, by this call or by an earlier one with the same bytes.
    Stored,
    /// The vault has another key of this generation, or had one that is destroyed.
    Taken,
}

/// Events to put at the end of one stream.
#[derive(Clone, Debug)]
pub struct Append {
    /// The stream that they are appended to.
    pub stream: StreamId,
    /// How many events the stream holds; 0 when it does not exist yet.
    pub expected_length: Version,
    /// The events to append, at least one.
    pub events: Vec<NewEvent>,
    /// The key the events are sealed under, when it is new: durable no later than the events.
    pub new_key: Option<NewKey>,
}

impl Append {
    /// Refuses a caller that breaks the contract.
    fn check(&self) -> Result<(), StoreError> {
        if self.events.is_empty() {
            return Err(StoreError::unavailable(NothingToAppend));
        }
        Ok(())
    }

    /// Returns the events as a log with dense positions records them after the event at `after`.
    fn into_recorded(
        self,
        after: Position,
        recorded_at: Timestamp,
    ) -> impl Iterator<Item = Recorded> {
        let Self { stream, expected_length, events, new_key: _ } = self;
        let places = (expected_length..).zip(after + 1..);
        events.into_iter().zip(places).map(move |(event, (version, position))| Recorded {
            position,
            stream: stream.clone(),
            version,
            event_id: event.event_id,
            event: event.event,
            data: event.data,
            metadata: event.metadata,
            recorded_at,
        })
    }

    /// Returns the outcome of an append whose stream has another length than expected. `stored` is what
    /// the stream has at its place now: when these are the very events of the append, an earlier call
    /// appended them; otherwise the append is in conflict.
    fn repeated_or_conflict(
        &self,
        stored: &[(Position, EventId)],
        length: Version,
    ) -> Result<Appended, StoreError> {
        let ids = self.events.iter().map(|event| event.event_id);
        let same = stored.iter().map(|(_, id)| *id).eq(ids);
        match stored.last() {
            Some((last, _)) if same => Ok(Appended::Again { last: *last }),
            Some(_) | None => Err(StoreError::Conflict { length }),
        }
    }
}

/// An append without events was refused.
#[derive(Debug, thiserror::Error)]
#[error("an append without events")]
struct NothingToAppend;

/// An event on its way into the log.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The id of the event, the same in every retry.
    pub event_id: EventId,
    /// The event, its personal fields sealed.
    pub event: Event,
    /// The encoded event, as it is stored.
    pub data: Arc<[u8]>,
    /// When, by whom and because of what it happened.
    pub metadata: Metadata,
}

impl NewEvent {
    /// Encodes an event, and fails when a personal field of it is not sealed.
    pub fn new(event_id: EventId, event: Event, metadata: Metadata) -> Result<Self, CodecError> {
        let data = whence_events::codec::encode(&event)?.into();
        Ok(Self { event_id, event, data, metadata })
    }
}

/// A subject key on its way into the vault; its subject is the stream it comes with.
#[derive(Clone)]
pub struct NewKey {
    /// The number of the key among those of its subject: one more than the destroyed key before it,
    /// or 0.
    pub generation: u32,
    /// The key, sealed under the wrapping key.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey(generation {})", self.generation)
    }
}

/// A subject key as the vault has it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The number of the key among those of its subject.
    pub generation: u32,
    /// The key, sealed under the wrapping key; `None` when it was destroyed.
    pub wrapped: Option<Vec<u8>>,
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.wrapped.is_some() { "live" } else { "destroyed" };
        write!(f, "KeyRecord(generation {}, {state})", self.generation)
    }
}

/// The outcome of a successful append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// This call wrote the events.
    Now {
        /// The position of the last event of the append.
        last: Position,
    },
    /// An earlier call with the same event ids wrote them.
    Again {
        /// The position of the last event of the append.
        last: Position,
    },
}

impl Appended {
    /// Returns the position of the last event of the append.
    #[must_use]
    pub fn last(self) -> Position {
        match self {
            Self::Now { last } | Self::Again { last } => last,
        }
    }
}

/// Why a store could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The stream has another length than the append expected.
    #[error("the stream has {length} events")]
    Conflict {
        /// How many events the stream holds.
        length: Version,
    },
    /// Another program wrote into the stream, or cut or deleted it: nothing was written.
    #[error("the history of this stream was changed by another program than whence: {0}")]
    Foreign(ForeignEvent),
    /// The append is larger than the store takes: nothing was written.
    #[error("an append of {bytes} bytes is larger than the {limit} that the store takes")]
    TooLarge {
        /// The bytes of the events.
        bytes: usize,
        /// The most bytes that the store takes.
        limit: usize,
    },
    /// The clock of this node is far ahead of the store's: nothing was written.
    #[error(transparent)]
    ClockAhead(#[from] ClockAhead),
    /// The store did not answer; an append may have been written or not.
    #[error("the event store is unavailable")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Returns a failure of the store with its cause.
    pub(crate) fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(cause))
    }
}
