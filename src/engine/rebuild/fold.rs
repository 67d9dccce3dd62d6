//! The log into scratch tables: the next batch is read while one is applied.

use std::sync::Arc;

use tokio::sync::mpsc;
use whence_events::{Position, Recorded};
use whence_projections::{ProjectorPosition, Scratch};

use super::RebuildError;
use crate::store::{EventStore, StoreError};

/// Batches that were read and wait to be applied.
const READ_AHEAD: usize = 1;

pub(super) struct Fold<'a> {
    pub(super) store: &'a Arc<dyn EventStore>,
    pub(super) scratch: &'a Scratch,
    /// The last event to fold.
    pub(super) head: Position,
    pub(super) batch: usize,
}

impl Fold<'_> {
    /// Folds what lies behind the scratch tables; how many events that were. Told are position and
    /// number of events after each batch.
    pub(super) async fn run(
        &self,
        watch: &mut (dyn FnMut(Position, u64) + Send),
    ) -> Result<u64, RebuildError> {
        let checkpoints = self.scratch.positions().await?;
        let (mut after, mut events) = (ProjectorPosition::lowest(&checkpoints), 0);
        if after >= self.head {
            return Ok(0);
        }
        let (send, mut batches) = mpsc::channel(READ_AHEAD);
        tokio::spawn(read(self.store.clone(), after, self.head, self.batch, send));
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

/// Reads until `head`, or until nobody takes it any more.
async fn read(
    store: Arc<dyn EventStore>,
    mut after: Position,
    head: Position,
    limit: usize,
    batches: mpsc::Sender<Result<Vec<Recorded>, StoreError>>,
) {
    while after < head {
        let mut batch = store.read_all(after, limit).await;
        if let Ok(events) = &mut batch {
            events.truncate(events.partition_point(|event| event.position <= head));
            match events.last() {
                Some(last) => after = last.position,
                None => return,
            }
        }
        let failed = batch.is_err();
        if batches.send(batch).await.is_err() || failed {
            return;
        }
    }
}
