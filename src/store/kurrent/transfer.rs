//! Gives and takes a whole log for `whence copy`.

use async_trait::async_trait;
use whence_events::{Position, Recorded};

use super::append::{self, AppendAnswer};
use super::{KurrentStore, read, record};
use crate::store::{EventStore, KeyPlace, StoreError, StoredKey, Transfer, postgres::CopyLock};

/// A log in KurrentDB and its vault in Postgres, as one side of a copy.
pub(in crate::store) struct KurrentTransfer {
    store: KurrentStore,
    /// The lock on the database of the vault: the log itself has nothing that can be locked.
    _lock: CopyLock,
}

impl KurrentTransfer {
    /// Takes an open log, and the lock on the database of its vault.
    pub(in crate::store) fn new(store: KurrentStore, lock: CopyLock) -> Self {
        Self { store, _lock: lock }
    }

    /// Appends consecutive events of one stream, at the versions that they had. Returns the position of
    /// the last, when the server reports it.
    async fn append(&self, run: &[Recorded]) -> Result<Option<Position>, StoreError> {
        let [first, ..] = run else { return Ok(None) };
        let name = first.stream.to_string();
        let events: serde_json::Result<Vec<_>> = run.iter().map(record::copied).collect();
        let events = events.map_err(StoreError::unavailable)?;
        let sent = append::send(&self.store.supervised.link, &name, first.version, &events).await;
        match sent.map_err(StoreError::unavailable)? {
            AppendAnswer::There(position) => Ok(position),
            AppendAnswer::OtherLength(length) => Err(StoreError::Conflict { length }),
        }
    }

    async fn head(&self) -> Result<Position, StoreError> {
        read::head(&self.store.supervised.link).await.map_err(StoreError::unavailable)
    }
}

#[async_trait]
impl Transfer for KurrentTransfer {
    fn log(&self) -> &dyn EventStore {
        &self.store
    }

    // One append after the other, each acknowledged before the next is sent: only that keeps the
    // order of the log, since the server may reorder appends that are in flight together.
    async fn import(&self, after: Position, events: &[Recorded]) -> Result<Position, StoreError> {
        let head = self.head().await?;
        if head != after {
            return Err(StoreError::Conflict { length: head });
        }
        let mut last = Some(after);
        for run in events.chunk_by(|one, next| one.stream == next.stream) {
            last = self.append(run).await?;
        }
        match last {
            Some(position) => Ok(position),
            None => self.head().await,
        }
    }

    async fn keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.store.vault.keys(after, limit).await
    }

    async fn import_keys(&self, keys: &[StoredKey]) -> Result<(), StoreError> {
        self.store.vault.import_keys(keys).await
    }
}
