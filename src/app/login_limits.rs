//! What is counted for a person whose address has several spellings, and what an operator clears.

use std::fmt;

use serde::{Deserialize, Serialize};
use whence_events::{EmailAddress, EmailKey, MailboxEvent, RequestId, StreamId, UserId};

use crate::app::App;
use crate::domain::mailbox::{CountStart, Mailbox, MailboxCommand, MailboxRejection};
use crate::domain::user::User;
use crate::domain::user::measure::Reason;
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::store::StoreError;

impl App {
    /// Returns the name of the address by which a person is known, when `email` is another spelling of
    /// it: one with a tag, or with dots that the provider ignores.
    fn person_of(&self, email: &EmailAddress) -> Option<EmailKey> {
        person_key(&self.engine, email)
    }

    /// Counts a code for the person whose address this is, when it is another spelling: mails to all of
    /// them end in one mailbox. Returns whether it was counted; a rejection is that of the person.
    pub(crate) async fn count_for_person(
        &self,
        email: &EmailAddress,
        start: CountStart,
        context: &Context,
    ) -> Result<bool, HandleError<MailboxRejection>> {
        let Some(person) = self.person_of(email) else { return Ok(false) };
        let count = MailboxCommand::CountStart(start);
        let stream = StreamId::Mailbox(person);
        let done = self.engine.handler.run::<Mailbox>(&stream, &count, context).await?;
        for event in &done.events {
            if let MailboxEvent::LoginThrottled(throttled) = event {
                let until = throttled.until;
                let throttled = MailboxRejection::Throttled { until, device_id: None };
                return Err(HandleError::Rejected(throttled));
            }
        }
        Ok(true)
    }

    /// Takes back what was counted for the person whose address this is: the code did not go out, or
    /// its login ended well. When it fails, the code counts for an hour.
    pub(crate) async fn return_to_person(
        &self,
        email: &EmailAddress,
        request_id: RequestId,
        context: &Context,
    ) {
        let Some(person) = self.person_of(email) else { return };
        let give_back = MailboxCommand::ReturnStart { request_id };
        let stream = StreamId::Mailbox(person);
        if let Err(error) = self.engine.handler.run::<Mailbox>(&stream, &give_back, context).await {
            tracing::warn!(%error, "a code that does not count any more is still counted");
        }
    }

    /// Clears what devices that are not known have used up at an address. Returns whether there was
    /// anything to clear.
    pub async fn clear_lock(
        &self,
        email: &EmailAddress,
        reason: &Reason,
        context: &Context,
    ) -> Result<bool, StoreError> {
        Ok(clear_lock(&self.engine, email, reason, context).await?.changed)
    }
}

/// Returns the name of the address by which a person is known, when `email` is another spelling of it.
fn person_key(engine: &Engine, email: &EmailAddress) -> Option<EmailKey> {
    let person = EmailAddress::parse(&email.person()).ok()?;
    (person != *email).then(|| engine.keys.email_key(&person))
}

/// What an operator cleared at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlocking {
    /// Whether there was anything to clear.
    pub changed: bool,
}

/// Writes what was done in words.
impl fmt::Display for Unlocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changed {
            writeln!(f, "The address is unlocked: codes and wrong codes count from zero.")
        } else {
            writeln!(f, "There was nothing to unlock.")
        }
    }
}

/// Clears what devices that are not known have used up at an address: wrong codes, waits, the lock,
/// and the codes of the hour.
pub async fn clear_lock(
    engine: &Engine,
    email: &EmailAddress,
    reason: &Reason,
    context: &Context,
) -> Result<Unlocking, StoreError> {
    let clear = MailboxCommand::ClearLock { reason: reason.as_str().to_owned() };
    let address = engine.keys.email_key(email);
    let mut changed = false;
    for key in [Some(address), person_key(engine, email)].into_iter().flatten() {
        let stream = StreamId::Mailbox(key);
        match engine.handler.run::<Mailbox>(&stream, &clear, context).await {
            Ok(done) => changed |= !done.events.is_empty(),
            // An address without a lock is not rejected either.
            Err(HandleError::Rejected(_)) => {}
            Err(HandleError::Store(error)) => return Err(error),
        }
    }
    Ok(Unlocking { changed })
}

/// Returns the address of a user who is not erased.
pub async fn address_of(
    engine: &Engine,
    user_id: UserId,
) -> Result<Option<EmailAddress>, StoreError> {
    let stream = StreamId::User(user_id);
    let user = engine.handler.load::<User>(&stream).await?.state;
    let Some(account) = &user.account else { return Ok(None) };
    engine.vault.open(&stream, account.email_version, "email", &account.email).await
}
