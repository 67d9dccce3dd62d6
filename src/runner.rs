//! Tails the log and keeps the read models up with it.
//!
//! One thread: it takes committed batches from memory, reads the log only to catch up, applies, and
//! wakes whoever waits for a position. An event that cannot be applied stops it, loudly: nothing is
//! skipped, and `/readyz` says which event it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, oneshot};
use whence_events::{Position, Recorded};
use whence_projections::{ProjectError, ReadDb};

use crate::store::{Batch, EventStore, StoreError};

/// Events applied in one transaction at most, while live and while catching up.
const MAX_APPLY: usize = 4096;

/// How long an answer waits for the read models. Past that it is given all the same.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

/// Between attempts when log or read models do not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What wants to know of events besides the tables.
pub trait Observer: Send + 'static {
    /// Events are committed, and not yet in the tables.
    fn committed(&self, events: &[Recorded]);
    /// Events are in the tables.
    fn projected(&self, events: &[Recorded]);
}

/// How far the read models are.
#[derive(Default)]
pub struct Progress(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    projected: Position,
    stopped: Option<String>,
    /// Who waits for which position. Only those that are due are woken.
    waiting: BTreeMap<Position, Vec<oneshot::Sender<()>>>,
}

impl Progress {
    /// The last event that is in the tables.
    #[must_use]
    pub fn projected(&self) -> Position {
        self.lock().projected
    }

    /// Why the read models do not move on, when they do not.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.lock().stopped.clone()
    }

    /// Waits until the event at `position` is in the tables, at most [`MAX_WAIT`]. Whether it is.
    pub async fn wait_for(&self, position: Position) -> bool {
        let due = {
            let mut inner = self.lock();
            if inner.projected >= position {
                return true;
            }
            let (wake, due) = oneshot::channel();
            let waiting = inner.waiting.entry(position).or_default();
            // Whoever gave up waiting is swept out by the next one who comes.
            waiting.retain(|sender| !sender.is_closed());
            waiting.push(wake);
            due
        };
        tokio::time::timeout(MAX_WAIT, due).await.is_ok()
    }

    fn reached(&self, position: Position) {
        let mut inner = self.lock();
        inner.projected = position;
        inner.stopped = None;
        let later = inner.waiting.split_off(&(position + 1));
        let due = std::mem::replace(&mut inner.waiting, later);
        drop(inner);
        for sender in due.into_values().flatten() {
            let _ = sender.send(());
        }
    }

    fn stop(&self, why: String) {
        self.lock().stopped = Some(why);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the read models, and asks again before it says no: they may be behind what was
/// acknowledged, here or by another node.
///
/// # Errors
/// Those of the query, or of the store, or [`Behind`].
pub async fn look_twice<T, E: From<StoreError> + From<Behind>>(
    store: &dyn EventStore,
    progress: &Progress,
    query: impl Fn() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    // Taken before the look: what is projected after it was not seen by it.
    let seen = progress.projected();
    if let Some(found) = query()? {
        return Ok(Some(found));
    }
    let head = store.head().await?;
    if seen >= head {
        return Ok(None);
    }
    if !progress.wait_for(head).await {
        return Err(Behind.into());
    }
    query()
}

/// The read models did not catch up in time. Not known is not no: another try may find out.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the read models are behind")]
pub struct Behind;

/// Starts the runner. It ends when the store is dropped.
///
/// # Errors
/// When its thread cannot be started.
pub fn start(
    store: &Arc<dyn EventStore>,
    reads: Arc<ReadDb>,
    observer: impl Observer,
) -> std::io::Result<Arc<Progress>> {
    let progress = Arc::new(Progress::default());
    // Before the first read, so that nothing falls between the log and its tail.
    let tail = store.tail();
    let store = Arc::downgrade(store);
    let runner = Runner {
        store,
        reads,
        observer,
        progress: progress.clone(),
        runtime: tokio::runtime::Handle::current(),
    };
    std::thread::Builder::new().name("whence-runner".into()).spawn(move || runner.run(tail))?;
    Ok(progress)
}

struct Runner<O> {
    /// Weak: the tail ends when everybody else has let go of the store.
    store: std::sync::Weak<dyn EventStore>,
    reads: Arc<ReadDb>,
    observer: O,
    progress: Arc<Progress>,
    runtime: tokio::runtime::Handle,
}

/// Why a round did not move on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<O: Observer> Runner<O> {
    fn run(self, mut tail: broadcast::Receiver<Batch>) {
        if !self.until_done(Self::resume) {
            return;
        }
        loop {
            match tail.blocking_recv() {
                Ok(batch) => {
                    let mut events = vec![batch];
                    let mut count = events[0].len();
                    let missed = loop {
                        match tail.try_recv() {
                            Ok(batch) => {
                                count += batch.len();
                                events.push(batch);
                                if count >= MAX_APPLY {
                                    break false;
                                }
                            }
                            Err(TryRecvError::Lagged(_)) => break true,
                            Err(TryRecvError::Empty | TryRecvError::Closed) => break false,
                        }
                    };
                    let events = events.iter().flat_map(|batch| batch.iter().cloned());
                    let events: Vec<_> = events.collect();
                    if !self.until_done(|runner| runner.live(&events)) {
                        return;
                    }
                    if missed && !self.until_done(Self::catch_up) {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    if !self.until_done(Self::catch_up) {
                        return;
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Repeats a step until it works; `false` when the store is gone.
    fn until_done(&self, step: impl Fn(&Self) -> Result<(), Trouble>) -> bool {
        while let Err(error) = step(self) {
            tracing::error!(%error, "the read models do not move on");
            self.progress.stop(error.to_string());
            std::thread::sleep(RETRY_PAUSE);
            if self.store.strong_count() == 0 {
                return false;
            }
        }
        true
    }

    /// Goes on where the tables are, or starts over when they belong to another log.
    fn resume(&self) -> Result<(), Trouble> {
        let checkpoints = self.reads.checkpoints()?;
        for checkpoint in &checkpoints {
            let Some(position) = checkpoint.position.checked_sub(1) else { continue };
            let there = self.read(position, 1)?;
            if there.first().map(|event| event.event_id) != checkpoint.event_id {
                tracing::warn!("the read models belong to another log and are made anew");
                self.reads.reset()?;
                return self.catch_up();
            }
        }
        let behind = checkpoints.iter().map(|checkpoint| checkpoint.position).min().unwrap_or(0);
        self.progress.reached(behind);
        self.catch_up()
    }

    /// Applies what the tail brought, and what lies before it when something was missed.
    fn live(&self, events: &[Recorded]) -> Result<(), Trouble> {
        self.observer.committed(events);
        let next = self.progress.projected() + 1;
        match events.first() {
            Some(first) if first.position > next => self.catch_up(),
            _ => self.apply(events),
        }
    }

    fn catch_up(&self) -> Result<(), Trouble> {
        loop {
            let events = self.read(self.progress.projected(), MAX_APPLY)?;
            if events.is_empty() {
                return Ok(());
            }
            self.observer.committed(&events);
            self.apply(&events)?;
        }
    }

    fn apply(&self, events: &[Recorded]) -> Result<(), Trouble> {
        let applied = self.reads.apply(events);
        // What lies before an unknown event is in the tables, and whoever waits for it is told.
        let done = match &applied {
            Ok(()) => events,
            Err(ProjectError::UnknownEvent { position, .. }) => {
                &events[..events.partition_point(|event| event.position < *position)]
            }
            Err(ProjectError::Sqlite(_) | ProjectError::Damaged(_)) => &[],
        };
        self.observer.projected(done);
        if let Some(last) = done.last()
            && last.position > self.progress.projected()
        {
            self.progress.reached(last.position);
        }
        Ok(applied?)
    }

    fn read(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        match self.store.upgrade() {
            Some(store) => self.runtime.block_on(store.read_all(after, limit)),
            None => Ok(vec![]),
        }
    }
}
