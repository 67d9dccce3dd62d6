//! Records on which days keys are used, in the background: no request waits for it, and a use that is
//! lost does no harm, because the next one makes another.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use whence_events::{Actor, ApiKeyId, CorrelationId, StreamId, Timestamp};

use crate::app::App;
use crate::domain::api_key::{ApiKey, ApiKeyCommand};
use crate::engine::handler::{Context, HandleError};
use crate::infra::errors::with_causes;

/// The uses that may wait to be recorded; those that come past that are recorded by a later request.
const MAX_QUEUED: usize = 1000;

/// How long recording pauses when the store does not answer: every request would queue a use again.
const PAUSE: Duration = Duration::from_secs(1);

/// Notices the first use of a key on a day, and queues it.
pub(crate) struct ApiKeyUsage {
    queue: mpsc::Sender<KeyUse>,
    /// The keys of which a use waits.
    waiting: Mutex<HashSet<ApiKeyId>>,
}

/// A use of a key that is to be recorded.
pub(crate) struct KeyUse {
    id: ApiKeyId,
    at: Timestamp,
    request_id: CorrelationId,
}

impl ApiKeyUsage {
    /// Returns what notices uses, and the receiving side of its queue.
    pub(crate) fn bounded() -> (Self, mpsc::Receiver<KeyUse>) {
        let (queue, receiver) = mpsc::channel(MAX_QUEUED);
        (Self { queue, waiting: Mutex::default() }, receiver)
    }

    /// Takes note that a request used a key.
    pub(crate) fn used(
        &self,
        id: ApiKeyId,
        key: &ApiKey,
        at: Timestamp,
        request_id: CorrelationId,
    ) {
        if !key.is_first_use(at) || !self.waiting().insert(id) {
            return;
        }
        if self.queue.try_send(KeyUse { id, at, request_id }).is_err() {
            self.waiting().remove(&id);
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashSet<ApiKeyId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records the uses of the queue, until the service is dropped.
pub(crate) async fn work(app: Weak<App>, mut queue: mpsc::Receiver<KeyUse>) {
    while let Some(noted) = queue.recv().await {
        let Some(app) = app.upgrade() else { return };
        let id = noted.id;
        let is_answered = record(&app, noted).await;
        // Also when another node was faster, whose event may not have come here yet.
        app.api_keys.forget(id);
        app.api_key_usage.waiting().remove(&id);
        drop(app);
        if !is_answered {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Records a use, unless the day has one already, and returns whether the store answered.
async fn record(app: &App, KeyUse { id, at, request_id }: KeyUse) -> bool {
    let context = Context::of_request(request_id, Actor::ApiKey(id));
    let command = ApiKeyCommand::NoteUse { now: at };
    match app.engine.handler.run::<ApiKey>(&StreamId::ApiKey(id), &command, &context).await {
        // A key that was revoked meanwhile is used no more.
        Ok(_) | Err(HandleError::Rejected(_)) => true,
        Err(HandleError::Store(error)) => {
            tracing::warn!(error = %with_causes(&error), "the use of an API key was not recorded");
            false
        }
    }
}
