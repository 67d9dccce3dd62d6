//! The embedded log: SQLite, one writer, group commit.
//!
//! All appends go to one thread. It takes all jobs that wait, writes them in one transaction and
//! answers when that is on disk; the next batch gathers while the disk works. Readers have
//! connections of their own and, in WAL mode, never wait for the writer, nor it for them.

mod connection;
mod examine;
mod keys;
mod open;
mod read;
mod rows;
mod transfer;
mod work;
mod write;

use std::path::Path;
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc, oneshot};
use whence_events::{Position, Recorded, StreamId, Version};

use super::{
    Append, Appended, Batch, EventStore, KeyPlace, KeyRecord, Leaves, QUEUE_CAPACITY, StoreError,
    StoredKey, TAIL_CAPACITY, VaultChange,
};
use crate::infra::clock::Clock;
use crate::infra::keys::{Fingerprints, VaultState};
pub(super) use examine::examine;
pub use open::SqliteOpenError;
use read::SqliteReaders;
use work::{Job, Work};

/// A log in one SQLite file.
pub struct SqliteStore {
    jobs: mpsc::Sender<Job>,
    tail: broadcast::Sender<Batch>,
    readers: SqliteReaders,
    /// `None` when it was opened for reading, and while the store is dropped.
    writer: Option<JoinHandle<()>>,
    /// Held while the store can append, so that no second process does.
    _lock: Option<std::fs::File>,
}

impl SqliteStore {
    /// Opens the log at `path`, or makes it. `fingerprint` is that of the master key.
    pub fn open(
        path: &Path,
        fingerprint: impl Into<Fingerprints>,
        clock: Clock,
    ) -> Result<Self, SqliteOpenError> {
        let lock = open::lock(path)?;
        let connection = open::writer(path, &fingerprint.into())?;
        if let Some(latest) = open::latest_time(&connection)? {
            clock.raise(latest);
        }
        let readers = SqliteReaders::new(path);
        let (jobs, queue) = mpsc::channel(QUEUE_CAPACITY);
        let (tail, _) = broadcast::channel(TAIL_CAPACITY);
        let writer = write::Writer::new(connection, clock, tail.clone())?;
        let writer = std::thread::Builder::new()
            .name("whence-log".into())
            .spawn(move || writer.run(queue))
            .map_err(|source| SqliteOpenError::Io { path: path.to_owned(), source })?;
        Ok(Self { jobs, tail, readers, writer: Some(writer), _lock: Some(lock) })
    }

    /// Opens the log at `path`, which has to exist, while another process may append to it. The store
    /// takes no appends, and its tail is silent.
    pub fn open_to_read(
        path: &Path,
        fingerprint: impl Into<Fingerprints>,
    ) -> Result<Self, SqliteOpenError> {
        open::reader(path, &fingerprint.into())?;
        let (tail, _) = broadcast::channel(1);
        let jobs = mpsc::channel(1).0;
        Ok(Self { jobs, tail, readers: SqliteReaders::new(path), writer: None, _lock: None })
    }

    /// Gives work to the writer and returns its outcome.
    async fn submit(&self, work: Work) -> Result<Appended, StoreError> {
        let (answer, result) = oneshot::channel();
        let job = Job { work, answer };
        if self.writer.is_none() {
            return Err(StoreError::unavailable(OpenedForReading));
        }
        self.jobs.send(job).await.map_err(|_| StoreError::unavailable(WriterGone))?;
        result.await.map_err(|_| StoreError::unavailable(WriterGone))?
    }
}

impl Drop for SqliteStore {
    /// Waits for the writer, which may still have jobs whose callers went away. Only then the lock is
    /// released: two writers would each count positions from what they found when they began.
    fn drop(&mut self) {
        // First the readers: the writer's connection is then the last one and puts the WAL away.
        self.readers.close();
        self.jobs = mpsc::channel(1).0;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// The writer thread ended, which only a panic makes it do.
#[derive(Debug, thiserror::Error)]
#[error("the log's writer has stopped")]
struct WriterGone;

/// Nothing is appended through a store that was opened for reading.
#[derive(Debug, thiserror::Error)]
#[error("the log was opened for reading")]
struct OpenedForReading;

#[async_trait]
impl EventStore for SqliteStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        append.check()?;
        self.submit(Work::Append(append)).await
    }

    // Reads run where they are called: an indexed read out of the page cache takes microseconds,
    // less than handing it to another thread.
    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.readers.stream(stream, from, limit)
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.readers.all(after, limit)
    }

    async fn read_leaves(&self, after: Position, limit: usize) -> Result<Leaves, StoreError> {
        self.readers.leaves(after, limit)
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.readers.head()
    }

    /// Returns `true`: no other process can append while this store is open.
    fn is_current(&self) -> bool {
        true
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        self.tail.subscribe()
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.readers.key(subject)
    }

    async fn destroy_key(&self, subject: &StreamId, up_to: Option<u32>) -> Result<(), StoreError> {
        self.submit(Work::DestroyKey(subject.clone(), up_to)).await.map(drop)
    }

    async fn vault_state(&self) -> Result<VaultState, StoreError> {
        self.readers.vault_state()
    }

    async fn vault_keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.readers.keys(after, limit)
    }

    async fn change_vault(&self, change: VaultChange) -> Result<(), StoreError> {
        self.submit(Work::ChangeVault(change)).await.map(drop)
    }
}
