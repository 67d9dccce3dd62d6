//! Gives and takes a whole log for `whence copy`.

use async_trait::async_trait;
use whence_events::{Position, Recorded};

use super::append::{self, AppendAnswer};
use super::{KurrentStore, record};
use crate::store::{EventStore, KeyPlace, StoreError, StoredKey, Transfer, postgres::CopyLock};

/// The most bytes of one append of a copy, unless one event alone has more.
const IMPORT_BYTES: usize = 512 * 1024;

/// A stream of the target was deleted for good: nothing can be written into it any more.
#[derive(Debug, thiserror::Error)]
#[error("the stream {0} of the target was deleted for good")]
struct DeletedTarget(String);

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
        let log = &self.store.log;
        let events: serde_json::Result<Vec<_>> = run.iter().map(record::copied).collect();
        let mut events = events.map_err(StoreError::unavailable)?.into_iter().peekable();
        let Some(first) = run.first() else { return Ok(None) };
        let (name, mut version, mut last) = (log.names.of(&first.stream), first.version, None);
        while events.peek().is_some() {
            let mut bytes = 0;
            let mut part = Vec::new();
            while let Some(event) =
                events.next_if(|event| part.is_empty() || bytes + event.bytes <= IMPORT_BYTES)
            {
                bytes += event.bytes;
                part.push(event.event);
            }
            let sent = append::send(&log.link, &name, version, &part).await;
            last = match sent.map_err(StoreError::unavailable)? {
                AppendAnswer::There(position) => position,
                AppendAnswer::OtherLength(length) => return Err(StoreError::Conflict { length }),
                AppendAnswer::Deleted => return Err(StoreError::unavailable(DeletedTarget(name))),
            };
            version += part.len() as u64;
        }
        Ok(last)
    }

    /// Begins the log, which comes before its first key and its first event.
    async fn begin(&self) -> Result<(), StoreError> {
        let KurrentStore { log, vault, .. } = &self.store;
        log.beginning.make(&log.link, &log.names, vault).await
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
        self.begin().await?;
        // Of another log, or of none.
        if after > 0 && self.store.event_at(after).await?.is_none() {
            return Err(StoreError::Conflict { length: after });
        }
        // What others write into streams of their own is none of our business here.
        if let Some(more) = self.store.read_all(after, 1).await?.first() {
            return Err(StoreError::Conflict { length: more.position });
        }
        let mut last = Some(after);
        for run in events.chunk_by(|one, next| one.stream == next.stream) {
            last = self.append(run).await?;
        }
        match last {
            Some(position) => Ok(position),
            None => self.store.head().await,
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
        if !keys.is_empty() {
            self.begin().await?;
        }
        self.store.vault.import_keys(keys).await
    }
}
