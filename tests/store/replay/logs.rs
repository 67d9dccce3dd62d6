//! A log in memory that grows and fails when a test wants it to, and whose positions have gaps.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::broadcast;
use whence::store::{
    Append, Appended, Batch, EventStore, KeyPlace, KeyRecord, StoreError, StoredKey, VaultChange,
    VaultState,
};
use whence_events::{EventId, Position, Recorded, StreamId, Version};

/// As many of the events as are appended by now.
pub(crate) struct Log {
    pub(crate) events: Vec<Recorded>,
    appended: AtomicUsize,
    /// How many are appended behind each read.
    growth: AtomicUsize,
    /// Reads before the log fails.
    reads_left: AtomicUsize,
}

impl Log {
    pub(crate) fn new(events: Vec<Recorded>, appended: usize) -> Self {
        let (growth, reads_left) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        Self { events, appended: AtomicUsize::new(appended), growth, reads_left }
    }

    /// From now on it grows by so many events a read, and fails after so many reads.
    pub(crate) fn set(&self, growth: usize, reads_left: usize) {
        self.growth.store(growth, Ordering::SeqCst);
        self.reads_left.store(reads_left, Ordering::SeqCst);
    }

    /// What is appended by now.
    pub(crate) fn there(&self) -> &[Recorded] {
        let appended = self.appended.load(Ordering::SeqCst);
        &self.events[..appended.min(self.events.len())]
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the log does not answer")]
struct Gone;

#[async_trait]
impl EventStore for Log {
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        let left = self.reads_left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(StoreError::Unavailable(std::sync::Arc::new(Gone)));
        }
        self.reads_left.store(left - 1, Ordering::SeqCst);
        let there = self.there();
        let rest = &there[there.partition_point(|event| event.position <= after)..];
        self.appended.fetch_add(self.growth.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(rest[..rest.len().min(limit)].to_vec())
    }

    async fn head(&self) -> Result<Position, StoreError> {
        Ok(self.there().last().map_or(0, |event| event.position))
    }

    async fn event_at(&self, position: Position) -> Result<Option<EventId>, StoreError> {
        let event = self.there().iter().find(|event| event.position == position);
        Ok(event.map(|event| event.event_id))
    }

    async fn append(&self, _: Append) -> Result<Appended, StoreError> {
        unreachable!("nobody appends")
    }

    async fn read_stream(
        &self,
        _: &StreamId,
        _: Version,
        _: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        unreachable!("nobody asks")
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        unreachable!("nobody asks")
    }

    fn is_current(&self) -> bool {
        true
    }

    async fn read_key(&self, _: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        unreachable!("nobody asks")
    }

    async fn destroy_key(&self, _: &StreamId, _: Option<u32>) -> Result<(), StoreError> {
        unreachable!("nobody asks")
    }

    async fn vault_state(&self) -> Result<VaultState, StoreError> {
        unreachable!("nobody asks")
    }

    async fn vault_keys(
        &self,
        _: Option<&KeyPlace>,
        _: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        unreachable!("nobody asks")
    }

    async fn change_vault(&self, _: VaultChange) -> Result<(), StoreError> {
        unreachable!("nobody asks")
    }
}
