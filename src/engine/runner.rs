//! Tails the log and keeps the read models up with it.
//!
//! It takes committed batches from memory, reads the log only to catch up, applies, and wakes whoever
//! waits for a position. Of several nodes on one database one does that; the others follow, tell
//! their caches what was committed, and take over when that one is gone. An event that cannot be
//! applied stops it, loudly: nothing is skipped, and `/readyz` says which event it was.

mod renew;

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use whence_events::{Position, Recorded};
use whence_projections::{ProjectError, ProjectorPosition, ReadDb};

use crate::engine::progress::Progress;
use crate::engine::rebuild::{RebuildError, first_foreign};
use crate::infra::errors::with_causes;
use crate::store::{Batch, EventStore, StoreError};

/// Events applied in one transaction at most, while live and while catching up.
const MAX_APPLY: usize = 4096;

/// Between attempts when log or read models do not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How often a node asks whether it writes the tables: how long they stand still when the one that
/// did is gone.
const WRITER_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How often a node looks how far the tables are, while they are behind what it knows of.
const POLL_INTERVAL: Duration = Duration::from_millis(4);

/// Events that a following node keeps until they are in the tables: some 100 MB.
const MAX_PENDING_EVENTS: usize = 100_000;

/// What wants to know of events besides the tables.
pub trait Observer: Send + Sync + 'static {
    /// Events are committed, and not yet in the tables.
    fn committed(&self, events: &[Recorded]);
    /// Events are in the tables.
    fn projected(&self, events: &[Recorded]) -> impl Future<Output = ()> + Send;
    /// Events were committed, nobody says which.
    fn lost(&self);
}

/// Starts the runner. It ends when the store is dropped.
pub fn start(
    store: &Arc<dyn EventStore>,
    read_db: Arc<ReadDb>,
    observer: impl Observer,
) -> Arc<Progress> {
    let progress = Arc::new(Progress::default());
    // Before the first read, so that nothing falls between the log and its tail.
    let tail = store.tail();
    let store = Arc::downgrade(store);
    let runner = Runner { store, read_db, observer, progress: progress.clone() };
    tokio::spawn(runner.run(tail));
    progress
}

struct Runner<O> {
    /// Weak: the tail ends when everybody else has let go of the store.
    store: Weak<dyn EventStore>,
    read_db: Arc<ReadDb>,
    observer: O,
    progress: Arc<Progress>,
}

/// Why a round did not move on.
#[derive(Debug, thiserror::Error)]
enum RunnerError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
}

/// The tail is over: everybody has let go of the store.
struct TailClosed;

/// What the tail input.
enum TailInput {
    /// Batches in one, and where the first of them begins.
    Events { after: Position, events: Vec<Recorded> },
    /// More than it could keep; the log has it.
    Lagged,
    /// Nothing, for a while.
    Idle,
}

impl<O: Observer> Runner<O> {
    async fn run(self, mut tail: broadcast::Receiver<Batch>) {
        loop {
            let error = match self.resume(&mut tail).await {
                Ok(Ok(true)) => self.project(&mut tail).await,
                Ok(Ok(false)) => self.follow(&mut tail).await,
                Ok(Err(error)) => Ok(Some(error)),
                Err(TailClosed) => Err(TailClosed),
            };
            match error {
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

    /// Goes on where the tables are, having made those of another version anew. Whether this node
    /// writes them.
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

    /// Where the tables are; those of another log are emptied. Whether this node writes them.
    async fn claim(&self) -> Result<bool, RunnerError> {
        let is_writer = self.read_db.claim_writer().await?;
        self.progress.is_writer.send_replace(Some(is_writer));
        let checkpoints = self.read_db.positions().await?;
        if is_writer && !self.are_of_this_log(&checkpoints).await? {
            tracing::warn!("the read models belong to another log and are made anew");
            self.read_db.reset().await?;
            self.progress.reached(0);
        } else {
            self.progress.reached(ProjectorPosition::lowest(&checkpoints));
        }
        Ok(is_writer)
    }

    async fn are_of_this_log(
        &self,
        checkpoints: &[ProjectorPosition],
    ) -> Result<bool, RunnerError> {
        let Some(store) = self.store.upgrade() else { return Ok(true) };
        Ok(first_foreign(&store, checkpoints).await?.is_none())
    }

    /// Writes the tables, until something goes wrong or somebody else does it.
    async fn project(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
    ) -> Result<Option<RunnerError>, TailClosed> {
        let mut check = tokio::time::interval(WRITER_CHECK_INTERVAL);
        loop {
            let input = tokio::select! {
                input = next(tail) => input?,
                _ = check.tick() => TailInput::Idle,
            };
            let done = match input {
                TailInput::Events { after, events } => self.apply_live(after, &events).await,
                TailInput::Lagged => self.catch_up().await,
                TailInput::Idle => match self.is_unchanged(true).await {
                    Ok(true) => Ok(()),
                    Ok(false) => return Ok(None),
                    Err(error) => Err(error.into()),
                },
            };
            match done {
                Ok(()) => {}
                // Rebuilt ones are in their place, and further.
                Err(RunnerError::Project(ProjectError::TablesMoved(_))) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            }
        }
    }

    /// Whether this node leads or follows as before, over tables that did not go back: those of a
    /// database that crashed may, and so do those that whoever leads has emptied.
    async fn is_unchanged(&self, is_writer: bool) -> Result<bool, ProjectError> {
        let known = self.progress.projected();
        let same = self.read_db.claim_writer().await? == is_writer;
        Ok(same && ProjectorPosition::lowest(&self.read_db.positions().await?) >= known)
    }

    /// Keeps up with the tables that another node writes, until it stops doing so.
    async fn follow(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
    ) -> Result<Option<RunnerError>, TailClosed> {
        // What the tail told already may not be in the tables yet.
        let mut pending = VecDeque::new();
        if let Err(error) = self.read_pending(&mut pending).await {
            return Ok(Some(error));
        }
        let mut check = tokio::time::interval(WRITER_CHECK_INTERVAL);
        loop {
            let poll = tokio::time::sleep(POLL_INTERVAL);
            let input = tokio::select! {
                biased;
                input = next(tail) => Some(input?),
                () = poll, if !pending.is_empty() => None,
                _ = check.tick() => Some(TailInput::Idle),
            };
            let done = match input {
                Some(TailInput::Events { after, events }) => {
                    let last = pending.back().map_or(self.progress.projected(), position_of);
                    if after <= last && pending.len() < MAX_PENDING_EVENTS {
                        self.observer.committed(&events);
                        pending.extend(events.into_iter().filter(|event| event.position > last));
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

    /// What lies in the log behind all that is pending, or, when that is too much to keep, nothing:
    /// what is not known is then forgotten instead.
    async fn read_pending(&self, pending: &mut VecDeque<Recorded>) -> Result<(), RunnerError> {
        loop {
            let last = pending.back().map_or(self.progress.projected(), position_of);
            let events = self.read(last, MAX_APPLY).await?;
            if events.is_empty() {
                return Ok(());
            }
            self.observer.committed(&events);
            if pending.len() >= MAX_PENDING_EVENTS {
                self.observer.lost();
                pending.clear();
            }
            pending.extend(events);
        }
    }

    /// Tells what has arrived in the tables meanwhile.
    async fn report_arrived(&self, pending: &mut VecDeque<Recorded>) -> Result<(), RunnerError> {
        if pending.is_empty() {
            return Ok(());
        }
        let there = ProjectorPosition::lowest(&self.read_db.positions().await?);
        let arrived = pending.partition_point(|event| event.position <= there);
        if arrived > 0 {
            let arrived: Vec<_> = pending.drain(..arrived).collect();
            self.observer.projected(&arrived).await;
        }
        if there > self.progress.projected() {
            self.progress.reached(there);
        }
        Ok(())
    }

    /// Between attempts: the tables stand still, the caches do not.
    async fn pause(&self, tail: &mut broadcast::Receiver<Batch>) -> Result<(), TailClosed> {
        self.observe_during(tail, tokio::time::sleep(RETRY_PAUSE)).await
    }

    /// Applies what the tail input, and what lies before it when something was missed.
    async fn apply_live(&self, after: Position, events: &[Recorded]) -> Result<(), RunnerError> {
        self.observer.committed(events);
        if after > self.progress.projected() {
            return self.catch_up().await;
        }
        self.apply(after, events).await
    }

    async fn catch_up(&self) -> Result<(), RunnerError> {
        loop {
            let after = self.progress.projected();
            let events = self.read(after, MAX_APPLY).await?;
            if events.is_empty() {
                return Ok(());
            }
            self.observer.committed(&events);
            self.apply(after, &events).await?;
        }
    }

    async fn apply(&self, after: Position, events: &[Recorded]) -> Result<(), RunnerError> {
        let applied = self.read_db.apply_after(after, events).await;
        // What lies before an unknown event is in the tables, and whoever waits for it is told.
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

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        match self.store.upgrade() {
            Some(store) => store.read_all(after, limit).await,
            None => Ok(vec![]),
        }
    }
}

/// Whatever the tail has, as one.
async fn next(tail: &mut broadcast::Receiver<Batch>) -> Result<TailInput, TailClosed> {
    let first = match tail.recv().await {
        Ok(batch) => batch,
        Err(RecvError::Lagged(_)) => return Ok(TailInput::Lagged),
        Err(RecvError::Closed) => return Err(TailClosed),
    };
    let (after, mut events) = (first.after, first.events.to_vec());
    while events.len() < MAX_APPLY {
        match tail.try_recv() {
            Ok(batch) => events.extend(batch.events.iter().cloned()),
            Err(TryRecvError::Lagged(_)) => return Ok(TailInput::Lagged),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    Ok(TailInput::Events { after, events })
}

fn position_of(event: &Recorded) -> Position {
    event.position
}
