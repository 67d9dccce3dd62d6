//! Tells how far the read models are, and waits for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use whence_events::Position;
use whence_projections::{ProjectError, ProjectorPosition, ReadDb};

use crate::engine::rebuild::Step;
use crate::store::{EventStore, StoreError};

/// How long an answer waits for the read models; after that it is given all the same.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

/// How far this node knows the read models to be.
#[derive(Default)]
pub struct Progress {
    state: Mutex<ProgressState>,
    /// Whether this node is the writer of the read models; `None` until that is known.
    pub(super) is_writer: watch::Sender<Option<bool>>,
}

#[derive(Default)]
struct ProgressState {
    projected: Position,
    /// The position up to which all events are in the read models: that of the last one, or a later
    /// one where others have written to the same log since.
    covered: Position,
    stopped: Option<String>,
    rebuilding: Option<Rebuilding>,
    last_rebuild: Option<LastRebuild>,
    /// The tasks that wait for a position. Only those whose position is reached are woken.
    waiting: BTreeMap<Position, Vec<oneshot::Sender<()>>>,
}

impl Progress {
    /// Returns the position of the last event that is in the read models.
    #[must_use]
    pub fn projected(&self) -> Position {
        self.lock().projected
    }

    /// Returns the position up to which all events are in the read models.
    #[must_use]
    pub fn covered(&self) -> Position {
        self.lock().covered
    }

    /// Returns the position of the last event, given where the log ends: others may have written to the
    /// same log after it.
    #[must_use]
    pub fn last_event(&self, end: Position) -> Position {
        let state = self.lock();
        if state.covered >= end { state.projected.min(end) } else { end }
    }

    /// Returns why the read models make no progress; `None` when they do.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.lock().stopped.clone()
    }

    /// Returns whether this node is the writer of the read models, which also does what only one node
    /// may do.
    #[must_use]
    pub fn is_writer(&self) -> bool {
        *self.is_writer.borrow() == Some(true)
    }

    /// Waits until it is known whether this node is the writer, at most [`MAX_WAIT`].
    pub async fn until_writer_is_known(&self) {
        let mut is_writer = self.is_writer.subscribe();
        let _ = tokio::time::timeout(MAX_WAIT, is_writer.wait_for(Option::is_some)).await;
    }

    /// Waits until all events up to `position` are in the read models, at most [`MAX_WAIT`], and
    /// returns whether they are.
    pub async fn wait_for(&self, position: Position) -> bool {
        let due = {
            let mut state = self.lock();
            if state.covered >= position {
                return true;
            }
            let (wake, due) = oneshot::channel();
            let waiting = state.waiting.entry(position).or_default();
            // Tasks that gave up waiting are removed by the next one that waits.
            waiting.retain(|sender| !sender.is_closed());
            waiting.push(wake);
            due
        };
        tokio::time::timeout(MAX_WAIT, due).await.is_ok()
    }

    /// Notes that the read models are at a position, and wakes the tasks that wait for it.
    pub(super) fn reached(&self, position: Position) {
        let mut state = self.lock();
        state.projected = position;
        // They may have gone back, and what was covered then is not any more.
        state.covered = position;
        Self::wake(state);
    }

    /// Notes that the read models hold all events up to a position, which is no event's, and wakes the
    /// tasks that wait for it.
    pub(super) fn covers(&self, position: Position) {
        let mut state = self.lock();
        if position > state.covered {
            state.covered = position;
            Self::wake(state);
        }
    }

    fn wake(mut state: MutexGuard<'_, ProgressState>) {
        let position = state.covered;
        let later = state.waiting.split_off(&(position + 1));
        let due = std::mem::replace(&mut state.waiting, later);
        drop(state);
        for sender in due.into_values().flatten() {
            let _ = sender.send(());
        }
    }

    /// Notes why the read models make no progress.
    pub(super) fn stop(&self, why: String) {
        self.lock().stopped = Some(why);
    }

    /// Notes that the read models make progress.
    pub(super) fn works(&self) {
        self.lock().stopped = None;
    }

    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Queries the read models so that a caller reads its own writes: when they have no answer, they are
/// queried again once they hold all that the log holds now.
///
/// They may lack what was acknowledged, here or by another node. When they do not catch up in
/// [`MAX_WAIT`], the error is [`ReadModelsBehind`].
pub async fn query_after_log<T, E: From<StoreError> + From<ReadModelsBehind>, F>(
    store: &dyn EventStore,
    read_db: &ReadDb,
    progress: &Progress,
    query: impl Fn() -> F,
) -> Result<Option<T>, E>
where
    F: Future<Output = Result<Option<T>, E>>,
{
    if let Some(found) = query().await? {
        return Ok(Some(found));
    }
    let head = store.head().await?;
    let projected = progress.projected();
    let there = if progress.covered() >= head {
        // Their own position decides: a database that crashed may have come back with read models
        // that are older than what this node knows of them.
        lowest_position(read_db).await.is_ok_and(|position| position >= projected.min(head))
    } else {
        progress.wait_for(head).await
    };
    if there { query().await } else { Err(ReadModelsBehind.into()) }
}

/// Returns the position that all read models have reached.
pub(super) async fn lowest_position(read_db: &ReadDb) -> Result<Position, ProjectError> {
    Ok(ProjectorPosition::lowest(&read_db.positions().await?))
}

/// The read models did not catch up in time. What they lack is unknown: another try may find it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the read models are behind")]
pub struct ReadModelsBehind;

/// A rebuild that is under way on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilding {
    /// The names of the projectors whose read models are rebuilt.
    pub projections: Vec<&'static str>,
    /// The position of the last event in the new tables.
    pub position: Position,
    /// The position at which this pass over the log ends.
    pub head: Position,
    /// The number of events that this process has folded.
    pub events: u64,
}

/// A rebuild that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRebuild {
    /// The names of the projectors whose read models were to be rebuilt.
    pub projections: Vec<&'static str>,
    /// Why the old tables are still in use; `None` when the new ones are.
    pub error: Option<String>,
}

impl Progress {
    /// Returns the rebuild that is under way on this node.
    #[must_use]
    pub fn rebuilding(&self) -> Option<Rebuilding> {
        self.lock().rebuilding.clone()
    }

    /// Returns how the last rebuild ended that an operator asked this node for.
    #[must_use]
    pub fn last_rebuild(&self) -> Option<LastRebuild> {
        self.lock().last_rebuild.clone()
    }

    /// Notes what is rebuilt, for as long as the returned value lives.
    pub(crate) fn note_rebuild(&self, projections: &[&'static str]) -> RebuildNote<'_> {
        let projections = projections.to_vec();
        self.lock().rebuilding = Some(Rebuilding { projections, position: 0, head: 0, events: 0 });
        RebuildNote(self)
    }
}

/// The note of a rebuild that is under way, which ends when it is dropped.
pub(crate) struct RebuildNote<'a>(&'a Progress);

impl RebuildNote<'_> {
    /// Notes how the rebuild ended, for [`Progress::last_rebuild`].
    pub(crate) fn ended(self, error: Option<String>) {
        let mut state = self.0.lock();
        let projections = state.rebuilding.as_ref().map(|under_way| under_way.projections.clone());
        let projections = projections.unwrap_or_default();
        state.last_rebuild = Some(LastRebuild { projections, error });
    }

    /// Notes a step of the rebuild.
    pub(crate) fn at(&mut self, step: Step) {
        match step {
            Step::Folded { position, head, events } => {
                if let Some(rebuilding) = &mut self.0.lock().rebuilding {
                    (rebuilding.position, rebuilding.head, rebuilding.events) =
                        (position, head, events);
                }
            }
            Step::Comparing(_) | Step::Held(_) | Step::Replaced(_) | Step::Swapped(_) => {}
        }
    }
}

impl Drop for RebuildNote<'_> {
    fn drop(&mut self) {
        self.0.lock().rebuilding = None;
    }
}
