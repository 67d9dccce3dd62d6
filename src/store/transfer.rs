//! The seam of `whence copy`: what a store has to give and to take so that a log and its vault can be
//! moved into another kind of store without a byte being changed.

use std::fmt;

use async_trait::async_trait;
use whence_events::{Position, Recorded, StreamId, Timestamp};

use super::{EventStore, StoreError};

/// One side of a copy. For as long as it is open, no second copy has the same target.
#[async_trait]
pub trait Transfer: Send + Sync {
    /// The log, for reading.
    fn log(&self) -> &dyn EventStore;

    /// Takes the events of another log as they are, in this order, behind the event at `after`, which
    /// has to be the last one of this log. Gives the position of the last of them.
    ///
    /// On `Ok` all of them are on disk. A process that dies in the middle leaves a beginning of them,
    /// perhaps all, and nothing else.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: the log or a stream ends elsewhere; of the events from there on
    /// nothing was written. [`StoreError::Unavailable`]: look at the log before trying again.
    async fn import(&self, after: Position, events: &[Recorded]) -> Result<Position, StoreError>;

    /// Up to `limit` keys behind `after`, in the order of their places: all generations, the
    /// destroyed ones, too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError>;

    /// Stores keys as they are where there are none, and destroys those that are destroyed in
    /// `keys`; durable on `Ok`. What was destroyed here never comes back.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: some of them may be stored.
    async fn import_keys(&self, keys: &[StoredKey]) -> Result<(), StoreError>;
}

/// Where a key stands in a vault. Ordered by the bytes of the subject's name, then by generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPlace {
    /// The name of the stream whose personal fields it seals.
    pub subject: String,
    /// Which key of the subject it is.
    pub generation: u32,
}

/// A subject key with all that a vault knows of it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Whose.
    pub subject: StreamId,
    /// Which of them.
    pub generation: u32,
    /// The key, wrapped by the master key; `None`: destroyed.
    pub wrapped: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was destroyed.
    pub destroyed_at: Option<Timestamp>,
}

impl StoredKey {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> KeyPlace {
        KeyPlace { subject: self.subject.to_string(), generation: self.generation }
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.wrapped.is_some() { "live" } else { "destroyed" };
        write!(f, "StoredKey({}, generation {}, {state})", self.subject, self.generation)
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} of {}", self.generation, self.subject)
    }
}
