//! Records that sessions are used, in the background: no request waits for it, and the loss of a record
//! does no harm, because the next use makes another.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
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

/// How long a service that stops waits for the uses that are queued.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Notices which sessions are used, and queues what has to be recorded.
pub struct SessionActivity {
    period: ActivityPeriod,
    queue: mpsc::Sender<Queued>,
}

/// What waits in the queue.
pub(super) enum Queued {
    /// A use to record.
    Use(SessionUse),
    /// Somebody who waits until all that was queued before is recorded.
    Flush(oneshot::Sender<()>),
}

/// A use of a session that is to be recorded.
pub(super) struct SessionUse {
    session: Arc<Session>,
    at: Timestamp,
    request_id: CorrelationId,
}

impl SessionActivity {
    /// Returns what notices uses, and the receiving side of its queue.
    pub(super) fn bounded(period: ActivityPeriod) -> (Self, mpsc::Receiver<Queued>) {
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
        match self.queue.try_send(Queued::Use(noted)) {
            // It was used, so it goes on from here, also while that is not on record yet.
            Ok(()) => session.goes_on_until(session.times().after_use(now)),
            Err(_) => session.use_is_queued.store(false, Ordering::Relaxed),
        }
    }

    /// Waits until the uses that are queued are recorded, though not for long.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let flush = async {
            if self.queue.send(Queued::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        };
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, flush).await;
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
pub(super) async fn work(app: Weak<App>, mut queue: mpsc::Receiver<Queued>) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    while queue.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        let Some(app) = app.upgrade() else { return };
        let (mut uses, mut flushes) = (Vec::new(), Vec::new());
        for queued in waiting.drain(..) {
            match queued {
                Queued::Use(noted) => uses.push(noted),
                Queued::Flush(done) => flushes.push(done),
            }
        }
        let recorded = uses.into_iter().map(|noted| record(&app, noted));
        let failed = futures::future::join_all(recorded).await.into_iter().any(|done| !done);
        drop(app);
        for done in flushes {
            let _ = done.send(());
        }
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
        // By the log, which decides, the session has ended.
        Err(HandleError::Rejected(_)) => {
            app.sessions.mark_gone(session_id);
            true
        }
        // Another node was faster.
        Ok(_) => {
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
