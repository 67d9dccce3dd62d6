//! How far the read models are, and waiting for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use whence_events::Position;
use whence_projections::{ProjectorPosition, ReadDb};

use crate::engine::rebuild::Step;
use crate::store::{EventStore, StoreError};

/// How long an answer waits for the read models. Past that it is given all the same.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

/// How far the read models are.
#[derive(Default)]
pub struct Progress {
    state: Mutex<ProgressState>,
    /// Whether this node writes them; `None` until that is known.
    pub(super) is_writer: watch::Sender<Option<bool>>,
}

#[derive(Default)]
struct ProgressState {
    projected: Position,
    stopped: Option<String>,
    rebuilding: Option<Rebuilding>,
    last_rebuild: Option<LastRebuild>,
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

    /// Whether it is this node that writes the read models, and does what only one node may do.
    #[must_use]
    pub fn is_writer(&self) -> bool {
        *self.is_writer.borrow() == Some(true)
    }

    /// Waits until it is known whether this node writes the read models, at most [`MAX_WAIT`].
    pub async fn until_writer_is_known(&self) {
        let mut is_writer = self.is_writer.subscribe();
        let _ = tokio::time::timeout(MAX_WAIT, is_writer.wait_for(Option::is_some)).await;
    }

    /// Waits until the event at `position` is in the tables, at most [`MAX_WAIT`]. Whether it is.
    pub async fn wait_for(&self, position: Position) -> bool {
        let due = {
            let mut state = self.lock();
            if state.projected >= position {
                return true;
            }
            let (wake, due) = oneshot::channel();
            let waiting = state.waiting.entry(position).or_default();
            // Whoever gave up waiting is swept out by the next one who comes.
            waiting.retain(|sender| !sender.is_closed());
            waiting.push(wake);
            due
        };
        tokio::time::timeout(MAX_WAIT, due).await.is_ok()
    }

    pub(super) fn reached(&self, position: Position) {
        let mut state = self.lock();
        state.projected = position;
        let later = state.waiting.split_off(&(position + 1));
        let due = std::mem::replace(&mut state.waiting, later);
        drop(state);
        for sender in due.into_values().flatten() {
            let _ = sender.send(());
        }
    }

    pub(super) fn stop(&self, why: String) {
        self.lock().stopped = Some(why);
    }

    pub(super) fn works(&self) {
        self.lock().stopped = None;
    }

    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the read models, and asks again before it says no: they may be behind what was
/// acknowledged, here or by another node.
///
/// # Errors
/// Those of the query, or of the store, or [`ReadModelsBehind`].
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
    let there = if progress.projected() >= head {
        // The tables have the last word: a database that crashed may have brought back ones that
        // are older than what this node knows of them.
        let checkpoints = read_db.positions().await;
        checkpoints.is_ok_and(|checkpoints| ProjectorPosition::lowest(&checkpoints) >= head)
    } else {
        progress.wait_for(head).await
    };
    if there { query().await } else { Err(ReadModelsBehind.into()) }
}

/// The read models did not catch up in time. Not known is not no: another try may find out.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the read models are behind")]
pub struct ReadModelsBehind;

/// A rebuild under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilding {
    /// Of what.
    pub projections: Vec<&'static str>,
    /// The last event in the new tables.
    pub position: Position,
    /// Where the log ended when that was looked at.
    pub head: Position,
    /// Events that were folded since this process began it.
    pub events: u64,
}

/// A rebuild that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRebuild {
    /// Of what.
    pub projections: Vec<&'static str>,
    /// Why the tables are still the old ones; `None`: they are not.
    pub error: Option<String>,
}

impl Progress {
    /// What this node rebuilds, and how far that is.
    #[must_use]
    pub fn rebuilding(&self) -> Option<Rebuilding> {
        self.lock().rebuilding.clone()
    }

    /// What became of the last rebuild that an operator asked this node for.
    #[must_use]
    pub fn last_rebuild(&self) -> Option<LastRebuild> {
        self.lock().last_rebuild.clone()
    }

    /// Takes note of what is rebuilt, for as long as the value lives.
    pub(crate) fn note_rebuild(&self, projections: &[&'static str]) -> RebuildNote<'_> {
        let projections = projections.to_vec();
        self.lock().rebuilding = Some(Rebuilding { projections, position: 0, head: 0, events: 0 });
        RebuildNote(self)
    }
}

/// A rebuild that is told of.
pub(crate) struct RebuildNote<'a>(&'a Progress);

impl RebuildNote<'_> {
    pub(crate) fn ended(self, error: Option<String>) {
        let mut state = self.0.lock();
        let projections = state.rebuilding.as_ref().map(|under_way| under_way.projections.clone());
        let projections = projections.unwrap_or_default();
        state.last_rebuild = Some(LastRebuild { projections, error });
    }

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
