//! The seam between the commands and the log: what an event store promises.
//!
//! Two sides meet here. Above, `handle.rs` decides on one stream at a time and appends. Below, a
//! backend makes the append durable, keeps one commit order, and tells whoever tails the log. The
//! contract is on the methods; `tests/store_contract/` holds every backend to it.

pub mod findings;
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

#[cfg(feature = "kurrentdb")]
pub use kurrent::{KurrentOpenError, KurrentStore, KurrentUrl};
pub use leaves::Leaves;
pub use location::{Location, Side};
pub use postgres::{PostgresOpenError, PostgresStore, PostgresVault};
pub use sqlite::{SqliteOpenError, SqliteStore};
pub use transfer::{KeyPlace, StoredKey, Transfer};

/// How long the tail may have heard nothing of the log.
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

/// Events of one committed batch, in log order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Position of the event right before the first of them; 0: there is none. Positions need not be
    /// dense, so this is how a reader of the tail knows that it missed nothing.
    pub after: Position,
    /// The events; at least one.
    pub events: Arc<[Recorded]>,
}

/// An append-only log of streams with optimistic concurrency, and the vault of subject keys beside it.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends all events of one decision, or none.
    ///
    /// On `Ok` the events, and the key that came with them, are on disk: a crash of process or
    /// machine does not lose them. Any number of appends may run beside each other; of two that
    /// expect the same length of one stream, one wins. The same event ids at the same place again
    /// give [`Appended::Again`] with the first positions, so a caller that never heard the answer
    /// can ask again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: the stream has another length; nothing was written.
    /// [`StoreError::Unavailable`]: nobody knows whether it was written; ask again with the same ids.
    /// Also for an append without events, of which nothing is written.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Up to `limit` events of a stream from version `from` on, in order; empty past its end.
    ///
    /// Sees every append that was acknowledged before the call.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError>;

    /// Up to `limit` events after position `after`, in log order; a pager that resumes behind the
    /// last one it saw sees each event exactly once, whatever is appended meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError>;

    /// The same as [`EventStore::read_all`] gives, as leaves of the tree over the log: columns as they
    /// stand there, not decoded. So an event that somebody has spoilt is one among others, where that
    /// is possible; its leaf then has no bytes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn read_leaves(&self, after: Position, limit: usize) -> Result<Leaves, StoreError> {
        let events = self.read_all(after, limit).await?;
        let mut leaves = Leaves::default();
        for event in &events {
            leaves.add(event.position, |out| event.write_leaf(out));
        }
        Ok(leaves)
    }

    /// Position of the last event; 0 when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn head(&self) -> Result<Position, StoreError>;

    /// The id of the event at a position; `None` when there is none. Positions of another log may be
    /// asked for, too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn event_at(&self, position: Position) -> Result<Option<EventId>, StoreError> {
        let Some(after) = position.checked_sub(1) else { return Ok(None) };
        let next = self.read_all(after, 1).await?;
        let there = next.first().filter(|event| event.position == position);
        Ok(there.map(|event| event.event_id))
    }

    /// Every batch committed from now on, in log order. A receiver that falls behind is told how
    /// much it missed and reads that from the log.
    fn tail(&self) -> broadcast::Receiver<Batch>;

    /// Whether the tail is known to be at most [`MAX_TAIL_SILENCE`] behind the log. While it is not, what
    /// other nodes have done meanwhile is unknown here, and no cached answer is worth anything.
    fn is_current(&self) -> bool;

    /// The latest key of a subject.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError>;

    /// Destroys the key of a subject for good; done when it returns, also when there was none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn destroy_key(&self, subject: &StreamId) -> Result<(), StoreError>;
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPut {
    /// It is there, by this call or by an earlier one with the same bytes.
    Stored,
    /// Another key is there, or was and is destroyed.
    Taken,
}

/// Events to put at the end of one stream.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where.
    pub stream: StreamId,
    /// How many events the stream holds; 0: it does not exist.
    pub expected_length: Version,
    /// What; at least one.
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

    /// The events as they stand in a log whose positions are dense, behind `after`.
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

    /// What becomes of it where the stream has another length than expected: were these very events,
    /// which stand at their place now, appended by an earlier call?
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

/// An append has at least one event.
#[derive(Debug, thiserror::Error)]
#[error("an append without events")]
struct NothingToAppend;

/// An event on its way into the log.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its id, the same in every retry.
    pub event_id: EventId,
    /// What happened, personal fields sealed.
    pub event: Event,
    /// The bytes to store.
    pub data: Arc<[u8]>,
    /// What else is known.
    pub metadata: Metadata,
}

impl NewEvent {
    /// Encodes a sealed event.
    ///
    /// # Errors
    /// When a personal field is not sealed.
    pub fn new(event_id: EventId, event: Event, metadata: Metadata) -> Result<Self, CodecError> {
        let data = whence_events::codec::encode(&event)?.into();
        Ok(Self { event_id, event, data, metadata })
    }
}

/// A subject key on its way into the vault; its subject is the stream it comes with.
#[derive(Clone)]
pub struct NewKey {
    /// One more than the destroyed key before it, else 0.
    pub generation: u32,
    /// The key, wrapped by the master key.
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
    /// Which key of the subject it is.
    pub generation: u32,
    /// The key, wrapped by the master key; `None`: destroyed.
    pub wrapped: Option<Vec<u8>>,
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.wrapped.is_some() { "live" } else { "destroyed" };
        write!(f, "KeyRecord(generation {}, {state})", self.generation)
    }
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Written by this call.
    Now {
        /// Position of the last event.
        last: Position,
    },
    /// Written by an earlier call with the same event ids.
    Again {
        /// Position of the last event.
        last: Position,
    },
}

impl Appended {
    /// Position of the last event.
    #[must_use]
    pub fn last(self) -> Position {
        match self {
            Self::Now { last } | Self::Again { last } => last,
        }
    }
}

/// Why a store did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The stream moved.
    #[error("the stream has {length} events")]
    Conflict {
        /// How many events it holds.
        length: Version,
    },
    /// The store did not answer; of an append nobody knows whether it was written.
    #[error("the event store is unavailable")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    pub(crate) fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(cause))
    }
}
