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

/// Appends in one transaction at most: bounds the time the first of them waits for the last.
const MAX_BATCH: usize = 512;

/// How often others may run before the next batch is gathered. Callers that were just answered may
/// have their next append at hand: without this they miss the batch, and it takes twice the commits
/// (at 64 in flight batches of 32, and half the events a second where the disk is slow).
const REGROUP_YIELDS: u32 = 4;

/// How long a job may have waited for its turn: past that, its caller is told no instead.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(4);

/// An append, and who wants to know.
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
    /// Taken out of the queue, but not yet in a batch.
    held: VecDeque<AppendJob>,
    /// `None`: it broke, and is made anew for the next batch.
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

    /// Until the store is dropped.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.write(batch).await;
            for _ in 0..REGROUP_YIELDS {
                tokio::task::yield_now().await;
            }
        }
    }

    /// What waits, at most one append a stream: the next one of a stream goes into the next batch.
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
            // One of them cannot be stored. Alone, the others can.
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

    /// One transaction for the whole batch. On `Err` nobody knows whether it was written, unless the
    /// server said why not; asking again with the same event ids tells.
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

    /// On disk. Whoever tails the log hears of it before the callers do, so that a caller who reads
    /// next finds the caches already told.
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
            // A caller that went away does not mind.
            let _ = answer.send(Ok(Appended::Now { last }));
        }
        if !refused.is_empty() {
            let readers = self.readers.clone();
            // Beside the next batch: nobody else has to wait for it.
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

/// The stream is not as long as expected: were these very events appended by an earlier call?
async fn find_earlier(
    readers: &PostgresReaders,
    append: &Append,
    length: Version,
) -> Result<Appended, StoreError> {
    let stored = readers.ids(&append.stream, append.expected_length, append.events.len()).await?;
    append.repeated_or_conflict(&stored, length)
}

/// Others had to be written first, and that took too long. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("the append waited too long for its turn")]
struct TooLate;
