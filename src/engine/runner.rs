//! Follows the log and keeps the read models up to date with it.
//!
//! The runner takes committed batches from memory, reads the log only to catch up, applies the
//! events, and wakes the tasks that wait for a position. Of several nodes on one database one does
//! that, the writer; the others follow, show their observers what was committed, and take over when
//! the writer is gone. An event that cannot be applied stops the runner with an error: nothing is
//! skipped, and `/readyz` names the event.

mod renew;

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use whence_events::{Position, Recorded};
use whence_projections::{CoveredPosition, ProjectError, ProjectorPosition, ReadDb};

use crate::engine::progress::{Progress, lowest_position};
use crate::engine::rebuild::{RebuildError, first_foreign};
use crate::infra::errors::with_causes;
use crate::store::{Batch, EventStore, Page, StoreError};

/// The most events that are applied in one transaction, while live and while catching up.
const MAX_APPLY: usize = 4096;

/// The time between two attempts when log or read models do not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The time after which a node checks again whether it is the writer: how long the read models get no
/// new events when the writer is gone.
const WRITER_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The time after which a follower checks the position of the read models again, while they lack
/// events that it knows.
const POLL_INTERVAL: Duration = Duration::from_millis(4);

/// How often the writer stores up to where the log is covered, while others write to it and whence does
/// not: what a later start need not look at again.
const COVER_INTERVAL: Duration = Duration::from_secs(10);

/// The most events that a follower keeps until they are in the read models: some 100 MB.
const MAX_PENDING_EVENTS: usize = 100_000;

/// A receiver of events that caches something the events change, such as the sessions of a service.
///
/// The trait is how the engine calls up: the cache of the service is on a floor above, which the
/// engine must not know. Tests observe the runner through it, too.
pub trait Observer: Send + Sync + 'static {
    /// Takes note of events that are committed and may not be in the read models yet.
    fn committed(&self, events: &[Recorded]);
    /// Takes note of events that are in the read models.
    fn projected(&self, events: &[Recorded]) -> impl Future<Output = ()> + Send;
    /// Takes note that any events may have been committed that the observer was not shown.
    fn lost(&self);
}

/// Starts the runner, which ends when the store is dropped, and returns its progress.
pub fn start(
    store: &Arc<dyn EventStore>,
    read_db: Arc<ReadDb>,
    observer: impl Observer,
) -> Arc<Progress> {
    let progress = Arc::new(Progress::default());
    // Taken before the first read, so that no event is missed between the log and its tail.
    let tail = store.tail();
    let store = Arc::downgrade(store);
    let runner = Runner { store, read_db, observer, progress: progress.clone() };
    tokio::spawn(runner.run(tail));
    progress
}

/// The task that follows the log.
struct Runner<O> {
    /// Weak, because the tail ends when the last strong reference to the store is dropped.
    store: Weak<dyn EventStore>,
    read_db: Arc<ReadDb>,
    observer: O,
    progress: Arc<Progress>,
}

/// Why the read models make no progress.
#[derive(Debug, thiserror::Error)]
enum RunnerError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
}

/// The tail has ended, because the store was dropped.
struct TailClosed;

/// What a round of the runner works on.
enum TailInput {
    /// The events of one or more batches, the position that the first batch begins after, and the one
    /// that the last batch ends at.
    Events { after: Position, upto: Position, events: Vec<Recorded> },
    /// More events than the tail could keep; they are in the log.
    Lagged,
    /// No events for a while.
    Idle,
}

impl<O: Observer> Runner<O> {
    /// Resumes, writes or follows, and pauses after an error, until the tail ends.
    async fn run(self, mut tail: broadcast::Receiver<Batch>) {
        loop {
            let stopped = match self.resume(&mut tail).await {
                Ok(Ok(true)) => self.project(&mut tail).await,
                Ok(Ok(false)) => self.follow(&mut tail).await,
                Ok(Err(error)) => Ok(Some(error)),
                Err(TailClosed) => Err(TailClosed),
            };
            match stopped {
                Ok(None) => {}
                Ok(Some(error)) => {
                    tracing::error!(error = %with_causes(&error), "the read models do not move on");
                    self.progress.stop(error.to_string());
                    if let Err(TailClosed) = self.pause(&mut tail).await {
                        return;
                    }
                }
                Err(TailClosed) => return,
            }
        }
    }

    /// Resumes at the position of the read models, after rebuilding those of another version, and
    /// returns whether this node is the writer.
    async fn resume(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
    ) -> Result<Result<bool, RunnerError>, TailClosed> {
        let is_writer = match self.claim().await {
            Ok(true) => self.renew(tail).await?,
            other => other,
        };
        Ok(match is_writer {
            Ok(true) => self.catch_up().await.map(|()| true),
            other => other,
        }
        .inspect(|_| self.progress.works()))
    }

    /// Claims the writing of the read models and returns whether this node is the writer, which then
    /// empties read models of another log. Notes the position of the read models.
    async fn claim(&self) -> Result<bool, RunnerError> {
        let is_writer = self.read_db.claim_writer().await?;
        self.progress.is_writer.send_replace(Some(is_writer));
        let positions = self.read_db.positions().await?;
        if is_writer && !self.are_of_this_log(&positions).await? {
            tracing::warn!("the read models belong to another log and are made anew");
            self.read_db.reset().await?;
            self.progress.reached(0);
        } else {
            self.progress.reached(ProjectorPosition::lowest(&positions));
            self.resume_covered().await?;
        }
        Ok(is_writer)
    }

    /// Notes up to where the log is covered by the read models, when that is known and of this log.
    async fn resume_covered(&self) -> Result<(), RunnerError> {
        let Some(covered) = self.read_db.covered().await? else { return Ok(()) };
        let Some(store) = self.store.upgrade() else { return Ok(()) };
        if store.event_at(covered.position).await? == Some(covered.event_id) {
            self.progress.covers(covered.position);
        }
        Ok(())
    }

    /// Stores up to where the log is covered, when that is not the position of the last event.
    async fn store_covered(&self) -> Result<(), RunnerError> {
        let position = self.progress.covered();
        let Some(store) = self.store.upgrade() else { return Ok(()) };
        if position > self.progress.projected()
            && let Some(event_id) = store.event_at(position).await?
        {
            self.read_db.note_covered(CoveredPosition { position, event_id }).await?;
        }
        Ok(())
    }

    /// Returns whether the positions of the read models are those of events of this log.
    async fn are_of_this_log(&self, positions: &[ProjectorPosition]) -> Result<bool, RunnerError> {
        let Some(store) = self.store.upgrade() else { return Ok(true) };
        Ok(first_foreign(&store, positions).await?.is_none())
    }

    /// Writes the read models, until there is an error or another node is the writer.
    async fn project(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
    ) -> Result<Option<RunnerError>, TailClosed> {
        let mut check = tokio::time::interval(WRITER_CHECK_INTERVAL);
        let mut cover = tokio::time::interval(COVER_INTERVAL);
        loop {
            let input = tokio::select! {
                input = next(tail) => input?,
                _ = check.tick() => TailInput::Idle,
                _ = cover.tick() => {
                    if let Err(error) = self.store_covered().await {
                        return Ok(Some(error));
                    }
                    continue;
                }
            };
            let done = match input {
                TailInput::Events { after, upto, events } => {
                    self.apply_live(after, upto, &events).await
                }
                TailInput::Lagged => self.catch_up().await,
                TailInput::Idle => match self.is_unchanged(true).await {
                    Ok(true) => Ok(()),
                    Ok(false) => return Ok(None),
                    Err(error) => Err(error.into()),
                },
            };
            match done {
                Ok(()) => {}
                // Rebuilt ones have replaced them, and are further.
                Err(RunnerError::Project(ProjectError::TablesMoved(_))) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            }
        }
    }

    /// Returns whether this node is the writer, or a follower, as before, of read models that did
    /// not go back: those of a database that crashed may, and so do those that the writer has
    /// emptied.
    async fn is_unchanged(&self, is_writer: bool) -> Result<bool, ProjectError> {
        let known = self.progress.projected();
        let same = self.read_db.claim_writer().await? == is_writer;
        Ok(same && lowest_position(&self.read_db).await? >= known)
    }

    /// Follows the read models that another node writes, until there is an error or that node stops.
    async fn follow(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
    ) -> Result<Option<RunnerError>, TailClosed> {
        // Events that were committed, and may not be in the read models yet.
        let mut pending = Pending { events: VecDeque::new(), upto: self.progress.covered() };
        if let Err(error) = self.read_pending(&mut pending).await {
            return Ok(Some(error));
        }
        let mut check = tokio::time::interval(WRITER_CHECK_INTERVAL);
        loop {
            let poll = tokio::time::sleep(POLL_INTERVAL);
            let input = tokio::select! {
                biased;
                input = next(tail) => Some(input?),
                () = poll, if !pending.events.is_empty() => None,
                _ = check.tick() => Some(TailInput::Idle),
            };
            let done = match input {
                Some(TailInput::Events { after, upto, events }) => {
                    if after <= pending.upto && pending.events.len() < MAX_PENDING_EVENTS {
                        self.observer.committed(&events);
                        pending.add(events, upto);
                        Ok(())
                    } else {
                        self.read_pending(&mut pending).await
                    }
                }
                Some(TailInput::Lagged) => self.read_pending(&mut pending).await,
                Some(TailInput::Idle) => match self.is_unchanged(false).await {
                    Ok(true) => Ok(()),
                    Ok(false) => return Ok(None),
                    Err(error) => Err(error.into()),
                },
                None => Ok(()),
            };
            let done = match done {
                Ok(()) => self.report_arrived(&mut pending).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                return Ok(Some(error));
            }
        }
    }

    /// Adds the events of the log after all that is pending. When that is too much to keep, pending
    /// events are dropped, and the observer is notified that it may have missed some.
    async fn read_pending(&self, pending: &mut Pending) -> Result<(), RunnerError> {
        loop {
            let Page { events, upto } = self.read(pending.upto, MAX_APPLY).await?;
            let is_last = events.is_empty();
            self.observer.committed(&events);
            if pending.events.len() >= MAX_PENDING_EVENTS {
                self.observer.lost();
                // The last one stays, whose arrival shows that the others are there.
                pending.events.drain(..pending.events.len() - 1);
            }
            pending.add(events, upto);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Shows the observer the pending events that have arrived in the read models.
    async fn report_arrived(&self, pending: &mut Pending) -> Result<(), RunnerError> {
        if !pending.events.is_empty() {
            let there = lowest_position(&self.read_db).await?;
            let arrived = pending.events.partition_point(|event| event.position <= there);
            if arrived > 0 {
                let arrived: Vec<_> = pending.events.drain(..arrived).collect();
                self.observer.projected(&arrived).await;
            }
            if there > self.progress.projected() {
                self.progress.reached(there);
            }
        }
        if pending.events.is_empty() {
            self.progress.covers(pending.upto);
        }
        Ok(())
    }

    /// Waits before another attempt, during which the observer is still shown what is committed.
    async fn pause(&self, tail: &mut broadcast::Receiver<Batch>) -> Result<(), TailClosed> {
        self.observe_during(tail, tokio::time::sleep(RETRY_PAUSE)).await
    }

    /// Applies events of the tail, and those before them when some were missed.
    async fn apply_live(
        &self,
        after: Position,
        upto: Position,
        events: &[Recorded],
    ) -> Result<(), RunnerError> {
        self.observer.committed(events);
        if after > self.progress.covered() {
            return self.catch_up().await;
        }
        self.apply(events).await?;
        self.progress.covers(upto);
        Ok(())
    }

    /// Applies the events of the log that the read models lack.
    async fn catch_up(&self) -> Result<(), RunnerError> {
        loop {
            let Page { events, upto } = self.read(self.progress.covered(), MAX_APPLY).await?;
            self.observer.committed(&events);
            self.apply(&events).await?;
            self.progress.covers(upto);
            if events.is_empty() {
                return Ok(());
            }
        }
    }

    /// Applies the events that come next and notes the position that the read models have reached.
    async fn apply(&self, events: &[Recorded]) -> Result<(), RunnerError> {
        if events.is_empty() {
            return Ok(());
        }
        // Up to what is covered there is no event after the last one that was applied.
        let applied = self.read_db.apply_after(self.progress.projected(), events).await;
        // The events before an unknown one are in the read models, and tasks that wait for them are
        // woken.
        let done = match &applied {
            Ok(()) => events,
            Err(ProjectError::UnknownEvent { position, .. }) => {
                &events[..events.partition_point(|event| event.position < *position)]
            }
            Err(
                ProjectError::Sqlite(_)
                | ProjectError::Damaged(_)
                | ProjectError::Postgres(_)
                | ProjectError::Pool(_)
                | ProjectError::TimedOut
                | ProjectError::Value
                | ProjectError::NotWriter
                | ProjectError::TablesMoved(_)
                | ProjectError::RebuildUnderWay
                | ProjectError::InUse(_)
                | ProjectError::Lock { .. },
            ) => &[],
        };
        self.observer.projected(done).await;
        if let Some(last) = done.last()
            && last.position > self.progress.projected()
        {
            self.progress.reached(last.position);
        }
        Ok(applied?)
    }

    /// Reads events of the log; none when the store was dropped.
    async fn read(&self, after: Position, limit: usize) -> Result<Page, StoreError> {
        match self.store.upgrade() {
            Some(store) => store.read_page(after, limit).await,
            None => Ok(Page { events: vec![], upto: after }),
        }
    }
}

/// What a follower knows of the log and the read models may lack.
struct Pending {
    events: VecDeque<Recorded>,
    /// The position up to which the events are those, or in the read models.
    upto: Position,
}

impl Pending {
    fn add(&mut self, events: Vec<Recorded>, upto: Position) {
        let known = self.upto;
        self.events.extend(events.into_iter().filter(|event| event.position > known));
        self.upto = known.max(upto);
    }
}

/// Waits for the tail and returns all that it holds as one.
async fn next(tail: &mut broadcast::Receiver<Batch>) -> Result<TailInput, TailClosed> {
    let first = match tail.recv().await {
        Ok(batch) => batch,
        Err(RecvError::Lagged(_)) => return Ok(TailInput::Lagged),
        Err(RecvError::Closed) => return Err(TailClosed),
    };
    let (after, mut upto, mut events) = (first.after, first.upto, first.events.to_vec());
    while events.len() < MAX_APPLY {
        match tail.try_recv() {
            Ok(batch) => {
                upto = batch.upto;
                events.extend(batch.events.iter().cloned());
            }
            Err(TryRecvError::Lagged(_)) => return Ok(TailInput::Lagged),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    Ok(TailInput::Events { after, upto, events })
}
