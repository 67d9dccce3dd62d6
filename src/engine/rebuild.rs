//! Rebuilds read models from the log while the live ones keep answering, and compares the two.
//!
//! The log is folded into scratch tables next to the live ones. Where both are of the same version,
//! the two are compared at one position; then the scratch tables catch up, are checked and replace
//! the live ones, those of each projector in one transaction. Killed anywhere, it leaves live
//! tables that are all old or all new, and the same command resumes where it was.

mod fold;

use std::sync::Arc;

use whence_events::Position;
use whence_projections::{
    Differences, Held, ProjectError, ProjectorPosition, Purpose, ReadDb, Scratch, projectors,
};

use crate::store::{EventStore, StoreError};
use fold::Fold;

/// The events that are applied in one transaction.
pub const BATCH: usize = 16_384;

/// The rounds in which a rebuild catches up with a log that is appended to. What is left after them is
/// folded while the writer of the live tables waits.
const MAX_ROUNDS: usize = 10;

/// Why read models were not rebuilt or compared. Those of each projector are then all as they were, or
/// all new.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The scratch or live tables cannot be read or written.
    #[error("{0}; the tables in use are as they were, and the same command goes on from here")]
    ReadModels(ProjectError),
    /// A newer version of whence wrote an event that this one does not know.
    #[error("{0}: the rebuild stops there, and the tables in use are as they were")]
    UnknownEvent(ProjectError),
    /// Another rebuild is under way: there is one at a time.
    #[error(transparent)]
    UnderWay(ProjectError),
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The live read models are of another log, or further than this one: they would go back.
    #[error(
        "the tables of {0} are of another log, or of more of this one than there is: start the \
         service, which makes them anew"
    )]
    AnotherLog(&'static str),
    /// The scratch tables name an event that the log does not hold at their position.
    #[error("the rebuilt tables of {0} are not of this log: run it again")]
    Unproven(&'static str),
}

impl From<ProjectError> for RebuildError {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::UnknownEvent { .. } => Self::UnknownEvent(error),
            ProjectError::RebuildUnderWay => Self::UnderWay(error),
            ProjectError::Damaged(_)
            | ProjectError::Sqlite(_)
            | ProjectError::Postgres(_)
            | ProjectError::Pool(_)
            | ProjectError::TimedOut
            | ProjectError::Value
            | ProjectError::NotWriter
            | ProjectError::TablesMoved(_)
            | ProjectError::InUse(_)
            | ProjectError::Lock { .. } => Self::ReadModels(error),
        }
    }
}

/// A step of a rebuild or a check, for a caller that shows how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The scratch tables hold the log up to `position`, in a pass that ends at `head`.
    Folded {
        /// The position of the last event that is folded.
        position: Position,
        /// The position at which this pass over the log ends.
        head: Position,
        /// The number of events that this run has folded.
        events: u64,
    },
    /// The live and scratch tables of a projector are compared.
    Comparing(&'static str),
    /// The live tables of a projector are locked against writing now.
    Held(&'static str),
    /// The new tables of a projector are in place, and not committed yet.
    Replaced(&'static str),
    /// The new tables of a projector are committed.
    Swapped(&'static str),
}

/// The result of a rebuild or a check for one projector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectorOutcome {
    /// The position of the rebuilt tables, or of the compared ones.
    pub reached: ProjectorPosition,
    /// How the live tables differed; `None` when they could not be compared, because they were of
    /// another version or at another position.
    pub differences: Option<Differences>,
}

/// A rebuild or a check that is ready to run, and the only one.
pub struct Replay<'a> {
    store: &'a Arc<dyn EventStore>,
    read_db: &'a ReadDb,
    scratch: Scratch,
    /// The projectors, in the order in which they are done.
    names: Vec<&'static str>,
    batch: usize,
    /// The number of events that this run has folded.
    events: u64,
}

/// Returns the projectors with these names; all projectors when there are no names. The error lists
/// the ones there are.
pub fn projectors_named(names: &[String]) -> anyhow::Result<Vec<&'static str>> {
    let known: Vec<_> = projectors().iter().map(|projector| projector.name()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        anyhow::bail!("there is no projection {unknown}: the ones there are: {}", known.join(", "));
    }
    let wanted = |name: &&str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    Ok(known.into_iter().filter(wanted).collect())
}

impl<'a> Replay<'a> {
    /// Opens the scratch tables of these projectors. `batch` is the number of events that are
    /// applied in one transaction, usually [`BATCH`].
    pub async fn open(
        store: &'a Arc<dyn EventStore>,
        read_db: &'a ReadDb,
        purpose: Purpose,
        names: &[&'static str],
        batch: usize,
    ) -> Result<Self, RebuildError> {
        let scratch = read_db.scratch(purpose, names).await?;
        let mut live = read_db.positions().await?;
        live.retain(|at| names.contains(&at.projector));
        // Ascending, so that the scratch tables, which move together, are never further than those
        // that are compared next.
        live.sort_by_key(|at| at.position);
        if let Some(foreign) = first_foreign(store, &live).await? {
            return Err(RebuildError::AnotherLog(foreign));
        }
        // Scratch tables of another log, or of one that was cut, cannot be continued.
        if first_foreign(store, &scratch.positions().await?).await?.is_some() {
            scratch.reset().await?;
        }
        let names = live.iter().map(|at| at.projector).collect();
        Ok(Self { store, read_db, scratch, names, batch, events: 0 })
    }

    /// Returns the position of the last event that an earlier run has folded.
    pub async fn resume_position(&self) -> Result<Position, RebuildError> {
        let positions = self.scratch.positions().await?;
        Ok(ProjectorPosition::lowest(&positions))
    }

    /// Folds, compares, catches up, swaps, and removes what is no longer needed.
    pub async fn rebuild(
        mut self,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Vec<ProjectorOutcome>, RebuildError> {
        let mut outcomes = self.compare_all(watch).await?;
        self.catch_up(watch).await?;
        for outcome in &mut outcomes {
            outcome.reached = self.swap(outcome.reached.projector, watch).await?;
        }
        self.scratch.clear().await?;
        Ok(outcomes)
    }

    /// Folds exactly up to the position of the live tables, and compares. It changes nothing.
    pub async fn check(
        mut self,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Vec<ProjectorOutcome>, RebuildError> {
        let outcomes = self.compare_all(watch).await?;
        self.scratch.clear().await?;
        Ok(outcomes)
    }

    /// Compares the live tables of every projector with the scratch tables.
    async fn compare_all(
        &mut self,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Vec<ProjectorOutcome>, RebuildError> {
        let mut all = Vec::new();
        for name in self.names.clone() {
            all.push(self.compare(name, watch).await?);
        }
        Ok(all)
    }

    /// Compares the live tables of one projector with the scratch tables.
    async fn compare(
        &mut self,
        name: &'static str,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<ProjectorOutcome, RebuildError> {
        if self.read_db.outdated().await?.contains(&name) {
            return Ok(ProjectorOutcome { reached: self.live(name).await?, differences: None });
        }
        for _ in 0..MAX_ROUNDS {
            let live = self.live(name).await?.position;
            if self.fold(live, watch).await? <= self.batch as u64 {
                break;
            }
        }
        // Live and scratch tables are held at one position, so that both can be read.
        let held = self.hold(name, watch).await?;
        let same = self.scratch.position(name).await? == held.live;
        let comparison = if same { Some(self.scratch.compare().await?) } else { None };
        let reached = held.live;
        drop(held);
        let mut outcome = ProjectorOutcome { reached, differences: None };
        if let Some(comparison) = comparison {
            watch(Step::Comparing(name));
            outcome.differences = Some(self.scratch.differences(comparison, name).await?);
        }
        Ok(outcome)
    }

    /// Folds what is appended meanwhile, until less than a batch is left.
    async fn catch_up(&mut self, watch: &mut (dyn FnMut(Step) + Send)) -> Result<(), RebuildError> {
        for _ in 0..MAX_ROUNDS {
            let head = self.store.head().await?;
            if self.fold(head, watch).await? <= self.batch as u64 {
                break;
            }
        }
        Ok(())
    }

    /// Replaces the live tables of a projector by the scratch tables and returns their position.
    async fn swap(
        &mut self,
        name: &'static str,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<ProjectorPosition, RebuildError> {
        self.scratch.prepare_swap(name).await?;
        let mut held = self.hold(name, watch).await?;
        let new = self.scratch.position(name).await?;
        let is_of_this_log = first_foreign(self.store, &[new]).await?.is_none();
        if !is_of_this_log || new.position < held.live.position {
            return Err(RebuildError::Unproven(name));
        }
        held.replace().await?;
        watch(Step::Replaced(name));
        held.commit().await?;
        self.scratch.forget(name);
        watch(Step::Swapped(name));
        Ok(new)
    }

    /// Locks the live tables against writing, and folds the scratch tables up to their position.
    async fn hold(
        &mut self,
        name: &'static str,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Held, RebuildError> {
        let held = self.scratch.hold(name).await?;
        watch(Step::Held(name));
        self.fold(held.live.position, watch).await?;
        Ok(held)
    }

    /// Returns the position of the live tables of a projector.
    async fn live(&self, name: &'static str) -> Result<ProjectorPosition, RebuildError> {
        let mut all = self.read_db.positions().await?.into_iter();
        let live = all.find(|at| at.projector == name);
        live.ok_or_else(|| ProjectError::TablesMoved(name).into())
    }

    /// Folds up to `head` and returns how many events there were.
    async fn fold(
        &mut self,
        head: Position,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<u64, RebuildError> {
        let fold = Fold { store: self.store, scratch: &self.scratch, head, batch: self.batch };
        let before = self.events;
        let mut watch = |position, events| {
            watch(Step::Folded { position, head, events: before + events });
        };
        let folded = fold.run(&mut watch).await?;
        self.events += folded;
        Ok(folded)
    }
}

/// Returns the first projector whose position is not of this log: the log holds another event there.
pub(crate) async fn first_foreign(
    store: &Arc<dyn EventStore>,
    positions: &[ProjectorPosition],
) -> Result<Option<&'static str>, StoreError> {
    for at in positions.iter().filter(|at| at.position > 0) {
        if store.event_at(at.position).await? != at.event_id {
            return Ok(Some(at.projector));
        }
    }
    Ok(None)
}
