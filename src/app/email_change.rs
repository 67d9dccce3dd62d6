//! Moves an account to another e-mail address, in steps each of which may be repeated.
//!
//! 1. The new mailbox: the right code proves it, or an operator gives it, and it belongs to the user
//!    from then on. One stream decides, so an address has one owner.
//! 2. The stream of the user: the account has the address. When an operator moves it, all sessions end.
//! 3. The old mailbox: it is held, so that nobody else can have it and its owner can object.
//! 4. A mail to the old address, with the way to object.
//! 5. Once the time for objections is over, the old mailbox is released, and its key destroyed.
//!
//! What a crash interrupts is found by the read model of pending work, and completed by
//! [`App::settle`], which brings every address of a user into the state that their stream asks for.

mod by_operator;
mod steps;

use whence_events::{DeliveryFailure, EmailAddress, EmailKey, StreamId, Timestamp, UserId};

pub(crate) use by_operator::{AddressMove, MoveError, WantedMove, move_address};
use steps::{Claim, address_in, change_address, settle_mailboxes};

use crate::app::App;
use crate::app::sessions::Session;
use crate::domain::user::address::{OBJECTION_TIME, OpenChange, UndoEmailChange};
use crate::domain::user::{User, UserCommand, UserRejection, ended_sessions};
use crate::engine::handler::{Context, HandleError};
use crate::infra::errors::with_causes;
use crate::infra::mail::Mail;
use crate::infra::tokens::ObjectionToken;
use crate::store::StoreError;

/// The addresses of one sweep.
const SWEEP_SIZE: u64 = 100;

impl App {
    /// Moves an account to an address that belongs to the user by now (steps 2 to 4).
    pub(crate) async fn move_account(
        &self,
        session: &Session,
        email: &EmailAddress,
        now: Timestamp,
        context: &Context,
    ) -> Result<(), HandleError<UserRejection>> {
        let user_id = session.user.user_id;
        let session_id = Some(session.session_id);
        let by = Claim { session_id, claimed_at: None, reason: None };
        let result = change_address(&self.engine, user_id, email, by, now, context).await;
        if let Ok(done) = &result {
            self.progress.wait_for(done.position).await;
        }
        // Also when the user rejected it: then the address that was claimed is released.
        self.settle(user_id, None, now, context).await.map_err(HandleError::Store)?;
        result.map(drop)
    }

    /// Undoes a change, as the owner of the previous address wants. Returns that address.
    pub(crate) async fn object(
        &self,
        token: ObjectionToken,
        now: Timestamp,
        context: &Context,
    ) -> Result<(), HandleError<UserRejection>> {
        let none = || HandleError::Rejected(UserRejection::NoSuchChange);
        let (user_id, objection_hash) = (token.user_id, token.hash());
        let stream = StreamId::User(user_id);
        let user = self.engine.handler.load::<User>(&stream).await.map_err(HandleError::Store)?;
        let change = user.state.change_of_token(objection_hash, now).ok_or_else(none)?;
        let email =
            address_in(&self.engine, change.previous_key).await.map_err(HandleError::Store)?;
        let email = email.ok_or_else(none)?;
        let undo = UserCommand::UndoEmailChange(UndoEmailChange { now, objection_hash, email });
        let done = self.engine.handler.run::<User>(&stream, &undo, context).await?;
        self.ended(&ended_sessions(&done.events), done.position).await;
        self.settle(user_id, None, now, context).await.map_err(HandleError::Store)
    }

    /// Brings every address of a user into the state that their stream asks for, the one of `found`
    /// among them; tells previous addresses of changes.
    pub(crate) async fn settle(
        &self,
        user_id: UserId,
        found: Option<EmailKey>,
        now: Timestamp,
        context: &Context,
    ) -> Result<(), StoreError> {
        let user = settle_mailboxes(&self.engine, user_id, found, now, context).await?;
        for open in user.open_changes(now).filter(|it| !it.is_told && !user.erased) {
            self.tell_previous(user_id, open, now, context).await?;
        }
        Ok(())
    }

    /// Takes step 4, and records how that went. A crash in between sends the mail again, under the same
    /// Message-ID.
    async fn tell_previous(
        &self,
        user_id: UserId,
        change: &OpenChange,
        now: Timestamp,
        context: &Context,
    ) -> Result<(), StoreError> {
        let Some(email) = address_in(&self.engine, change.previous_key).await? else {
            return Ok(());
        };
        let keys = &self.engine.keys;
        let token = ObjectionToken::of(user_id, change.previous_key, change.until, keys);
        let outcome = if token.hash().same_as(&change.objection_hash) {
            let path = format!("v1/auth/email/objection/{}", token.to_text());
            let mail = Mail::AddressChanged {
                site: self.config.mail.site.clone(),
                link: self.config.listening.page(&path),
                by_operator: change.by_operator,
                hours: u32::try_from(OBJECTION_TIME.as_secs() / 3600).unwrap_or(72),
                reference: format!("{user_id}.{}", change.previous_key),
            };
            self.mailer.send(&email, &mail).await
        } else {
            // It was made with a key that this service does not have.
            Err(DeliveryFailure::Local)
        };
        let previous_key = change.previous_key;
        let record = UserCommand::RecordChangeNotice { now, previous_key, outcome };
        match self.run_user(user_id, &record, context).await {
            Ok(_) | Err(HandleError::Rejected(_)) => Ok(()),
            Err(HandleError::Store(error)) => Err(error),
        }
    }

    /// Completes the changes of address that have to be looked at.
    pub(crate) async fn sweep_addresses(&self) {
        let now = self.clock.now();
        let due = match self.engine.read_db.due_addresses(now, SWEEP_SIZE).await {
            Ok(due) => due,
            Err(error) => return tracing::error!(%error, "the read models do not answer"),
        };
        let context = Context::of_system(None);
        for due in due {
            let settled = self.settle(due.user_id, Some(due.email_key), now, &context).await;
            if let Err(error) = settled {
                tracing::warn!(error = %with_causes(&error), "a change of address is not complete");
            }
        }
    }
}
