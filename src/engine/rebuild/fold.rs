//! Folds the log into scratch tables: the next batch is read while one is applied.

use std::sync::Arc;

use whence_events::Position;
use whence_projections::{ProjectorPosition, Scratch};

use super::RebuildError;
use crate::engine::log_pages::read_ahead;
use crate::store::EventStore;

/// The batches that are read before they are applied.
const READ_AHEAD: usize = 1;

/// A fold of a part of the log into scratch tables.
pub(super) struct Fold<'a> {
    pub(super) store: &'a Arc<dyn EventStore>,
    pub(super) scratch: &'a Scratch,
    /// The position of the last event to fold.
    pub(super) head: Position,
    /// The number of events that are applied in one transaction.
    pub(super) batch: usize,
}

impl Fold<'_> {
    /// Folds the events that the scratch tables lack and returns how many there were. `watch` is
    /// called after each batch, with the position and the number of events so far.
    pub(super) async fn run(
        &self,
        watch: &mut (dyn FnMut(Position, u64) + Send),
    ) -> Result<u64, RebuildError> {
        let positions = self.scratch.positions().await?;
        let (mut after, mut events) = (ProjectorPosition::lowest(&positions), 0);
        if after >= self.head {
            return Ok(0);
        }
        let mut batches = read_ahead(self.store.clone(), after, self.head, self.batch, READ_AHEAD);
        while let Some(batch) = batches.recv().await {
            let batch = batch?;
            self.scratch.apply_after(after, &batch).await?;
            after = batch.last().map_or(after, |event| event.position);
            events += batch.len() as u64;
            watch(after, events);
        }
        Ok(events)
    }
}
