//! Records that sessions are used, in the background: no request waits for it, and the loss of a record
//! does no harm, because the next use makes another.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use whence_events::{Actor, CorrelationId, StreamId, Timestamp};

use crate::app::App;
use crate::app::sessions::Session;
use crate::domain::user::activity::ActivityPeriod;
use crate::domain::user::{User, UserCommand};
use crate::engine::handler::{Context, HandleError};
use crate::infra::errors::with_causes;

/// The uses that may wait to be recorded; those that come past that are recorded by a later request.
const MAX_QUEUED: usize = 10_000;

/// The uses that are recorded at the same time, so that they share commits.
const MAX_BATCH: usize = 64;

/// How long recording pauses when the store does not answer: every request would queue a use again.
const PAUSE: Duration = Duration::from_secs(1);

/// Notices which sessions are used, and queues what has to be recorded.
pub struct SessionActivity {
    period: ActivityPeriod,
    queue: mpsc::Sender<SessionUse>,
}

/// A use of a session that is to be recorded.
pub(super) struct SessionUse {
    session: Arc<Session>,
    at: Timestamp,
    request_id: CorrelationId,
}

impl SessionActivity {
    /// Returns what notices uses, and the receiving side of its queue.
    pub(super) fn bounded(period: ActivityPeriod) -> (Self, mpsc::Receiver<SessionUse>) {
        let (queue, receiver) = mpsc::channel(MAX_QUEUED);
        (Self { period, queue }, receiver)
    }

    /// Takes note that a request used a session. It costs a comparison, and once in a period a place
    /// in the queue.
    pub(crate) fn used(&self, session: &Arc<Session>, now: Timestamp, request_id: CorrelationId) {
        let due = self.period.is_due(session.times(), now);
        if !due || session.use_is_queued.swap(true, Ordering::Relaxed) {
            return;
        }
        let noted = SessionUse { session: session.clone(), at: now, request_id };
        if self.queue.try_send(noted).is_err() {
            session.use_is_queued.store(false, Ordering::Relaxed);
        }
    }

    /// Returns until when the cookies of a browser that uses a session are to last, when it has to get
    /// them anew: once in a period, and once more when this node does not remember.
    pub(crate) fn renewed_cookies(&self, session: &Session, now: Timestamp) -> Option<Timestamp> {
        let start = self.period.start(now).as_micros();
        if session.cookies_at.load(Ordering::Relaxed) >= start {
            return None;
        }
        session.cookies_at.store(now.as_micros(), Ordering::Relaxed);
        Some(session.times().after_use(now))
    }
}

/// Records the uses of the queue, until the service is dropped.
pub(super) async fn work(app: Weak<App>, mut queue: mpsc::Receiver<SessionUse>) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    while queue.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        let Some(app) = app.upgrade() else { return };
        let recorded = waiting.drain(..).map(|noted| record(&app, noted));
        let failed = futures::future::join_all(recorded).await.into_iter().any(|done| !done);
        drop(app);
        if failed {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Records a use, and returns whether the store answered.
async fn record(app: &App, SessionUse { session, at, request_id }: SessionUse) -> bool {
    let (session_id, period) = (session.session_id, app.activity.period);
    let command = UserCommand::ExtendSession { now: at, session_id, period };
    let context = Context::of_request(request_id, Actor::Owner);
    let stream = StreamId::User(session.user.user_id);
    match app.engine.handler.run::<User>(&stream, &command, &context).await {
        // The cache is told of the event when the read models have it.
        Ok(done) if !done.events.is_empty() => true,
        // Another node was faster, or the session ended meanwhile.
        Ok(_) | Err(HandleError::Rejected(_)) => {
            session.use_is_queued.store(false, Ordering::Relaxed);
            true
        }
        Err(HandleError::Store(error)) => {
            tracing::warn!(error = %with_causes(&error), "the use of a session was not recorded");
            session.use_is_queued.store(false, Ordering::Relaxed);
            false
        }
    }
}
