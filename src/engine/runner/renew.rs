//! Rebuilds the read models that are of another version while they keep answering.

use tokio::sync::broadcast;
use whence_projections::Purpose;

use super::{Observer, Runner, RunnerError, TailClosed, TailInput, WRITER_CHECK_INTERVAL, next};
use crate::engine::rebuild::{BATCH, ProjectorOutcome, RebuildError, Replay};
use crate::store::Batch;

impl<O: Observer> Runner<O> {
    /// Rebuilds the read models that are of another version, and returns whether this node is still
    /// the writer. Until then no read model gets new events, and the observer is still shown what
    /// is committed.
    pub(super) async fn renew(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
    ) -> Result<Result<bool, RunnerError>, TailClosed> {
        let outdated = match self.read_db.outdated().await {
            Ok(outdated) if outdated.is_empty() => return Ok(Ok(true)),
            Ok(outdated) => outdated,
            Err(error) => return Ok(Err(error.into())),
        };
        let names = outdated.join(", ");
        tracing::warn!("{names}: the tables are of another version and are rebuilt");
        self.progress.stop(format!("{names}: the tables are of another version and are rebuilt"));
        let rebuilding = self.observe_during(tail, Box::pin(self.rebuild(&outdated))).await?;
        if let Ok(true) = rebuilding {
            tracing::info!("{names}: the tables are rebuilt");
        }
        Ok(rebuilding)
    }

    /// Rebuilds these read models; returns false when another node has become the writer meanwhile.
    async fn rebuild(&self, names: &[&'static str]) -> Result<bool, RunnerError> {
        let Some(store) = self.store.upgrade() else { return Ok(false) };
        let rebuilding = async {
            let purpose = Purpose::Rebuild;
            let replay = Replay::open(&store, &self.read_db, purpose, names, BATCH).await?;
            let mut noted = self.progress.note_rebuild(names);
            replay.rebuild(&mut |step| noted.at(step)).await
        };
        tokio::select! {
            done = rebuilding => {
                let done: Result<Vec<ProjectorOutcome>, RebuildError> = done;
                done?;
                Ok(true)
            }
            lost = self.until_not_writer() => lost,
        }
    }

    /// Claims the writing again and again, as the writer has to lest its lock is lost, and returns
    /// when another node is the writer.
    async fn until_not_writer(&self) -> Result<bool, RunnerError> {
        loop {
            tokio::time::sleep(WRITER_CHECK_INTERVAL).await;
            if !self.read_db.claim_writer().await? {
                return Ok(false);
            }
        }
    }

    /// Shows the observer what is committed while `work` runs, and returns the output of `work`.
    pub(super) async fn observe_during<F: Future>(
        &self,
        tail: &mut broadcast::Receiver<Batch>,
        work: F,
    ) -> Result<F::Output, TailClosed> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                input = next(tail) => match input? {
                    TailInput::Events { events, .. } => self.observer.committed(&events),
                    TailInput::Lagged => self.observer.lost(),
                    TailInput::Idle => {}
                },
                done = &mut work => return Ok(done),
            }
        }
    }
}
