//! What others wrote into streams of whence, or did to them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use whence_events::StreamId;

use crate::store::{ForeignEvent, PostgresVault, StoreError};

/// The most streams that are remembered: a neighbour can name as many as there are ids.
const MAX_STREAMS: usize = 100_000;

/// The first foreign event of each stream that has one.
#[derive(Default)]
pub(super) struct ForeignEvents {
    noted: Mutex<Noted>,
    /// Wakes the task that stores what is noted.
    more: Notify,
}

#[derive(Default)]
struct Noted {
    first: HashMap<StreamId, ForeignEvent>,
    /// Those that the vault does not have yet.
    unsaved: Vec<ForeignEvent>,
}

impl ForeignEvents {
    /// Remembers what earlier processes found.
    pub(super) fn remember(&self, found: Vec<ForeignEvent>) {
        let mut all = self.lock();
        all.first.extend(found.into_iter().map(|event| (event.stream.clone(), event)));
    }

    /// Takes note of a foreign event, and logs the first one of a stream.
    pub(super) fn note(&self, event: ForeignEvent) {
        let mut found = self.lock();
        // An append that was refused knows no position; the log has it.
        let is_known = |known: &ForeignEvent| known.position > 0 || event.position == 0;
        if found.first.get(&event.stream).map_or(found.first.len() >= MAX_STREAMS, is_known) {
            return;
        }
        tracing::error!(
            stream = %event.stream,
            position = event.position,
            found = event.found,
            "the log holds what whence did not write: commands on this stream are refused"
        );
        found.unsaved.push(event.clone());
        found.first.insert(event.stream.clone(), event);
        self.more.notify_one();
    }

    /// Waits until something was noted since the last time.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    /// Returns the first foreign event of a stream.
    pub(super) fn in_stream(&self, stream: &StreamId) -> Option<ForeignEvent> {
        self.lock().first.get(stream).cloned()
    }

    /// Returns the first foreign event of each stream that has one, in the order of the log.
    pub(super) fn all(&self) -> Vec<ForeignEvent> {
        let mut all: Vec<_> = self.lock().first.values().cloned().collect();
        all.sort_by_key(|event| event.position);
        all
    }

    /// Stores what was found since the last call, so that the next process knows it at its start.
    pub(super) async fn save(&self, vault: &PostgresVault) -> Result<(), StoreError> {
        let unsaved = std::mem::take(&mut self.lock().unsaved);
        for (number, event) in unsaved.iter().enumerate() {
            if let Err(error) = vault.note_foreign(event).await {
                self.lock().unsaved.extend_from_slice(&unsaved[number..]);
                return Err(error);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
