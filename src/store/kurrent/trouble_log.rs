//! Says in the log of a running service why there is no connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventstore::ClientSettings;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::diagnosis::diagnose;

/// How often there is a line while nothing changes.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// The lines of a link that is broken. Making them never holds up repairing the link.
#[derive(Default)]
pub(super) struct TroubleLog {
    last: Arc<Mutex<Option<LastLine>>>,
    diagnosing: Mutex<Option<AbortHandle>>,
}

struct LastLine {
    sentence: String,
    at: Instant,
}

impl TroubleLog {
    /// Asks the nodes why an attempt to connect failed, and writes a line when it is another reason
    /// than before, or when the last line was a while ago. It does not wait for the answers.
    pub(super) fn report(&self, settings: &ClientSettings, cause: String) {
        let mut diagnosing = self.diagnosing.lock().unwrap_or_else(PoisonError::into_inner);
        if diagnosing.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let (settings, last) = (settings.clone(), self.last.clone());
        let task = tokio::spawn(async move {
            let sentence = diagnose(&settings, &cause).await.in_log();
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let is_old =
                |last: &LastLine| last.sentence == sentence && last.at.elapsed() < LINE_INTERVAL;
            if !last.as_ref().is_some_and(is_old) {
                tracing::warn!(why = sentence, "no connection to KurrentDB");
                *last = Some(LastLine { sentence, at: Instant::now() });
            }
        });
        *diagnosing = Some(task.abort_handle());
    }
}

impl Drop for TroubleLog {
    fn drop(&mut self) {
        let running = self.diagnosing.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.take() {
            running.abort();
        }
    }
}
