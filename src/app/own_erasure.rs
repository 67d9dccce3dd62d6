//! Erases the users who asked for it, once their grace time is over, and completes every erasure that
//! was interrupted, whoever asked for it.
//!
//! The stream of the user decides between the sweep and a user who withdraws at the same moment. After
//! its first step an erasure cannot be withdrawn, and is due again until the last one is on record.

use std::sync::{Arc, Weak};
use std::time::Duration;

use whence_events::{StreamId, Timestamp, UserId};

use super::erasure::{EraseError, Subject};
use super::sessions;
use crate::app::App;
use crate::app::rounds::while_writer;
use crate::domain::user::{ErasureRequest, User, UserCommand, UserRejection};
use crate::engine::handler::{Context, HandleError};
use crate::engine::progress::Progress;
use crate::infra::errors::with_causes;
use crate::infra::mail::Mail;

/// The time between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// The users of one sweep.
const SWEEP_SIZE: u64 = 500;

/// Erases the users that are due, until the service is dropped. Only the writer does it.
pub(crate) async fn work(app: Weak<App>, progress: Arc<Progress>) {
    while_writer(app, &progress, SWEEP_INTERVAL, async |app| {
        app.erase_due_now().await;
    })
    .await;
}

impl App {
    /// Records that a user asks to be erased, and mails them when it is done and how to undo it. A
    /// request that stands is answered as it is, without another mail.
    pub(crate) async fn request_erasure(
        &self,
        user: &sessions::User,
        now: Timestamp,
        context: &Context,
    ) -> Result<Option<ErasureRequest>, HandleError<UserRejection>> {
        let stream = StreamId::User(user.user_id);
        let ask = UserCommand::RequestErasure { now, grace: self.config.accounts.erasure_grace };
        let done = self.engine.handler.run::<User>(&stream, &ask, context).await?;
        self.progress.wait_for(done.position).await;
        let request = done.state.erasure;
        if let Some(request) = request.filter(|_| !done.events.is_empty()) {
            self.announce_erasure(user, request, now).await;
        }
        Ok(request)
    }

    /// Records that a user does not want to be erased any more, if they did.
    pub(crate) async fn cancel_erasure(
        &self,
        user_id: UserId,
        context: &Context,
    ) -> Result<(), HandleError<UserRejection>> {
        let stream = StreamId::User(user_id);
        let cancel = UserCommand::CancelErasure;
        let done = self.engine.handler.run::<User>(&stream, &cancel, context).await?;
        self.progress.wait_for(done.position).await;
        Ok(())
    }

    /// Returns the request of a user to be erased that stands.
    pub(crate) async fn erasure_request(
        &self,
        user_id: UserId,
    ) -> Result<Option<ErasureRequest>, HandleError<UserRejection>> {
        let user = self.engine.handler.load::<User>(&StreamId::User(user_id)).await;
        Ok(user.map_err(HandleError::Store)?.state.erasure)
    }

    /// Does now what is done every few seconds anyway: erases the users whose grace time is over,
    /// completes erasures that were interrupted, and returns how many.
    pub async fn erase_due_now(&self) -> usize {
        let due = match self.engine.read_db.due_erasures(self.clock.now(), SWEEP_SIZE).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the read models do not answer");
                return 0;
            }
        };
        let mut erased = 0;
        for user_id in due {
            match self.erase_if_due(user_id).await {
                Ok(done) => erased += usize::from(done),
                Err(error) => {
                    tracing::warn!(error = %with_causes(&error), "an erasure is not complete yet");
                }
            }
        }
        erased
    }

    /// Erases a user who asked for it if the grace time is over, or completes their erasure, and returns
    /// whether it did.
    pub(crate) async fn erase_if_due(&self, user_id: UserId) -> Result<bool, EraseError> {
        let stream = StreamId::User(user_id);
        let context = Context::of_system(None);
        let erase = UserCommand::EraseIfDue { now: self.clock.now() };
        match self.engine.handler.run::<User>(&stream, &erase, &context).await {
            // The row is older than a withdrawal.
            Ok(done) if !done.state.erased => return Ok(false),
            Ok(_) | Err(HandleError::Rejected(UserRejection::Erased)) => {}
            Err(HandleError::Rejected(_)) => return Ok(false),
            Err(HandleError::Store(error)) => return Err(error.into()),
        }
        Box::pin(self.erase(Subject { user_id, email_key: None }, &context)).await?;
        Ok(true)
    }

    /// Mails that a user is going to be erased. The request stands whether or not the mail goes out: it
    /// is on record, and the account says it to everyone who logs in.
    async fn announce_erasure(
        &self,
        user: &sessions::User,
        request: ErasureRequest,
        now: Timestamp,
    ) {
        if request.due_at <= now {
            return;
        }
        if self.mail_budget.take(false, now).is_err() {
            tracing::warn!("the mails of the hour are used up: an erasure is not announced");
            return;
        }
        let mail = Mail::ErasureRequested {
            site: self.config.mail.site.clone(),
            due: day(request.due_at),
        };
        if let Err(error) = self.mailer.send(&user.email, &mail).await {
            if error.certainly_not_sent() {
                self.mail_budget.give_back();
            }
            tracing::warn!(%error, "an erasure is not announced");
        }
    }
}

/// Returns a time in words: the day and the minute, in UTC.
fn day(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} at {minute} UTC"),
        _ => text,
    }
}
