//! The log in Postgres: one sequencer a node, group commit, any number of nodes.
//!
//! All appends of a node go to one task. It takes all jobs that wait and writes them in one round trip;
//! the next batch gathers meanwhile. Nodes take turns by the lock of one row, once a batch, which makes
//! positions commit order. The tail delivers the batches of this node from memory and those of other
//! nodes from the log, in one order.

mod columns;
mod examine;
mod keys;
mod listen;
mod open;
mod read;
mod transfer;
mod vault;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use whence_events::{Position, Recorded, StreamId, Version};

use super::{
    Append, Appended, Batch, EventStore, KeyPlace, KeyRecord, Leaves, QUEUE_CAPACITY, StoreError,
    StoredKey, VaultChange,
};
use crate::infra::clock::Clock;
use crate::infra::keys::{Fingerprints, VaultState};
use crate::infra::postgres::PostgresUrl;
#[cfg(feature = "kurrentdb")]
pub(super) use examine::inspect_projectors;
pub(super) use examine::{Parts, examine};
use listen::{Listener, TailPublisher};
pub use open::PostgresOpenError;
use open::SETTINGS;
use read::PostgresReaders;
pub(super) use transfer::{CopyLock, PostgresTransfer};
pub use vault::PostgresVault;
use write::{AppendJob, Sequencer};

/// How long a caller waits to get into the queue of the sequencer.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections of the pool that reads the log and the vault.
const READER_CONNECTIONS: usize = 16;

/// A log in a Postgres database.
pub struct PostgresStore {
    jobs: mpsc::Sender<AppendJob>,
    publisher: Arc<TailPublisher>,
    readers: PostgresReaders,
    vault: PostgresVault,
    clock: Clock,
    tasks: [JoinHandle<()>; 2],
}

impl PostgresStore {
    /// Opens the log in a database, or makes it there. `fingerprint` is that of the master key.
    pub async fn open(
        url: &PostgresUrl,
        fingerprint: impl Into<Fingerprints>,
        clock: Clock,
    ) -> Result<Self, PostgresOpenError> {
        let end = open::log(url, &fingerprint.into()).await?;
        clock.compare(end.server_time);
        clock.raise(end.recorded_at);
        let pool = url.pool(READER_CONNECTIONS, &SETTINGS);
        let readers = PostgresReaders::new(pool.clone());
        let publisher = Arc::new(TailPublisher::new(readers.clone(), clock.clone(), end.position));
        let (jobs, queue) = mpsc::channel(QUEUE_CAPACITY);
        let node = crate::infra::random::new_event_id().to_string();
        let listener = Listener::new(url.clone(), node.clone(), publisher.clone());
        let vault = PostgresVault::over(pool, clock.clone());
        let sequencer = Sequencer::new(
            url.clone(),
            node,
            clock.clone(),
            queue,
            publisher.clone(),
            readers.clone(),
        );
        let tasks = [tokio::spawn(sequencer.run()), tokio::spawn(listener.run())];
        Ok(Self { jobs, publisher, readers, vault, clock, tasks })
    }
}

impl Drop for PostgresStore {
    /// Aborts the tasks. A batch on its way is written wholly or not at all, and the lock of the
    /// head row keeps it apart from the batches of the process that opens the log next.
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The sequencer ended, which only a panic makes it do.
#[derive(Debug, thiserror::Error)]
#[error("the log's sequencer has stopped")]
struct SequencerGone;

/// The queue of the sequencer stayed full for too long.
#[derive(Debug, thiserror::Error)]
#[error("too many appends wait for the log")]
struct QueueFull;

#[async_trait]
impl EventStore for PostgresStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        append.check()?;
        self.clock.check()?;
        let (answer, result) = oneshot::channel();
        let job = AppendJob { append, answer, since: Instant::now() };
        match timeout(ENQUEUE_TIMEOUT, self.jobs.send(job)).await {
            Ok(sent) => sent.map_err(|_| StoreError::unavailable(SequencerGone))?,
            Err(_) => return Err(StoreError::unavailable(QueueFull)),
        }
        result.await.map_err(|_| StoreError::unavailable(SequencerGone))?
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.readers.stream(stream, from, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.readers.all(after, limit).await
    }

    async fn read_leaves(&self, after: Position, limit: usize) -> Result<Leaves, StoreError> {
        self.readers.leaves(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.readers.head().await
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        self.publisher.subscribe()
    }

    fn is_current(&self) -> bool {
        self.publisher.is_current()
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.vault.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId, up_to: Option<u32>) -> Result<(), StoreError> {
        self.vault.destroy_key(subject, up_to).await
    }

    async fn vault_state(&self) -> Result<VaultState, StoreError> {
        self.vault.state().await
    }

    async fn vault_keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.vault.keys(after, limit).await
    }

    async fn change_vault(&self, change: VaultChange) -> Result<(), StoreError> {
        self.vault.change(change).await
    }
}
