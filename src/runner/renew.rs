//! Tables of another version, rebuilt while they go on answering.

use tokio::sync::broadcast;
use whence_events::Position;
use whence_projections::Purpose;

use super::{LOOK_EVERY, Observer, Over, Progress, Runner, Trouble};
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

impl Progress {
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
    pub(crate) fn at(&self, step: Step) {
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
        let rebuilding = self.hear_during(tail, self.rebuild(&outdated)).await?;
        Ok(rebuilding.map(|done| {
            if done {
                tracing::info!("{names}: the tables are rebuilt");
            }
            done
        }))
    }

    /// Whether it is done: not when another node writes the tables by now.
    async fn rebuild(&self, names: &[&'static str]) -> Result<bool, Trouble> {
        let Some(store) = self.store.upgrade() else { return Ok(false) };
        let noted = self.progress.note_rebuild(names);
        let rebuilding = async {
            let purpose = Purpose::Rebuild;
            let replay = Replay::open(&store, &self.reads, purpose, names, BATCH).await?;
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
            if !self.reads.lead().await? {
                return Ok(false);
            }
        }
    }
}
