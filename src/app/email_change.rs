//! Moves an account to another e-mail address, in steps each of which may be repeated.
//!
//! 1. The new mailbox: the right code proves it, and it belongs to the user from then on. One stream
//!    decides, so an address has one owner.
//! 2. The stream of the user: the account has the address.
//! 3. The old mailbox: it is held, so that nobody else can have it and its owner can object.
//! 4. A mail to the old address, with the way to object.
//! 5. Once the time for objections is over, the old mailbox is released, and its key destroyed.
//!
//! What a crash interrupts is found by the read model of pending work, and completed by
//! [`settle`], which brings every address of a user into the state that their stream asks for.

use std::time::Duration;

use whence_events::{
    DeliveryFailure, EmailAddress, EmailKey, SessionId, StreamId, Timestamp, UserId,
};

use crate::app::App;
use crate::app::sessions::Session;
use crate::domain::mailbox::{Mailbox, MailboxCommand, MailboxRejection};
use crate::domain::user::address::{ChangeEmail, OBJECTION_TIME, OpenChange, UndoEmailChange};
use crate::domain::user::{User, UserCommand, UserRejection, ended_sessions};
use crate::engine::handler::{Context, HandleError};
use crate::infra::errors::with_causes;
use crate::infra::mail::Mail;
use crate::infra::tokens::ObjectionToken;
use crate::store::StoreError;

/// The addresses of one sweep.
const SWEEP_SIZE: u64 = 100;

/// How long an address is left alone that a change has just claimed.
const CLAIM_TIME: Duration = Duration::from_mins(1);

/// Who asks for a change whose address is claimed, and since when it is.
#[derive(Clone, Copy)]
struct Claim {
    session_id: Option<SessionId>,
    claimed_at: Timestamp,
}

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
        let by = Claim { session_id: Some(session.session_id), claimed_at: now };
        let result = self.change_address(user_id, email, by, now, context).await;
        // Also when the user rejected it: then the address that was claimed is released.
        self.settle(user_id, None, now, context).await.map_err(HandleError::Store)?;
        result
    }

    /// Takes step 2.
    async fn change_address(
        &self,
        user_id: UserId,
        email: &EmailAddress,
        claim: Claim,
        now: Timestamp,
        context: &Context,
    ) -> Result<(), HandleError<UserRejection>> {
        let stream = StreamId::User(user_id);
        let user = self.engine.handler.load::<User>(&stream).await.map_err(HandleError::Store)?;
        let account = user.state.account.as_ref();
        let account = account.ok_or(HandleError::Rejected(UserRejection::NotRegistered))?;
        let objection_until = now + OBJECTION_TIME;
        let keys = &self.engine.keys;
        let token = ObjectionToken::of(user_id, account.email_key, objection_until, keys);
        let command = UserCommand::ChangeEmail(ChangeEmail {
            now,
            session_id: claim.session_id,
            claimed_at: claim.claimed_at,
            email: email.clone(),
            email_key: keys.email_key(email),
            objection_until,
            objection_hash: token.hash(),
        });
        let done = self.engine.handler.run::<User>(&stream, &command, context).await?;
        self.progress.wait_for(done.position).await;
        Ok(())
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
        let email = self.address_in(change.previous_key).await.map_err(HandleError::Store)?;
        let email = email.ok_or_else(none)?;
        let undo = UserCommand::UndoEmailChange(UndoEmailChange { now, objection_hash, email });
        let done = self.engine.handler.run::<User>(&stream, &undo, context).await?;
        self.ended(&ended_sessions(&done.events), done.position).await;
        self.settle(user_id, None, now, context).await.map_err(HandleError::Store)
    }

    /// Returns the address of a mailbox, as its last login wrote it.
    async fn address_in(&self, email_key: EmailKey) -> Result<Option<EmailAddress>, StoreError> {
        let stream = StreamId::Mailbox(email_key);
        let mailbox = self.engine.mailbox(email_key).await?;
        let Some((email, version)) = &mailbox.email else { return Ok(None) };
        self.engine.vault.open(&stream, *version, "email", email).await
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
        let stream = StreamId::User(user_id);
        let mut user = self.engine.handler.load::<User>(&stream).await?.state;
        if let Some(email_key) = found
            && let Some((email, claimed_at)) =
                self.interrupted(&user, user_id, email_key, now).await?
        {
            let claim = Claim { session_id: None, claimed_at };
            match self.change_address(user_id, &email, claim, now, context).await {
                Ok(()) => user = self.engine.handler.load::<User>(&stream).await?.state,
                // Erased, or too many by now: the address is released below.
                Err(HandleError::Rejected(_)) => {}
                Err(HandleError::Store(error)) => return Err(error),
            }
        }
        let current = user.account.as_ref().filter(|_| !user.erased).map(|it| it.email_key);
        let account = user.account.as_ref().map(|account| account.email_key);
        let former = user.former_keys.iter().map(|(key, _)| *key);
        let mut keys: Vec<_> = former.chain(account).chain(found).collect();
        keys.sort_unstable_by_key(|key| key.0);
        keys.dedup();
        for email_key in keys {
            let held = user.open_changes(now).find(|change| change.previous_key == email_key);
            if current == Some(email_key) {
                let reclaim = MailboxCommand::Reclaim { user_id };
                self.run_mailbox(email_key, &reclaim, context).await?;
            } else if let Some(change) = held.filter(|_| !user.erased) {
                let leave = MailboxCommand::Move { user_id, held_until: change.until };
                self.run_mailbox(email_key, &leave, context).await?;
            } else {
                self.release(user_id, email_key, user.left_at(email_key), now, context).await?;
            }
        }
        for open in user.open_changes(now).filter(|it| !it.is_told && !user.erased) {
            self.tell_previous(user_id, open, now, context).await?;
        }
        Ok(())
    }

    /// Returns the address to which a user moves whose request was interrupted after step 1.
    async fn interrupted(
        &self,
        user: &User,
        user_id: UserId,
        email_key: EmailKey,
        now: Timestamp,
    ) -> Result<Option<(EmailAddress, Timestamp)>, StoreError> {
        let mailbox = self.engine.mailbox(email_key).await?;
        let Some(claimed_at) = mailbox.moved_here_at else { return Ok(None) };
        let is_late = now.since(claimed_at) >= CLAIM_TIME / 2;
        let is_known = user.left_at(email_key) >= mailbox.moved_here_at
            || user.account.as_ref().is_none_or(|account| account.email_key == email_key);
        if mailbox.owner == Some(user_id) && is_late && !is_known && !user.erased {
            Ok(self.address_in(email_key).await?.map(|email| (email, claimed_at)))
        } else {
            Ok(None)
        }
    }

    /// Takes step 5: nobody has the address from now on. The key goes first, because a released address
    /// may belong to another user a moment later, with another key.
    async fn release(
        &self,
        user_id: UserId,
        email_key: EmailKey,
        left_at: Option<Timestamp>,
        now: Timestamp,
        context: &Context,
    ) -> Result<(), StoreError> {
        let mailbox = self.engine.mailbox(email_key).await?;
        // A request is about to take step 2.
        let is_claimed = mailbox.owner == Some(user_id)
            && mailbox.moved_here_at > left_at
            && mailbox.moved_here_at.is_some_and(|at| now.since(at) < CLAIM_TIME);
        if is_claimed || !mailbox.is_kept_by(user_id) {
            return Ok(());
        }
        self.engine.vault.destroy(&StreamId::Mailbox(email_key)).await?;
        self.run_mailbox(email_key, &MailboxCommand::Release { user_id }, context).await
    }

    /// Runs a command that no mailbox rejects.
    async fn run_mailbox(
        &self,
        email_key: EmailKey,
        command: &MailboxCommand,
        context: &Context,
    ) -> Result<(), StoreError> {
        let stream = StreamId::Mailbox(email_key);
        match self.engine.handler.run::<Mailbox>(&stream, command, context).await {
            Ok(_) | Err(HandleError::<MailboxRejection>::Rejected(_)) => Ok(()),
            Err(HandleError::Store(error)) => Err(error),
        }
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
        let Some(email) = self.address_in(change.previous_key).await? else { return Ok(()) };
        let keys = &self.engine.keys;
        let token = ObjectionToken::of(user_id, change.previous_key, change.until, keys);
        let outcome = if token.hash().same_as(&change.objection_hash) {
            let path = format!("v1/auth/email/objection/{}", token.to_text());
            let mail = Mail::AddressChanged {
                site: self.config.mail.site.clone(),
                link: self.config.listening.page(&path),
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
