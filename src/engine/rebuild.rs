//! Read models made anew out of the log while the live ones go on answering.
//!
//! The log is folded into scratch tables beside the live ones. Where those are of the same version, the
//! two are compared at one position; then the scratch tables catch up, are checked and take the place
//! of the live ones, each projector's in one transaction. Killed anywhere, the live tables are all old
//! or all new, and the same command goes on where it was.

mod fold;

use std::sync::Arc;

use whence_events::Position;
use whence_projections::{
    Differences, Held, ProjectError, ProjectorPosition, Purpose, ReadDb, Scratch, projectors,
};

use crate::store::{EventStore, StoreError};
use fold::Fold;

/// Events applied in one transaction.
pub const BATCH: usize = 16_384;

/// Rounds in which a rebuild runs after a log that is appended to. Whatever is left then is folded
/// while whoever writes the live tables waits.
const MAX_ROUNDS: usize = 10;

/// Why read models were not rebuilt or compared. The live ones are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Scratch or live tables.
    #[error("{0}; the tables in use are as they were, and the same command goes on from here")]
    ReadModels(ProjectError),
    /// A newer version of whence wrote an event that this one does not know.
    #[error("{0}: the rebuild stops there, and the tables in use are as they were")]
    UnknownEvent(ProjectError),
    /// One at a time.
    #[error(transparent)]
    UnderWay(ProjectError),
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They would go back.
    #[error(
        "the tables of {0} are of another log, or of more of this one than there is: start the \
         service, which makes them anew"
    )]
    AnotherLog(&'static str),
    /// What the scratch tables say they are made of is not what the log holds.
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

/// How far a rebuild or a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The scratch tables are folded up to `position` of what there was up to `head`.
    Folded {
        /// Where they are.
        position: Position,
        /// Where this pass over the log ends.
        head: Position,
        /// Events that this run has folded.
        events: u64,
    },
    /// Live and scratch tables of a projector are compared.
    Comparing(&'static str),
    /// Nobody writes the live tables of a projector now.
    Held(&'static str),
    /// The new tables of a projector are in place, and nobody sees them yet.
    Replaced(&'static str),
    /// Everybody sees the new tables of a projector.
    Swapped(&'static str),
}

/// What became of the tables of a projector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectorOutcome {
    /// Where the rebuilt tables are, or the compared ones.
    pub checkpoint: ProjectorPosition,
    /// How the live ones differed; `None`: they were of another version or behind, and could not be
    /// compared.
    pub differences: Option<Differences>,
}

/// A rebuild or a check that can begin: nobody else is at it.
pub struct Replay<'a> {
    store: &'a Arc<dyn EventStore>,
    read_db: &'a ReadDb,
    scratch: Scratch,
    /// In the order in which they are done.
    names: Vec<&'static str>,
    batch: usize,
    /// Events folded by this run.
    events: u64,
}

/// The projectors with these names; all of them when there are no names.
///
/// # Errors
/// One sentence that lists those there are.
pub fn projectors_named(names: &[String]) -> anyhow::Result<Vec<&'static str>> {
    let known: Vec<_> = projectors().iter().map(|projector| projector.name()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        anyhow::bail!("there is no projection {unknown}: the ones there are: {}", known.join(", "));
    }
    let wanted = |name: &&str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    Ok(known.into_iter().filter(wanted).collect())
}

impl<'a> Replay<'a> {
    /// Opens the scratch tables of these projectors. `batch` is how many events are applied in one
    /// transaction, [`BATCH`] usually.
    ///
    /// # Errors
    /// [`RebuildError::UnderWay`], [`RebuildError::AnotherLog`], and when log or tables do not answer.
    pub async fn open(
        store: &'a Arc<dyn EventStore>,
        read_db: &'a ReadDb,
        purpose: Purpose,
        names: &[&'static str],
        batch: usize,
    ) -> Result<Self, RebuildError> {
        let scratch = read_db.scratch(purpose, names).await?;
        let mut live = read_db.positions().await?;
        live.retain(|checkpoint| names.contains(&checkpoint.projector));
        // Ascending: so the scratch tables, which move together, are never further than what is
        // compared next.
        live.sort_by_key(|checkpoint| checkpoint.position);
        if let Some(foreign) = first_foreign(store, &live).await? {
            return Err(RebuildError::AnotherLog(foreign));
        }
        // Of another log, or of one that was cut: nothing to go on with.
        if first_foreign(store, &scratch.positions().await?).await?.is_some() {
            scratch.reset().await?;
        }
        let names = live.iter().map(|checkpoint| checkpoint.projector).collect();
        Ok(Self { store, read_db, scratch, names, batch, events: 0 })
    }

    /// The last event that an earlier run has folded.
    ///
    /// # Errors
    /// When the tables do not answer.
    pub async fn resume_position(&self) -> Result<Position, RebuildError> {
        let checkpoints = self.scratch.positions().await?;
        Ok(ProjectorPosition::lowest(&checkpoints))
    }

    /// Folds, compares, catches up, swaps, and removes what is no longer needed.
    ///
    /// # Errors
    /// The tables of a projector are then all as they were or all new.
    pub async fn rebuild(
        mut self,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Vec<ProjectorOutcome>, RebuildError> {
        let mut outcomes = self.compare_all(watch).await?;
        self.catch_up(watch).await?;
        for outcome in &mut outcomes {
            outcome.checkpoint = self.swap(outcome.checkpoint.projector, watch).await?;
        }
        self.scratch.clear().await?;
        Ok(outcomes)
    }

    /// Folds exactly up to where the live tables are, and compares. Changes nothing.
    ///
    /// # Errors
    /// When log or tables do not answer, or an event is unknown.
    pub async fn check(
        mut self,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Vec<ProjectorOutcome>, RebuildError> {
        let outcomes = self.compare_all(watch).await?;
        self.scratch.clear().await?;
        Ok(outcomes)
    }

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

    async fn compare(
        &mut self,
        name: &'static str,
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<ProjectorOutcome, RebuildError> {
        if self.read_db.outdated().await?.contains(&name) {
            return Ok(ProjectorOutcome { checkpoint: self.live(name).await?, differences: None });
        }
        for _ in 0..MAX_ROUNDS {
            let live = self.live(name).await?.position;
            if self.fold(live, watch).await? <= self.batch as u64 {
                break;
            }
        }
        // Live and scratch tables at one position, both in view.
        let held = self.hold(name, watch).await?;
        let same = self.scratch.position(name).await? == held.live;
        let comparison = if same { Some(self.scratch.compare().await?) } else { None };
        let checkpoint = held.live;
        drop(held);
        let mut outcome = ProjectorOutcome { checkpoint, differences: None };
        if let Some(comparison) = comparison {
            watch(Step::Comparing(name));
            outcome.differences = Some(self.scratch.differences(comparison, name).await?);
        }
        Ok(outcome)
    }

    /// Runs after the log until hardly anything is left.
    async fn catch_up(&mut self, watch: &mut (dyn FnMut(Step) + Send)) -> Result<(), RebuildError> {
        for _ in 0..MAX_ROUNDS {
            let head = self.store.head().await?;
            if self.fold(head, watch).await? <= self.batch as u64 {
                break;
            }
        }
        Ok(())
    }

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

    /// Holds the live tables, the scratch tables being no less far.
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

    async fn live(&self, name: &'static str) -> Result<ProjectorPosition, RebuildError> {
        let mut all = self.read_db.positions().await?.into_iter();
        let live = all.find(|checkpoint| checkpoint.projector == name);
        live.ok_or_else(|| ProjectError::TablesMoved(name).into())
    }

    /// Folds up to `head`; how many events that were.
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

/// The first that is not of this log: whose event is not where it says.
pub(crate) async fn first_foreign(
    store: &Arc<dyn EventStore>,
    checkpoints: &[ProjectorPosition],
) -> Result<Option<&'static str>, StoreError> {
    for checkpoint in checkpoints.iter().filter(|checkpoint| checkpoint.position > 0) {
        if store.event_at(checkpoint.position).await? != checkpoint.event_id {
            return Ok(Some(checkpoint.projector));
        }
    }
    Ok(None)
}
