//! The bounded queue between landings and the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::domain::touch::RecordedTouch;

/// Where touches go to be recorded. Clones share one queue.
#[derive(Clone, Debug)]
pub struct TouchRecorder {
    queue: mpsc::Sender<RecordedTouch>,
    lost: Arc<AtomicU64>,
}

impl TouchRecorder {
    /// A queue for at most `capacity` touches (at least one), and its receiving side.
    #[must_use]
    pub fn bounded(capacity: usize) -> (Self, mpsc::Receiver<RecordedTouch>) {
        let (queue, receiver) = mpsc::channel(capacity.max(1));
        let lost = Arc::default();
        (Self { queue, lost }, receiver)
    }

    /// How many touches found the queue full, nobody listening, or their client over its limit.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Hands a touch over, or counts it as lost: a landing never waits for the log, and its cookies
    /// carry all that attribution needs.
    pub fn record(&self, touch: RecordedTouch) {
        if self.queue.try_send(touch).is_err() {
            self.lose();
        }
    }

    /// Counts a touch as lost.
    pub(super) fn lose(&self) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        // At 1, 2, 4, 8, ...: an overload must not become a flood of its own.
        if lost.is_power_of_two() {
            tracing::warn!(lost, "touches were not recorded: too many at once, or of one client");
        }
    }
}
