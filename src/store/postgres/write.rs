//! The sequencer: group commit.

mod connection;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use whence_events::{StreamId, Version};

use super::listen::TailPublisher;
use super::read::PostgresReaders;
use crate::infra::clock::Clock;
use crate::infra::postgres::PostgresUrl;
use crate::store::{Append, Appended, StoreError};
use connection::{AppendConnection, Committed, WriteError};

/// The most appends in one transaction: bounds the time that the first of them waits for the last.
const MAX_BATCH: usize = 512;

/// How often the sequencer lets other tasks run before it gathers the next batch. Callers that were
/// just answered may have their next append ready: without this they miss the batch, and it takes
/// twice the commits (with 64 in flight batches of 32, and half the events a second when the disk
/// is slow).
const REGROUP_YIELDS: u32 = 4;

/// How long a job may have waited in the queue: past that, it is refused instead of written.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(4);

/// An append, and the caller that waits for its outcome.
pub(super) struct AppendJob {
    pub(super) append: Append,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
    pub(super) since: Instant,
}

/// The only task of a node that appends.
pub(super) struct Sequencer {
    url: PostgresUrl,
    node: String,
    clock: Clock,
    queue: mpsc::Receiver<AppendJob>,
    /// Jobs that were taken out of the queue, but are not in a batch yet.
    held: VecDeque<AppendJob>,
    /// The connection that appends; `None` when it broke, and the next batch has to make another.
    writing: Option<AppendConnection>,
    publisher: Arc<TailPublisher>,
    readers: PostgresReaders,
}

impl Sequencer {
    pub(super) fn new(
        url: PostgresUrl,
        node: String,
        clock: Clock,
        queue: mpsc::Receiver<AppendJob>,
        publisher: Arc<TailPublisher>,
        readers: PostgresReaders,
    ) -> Self {
        let held = VecDeque::new();
        Self { url, node, clock, queue, held, writing: None, publisher, readers }
    }

    /// Writes what comes through the queue, until the store is dropped.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.write(batch).await;
            for _ in 0..REGROUP_YIELDS {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Returns the next batch: what waits, with at most one append for each stream. A further
    /// append to a stream goes into the batch after that.
    async fn gather(&mut self) -> Option<Vec<AppendJob>> {
        if self.held.is_empty() {
            self.held.push_back(self.queue.recv().await?);
        }
        while self.held.len() < MAX_BATCH
            && let Ok(job) = self.queue.try_recv()
        {
            self.held.push_back(job);
        }
        let mut streams: HashSet<StreamId> = HashSet::with_capacity(self.held.len());
        let mut batch = Vec::with_capacity(self.held.len());
        for job in std::mem::take(&mut self.held) {
            if job.since.elapsed() > QUEUE_TIMEOUT {
                answer(job, Err(StoreError::unavailable(TooLate)));
            } else if streams.insert(job.append.stream.clone()) {
                batch.push(job);
            } else {
                self.held.push_back(job);
            }
        }
        Some(batch)
    }

    /// Writes a batch and answers each job in it.
    async fn write(&mut self, batch: Vec<AppendJob>) {
        match self.commit(&batch).await {
            Ok(committed) => self.settle(batch, committed).await,
            // One of the appends cannot be stored. Alone, the others can.
            Err(error) if error.is_about_data() && batch.len() > 1 => {
                for job in batch {
                    Box::pin(self.write(vec![job])).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, appends = batch.len(), "the log could not be written");
                let error = StoreError::unavailable(error);
                for job in batch {
                    answer(job, Err(error.clone()));
                }
            }
        }
    }

    /// Writes the whole batch in one transaction. On `Err` it is unknown whether the batch was written,
    /// unless the server reported why not; appending the same event ids again finds it out.
    async fn commit(&mut self, batch: &[AppendJob]) -> Result<Committed, WriteError> {
        let appends = batch.iter().map(|job| &job.append);
        if batch.is_empty() {
            return Ok(Committed::nothing());
        }
        let writing = match self.writing.take() {
            Some(writing) if !writing.is_broken() => writing,
            Some(_) | None => AppendConnection::connect(&self.url).await?,
        };
        // Taken out of `self` meanwhile: a batch that fails, or never ends, takes it along. Nothing
        // is ever cancelled, for a commit that waits for its standby would then be acknowledged.
        let done = writing.append(appends, self.clock.now(), &self.node).await;
        if done.as_ref().err().is_none_or(WriteError::is_about_data) {
            self.writing = Some(writing);
        }
        done
    }

    /// Publishes a batch that is on disk, and answers its callers. The readers of the tail receive it
    /// before the callers get their answers, so that a caller that reads next finds the caches already
    /// updated.
    async fn settle(&self, batch: Vec<AppendJob>, committed: Committed) {
        let mut last = committed.before;
        let mut events = Vec::with_capacity(batch.len());
        let mut written = Vec::with_capacity(batch.len());
        let mut refused = Vec::new();
        for (job, length) in batch.into_iter().zip(committed.lengths) {
            if length != job.append.expected_length {
                refused.push((job, length));
                continue;
            }
            let AppendJob { append, answer, .. } = job;
            events.extend(append.into_recorded(last, committed.recorded_at));
            last = events.last().map_or(last, |event| event.position);
            written.push((answer, last));
        }
        self.publisher.publish(committed.before, events).await;
        for (answer, last) in written {
            // A caller that went away needs no answer.
            let _ = answer.send(Ok(Appended::Now { last }));
        }
        if !refused.is_empty() {
            let readers = self.readers.clone();
            // In a task of its own, while the next batch is written: no other caller has to wait
            // for it.
            tokio::spawn(async move {
                for (job, length) in refused {
                    let outcome = find_earlier(&readers, &job.append, length).await;
                    answer(job, outcome);
                }
            });
        }
    }
}

fn answer(job: AppendJob, outcome: Result<Appended, StoreError>) {
    let _ = job.answer.send(outcome);
}

/// Returns the outcome of an append whose stream does not have the expected length: an earlier call may
/// have appended these very events.
async fn find_earlier(
    readers: &PostgresReaders,
    append: &Append,
    length: Version,
) -> Result<Appended, StoreError> {
    let stored = readers.ids(&append.stream, append.expected_length, append.events.len()).await?;
    append.repeated_or_conflict(&stored, length)
}

/// The append waited for too long, and nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[error("the append waited too long for its turn")]
struct TooLate;
