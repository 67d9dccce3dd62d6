//! What a store has to give and to take for `whence copy`: a log and its vault are moved into another
//! kind of store without a byte being changed.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use whence_events::{Position, Recorded, StreamId, Timestamp};

use super::{EventStore, StoreError};

/// One side of a copy. While it is open, no second copy can have the same target.
#[async_trait]
pub trait Transfer: Send + Sync {
    /// Returns the log, for reading.
    fn log(&self) -> &dyn EventStore;

    /// Writes the events of another log as they are, in this order, after the event at `after`, which
    /// has to be the last one of this log. Returns the position of the last of them.
    ///
    /// On `Ok` all of them are on disk. A process that dies in the middle leaves the first of them,
    /// perhaps all, and nothing else. After [`StoreError::Conflict`] the log or a stream ends
    /// elsewhere, and nothing was written of the events from there on. After
    /// [`StoreError::Unavailable`] the caller has to look at the log before it tries again.
    async fn import(&self, after: Position, events: &[Recorded]) -> Result<Position, StoreError>;

    /// Returns up to `limit` keys after the one at `after`, in the order of their places: all
    /// generations, including those that were destroyed.
    async fn keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError>;

    /// Stores keys as they are where there are none, and destroys those that are destroyed in
    /// `keys`; durable on `Ok`. What was destroyed here never comes back. After
    /// [`StoreError::Unavailable`] some of the keys may be stored.
    async fn import_keys(&self, keys: &[StoredKey]) -> Result<(), StoreError>;
}

/// The place of a key in a vault, ordered by the bytes of the subject's name, then by generation.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
pub struct KeyPlace {
    /// The name of the stream whose personal fields it seals.
    pub subject: String,
    /// The number of the key among those of its subject.
    pub generation: u32,
}

/// A subject key with everything that a vault stores of it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The stream whose personal fields it seals.
    pub subject: StreamId,
    /// The number of the key among those of its subject.
    pub generation: u32,
    /// The key, sealed under the wrapping key; `None` when it was destroyed.
    pub wrapped: Option<Vec<u8>>,
    /// When the key was made.
    pub created_at: Timestamp,
    /// When the key was destroyed; `None` while it lives.
    pub destroyed_at: Option<Timestamp>,
}

impl StoredKey {
    /// Returns the place of the key in the vault.
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
