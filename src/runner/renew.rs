//! Tables of another version, rebuilt while they go on answering.

use tokio::sync::broadcast;
use whence_events::Position;
use whence_projections::Purpose;

use super::{Brought, LOOK_EVERY, Observer, Over, Progress, Runner, Trouble, next};
use crate::replay::{BATCH, Outcome, RebuildError, Replay, Step};
use crate::store::Batch;

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
    pub(crate) fn note_rebuild(&self, projections: &[&'static str]) -> Noted<'_> {
        let projections = projections.to_vec();
        self.lock().rebuilding = Some(Rebuilding { projections, position: 0, head: 0, events: 0 });
        Noted(self)
    }
}

/// A rebuild that is told of.
pub(crate) struct Noted<'a>(&'a Progress);

impl Noted<'_> {
    pub(crate) fn ended(self, error: Option<String>) {
        let mut inner = self.0.lock();
        let projections = inner.rebuilding.as_ref().map(|under_way| under_way.projections.clone());
        let projections = projections.unwrap_or_default();
        inner.last_rebuild = Some(LastRebuild { projections, error });
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

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.lock().rebuilding = None;
    }
}

impl<O: Observer> Runner<O> {
    /// Makes the tables of another version anew beside them. Until they are there, all tables stand
    /// still and the caches do not. Whether this node still writes them.
    pub(super) async fn renew(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
    ) -> Result<Result<bool, Trouble>, Over> {
        let outdated = match self.reads.outdated().await {
            Ok(outdated) if outdated.is_empty() => return Ok(Ok(true)),
            Ok(outdated) => outdated,
            Err(error) => return Ok(Err(error.into())),
        };
        let names = outdated.join(", ");
        tracing::warn!("{names}: the tables are of another version and are rebuilt");
        self.progress.stop(format!("{names}: the tables are of another version and are rebuilt"));
        let rebuilding = self.hear_during(tail, Box::pin(self.rebuild(&outdated))).await?;
        if let Ok(true) = rebuilding {
            tracing::info!("{names}: the tables are rebuilt");
        }
        Ok(rebuilding)
    }

    /// Whether it is done: not when another node writes the tables by now.
    async fn rebuild(&self, names: &[&'static str]) -> Result<bool, Trouble> {
        let Some(store) = self.store.upgrade() else { return Ok(false) };
        let rebuilding = async {
            let purpose = Purpose::Rebuild;
            let replay = Replay::open(&store, &self.reads, purpose, names, BATCH).await?;
            let mut noted = self.progress.note_rebuild(names);
            replay.rebuild(&mut |step| noted.at(step)).await
        };
        tokio::select! {
            done = rebuilding => {
                let _: Vec<Outcome> = done.map_err(|error: RebuildError| Trouble::from(error))?;
                Ok(true)
            }
            lost = self.until_it_leads_no_more() => lost,
        }
    }

    /// Who writes the tables says so every now and then, or the lock is lost.
    async fn until_it_leads_no_more(&self) -> Result<bool, Trouble> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !self.reads.claim_writer().await? {
                return Ok(false);
            }
        }
    }

    /// Tells the caches what is committed while something else is done.
    pub(super) async fn hear_during<F: Future>(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
        work: F,
    ) -> Result<F::Output, Over> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                brought = next(tail) => match brought? {
                    Brought::Events { events, .. } => self.observer.committed(&events),
                    Brought::TooMuch => self.observer.lost(),
                    Brought::Nothing => {}
                },
                done = &mut work => return Ok(done),
            }
        }
    }
}
