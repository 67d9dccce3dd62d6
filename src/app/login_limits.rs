//! What is counted for a person whose address has several spellings, and what an operator clears.

use whence_events::{EmailAddress, EmailKey, MailboxEvent, RequestId, StreamId};

use crate::app::App;
use crate::domain::mailbox::{CountStart, Mailbox, MailboxCommand, MailboxRejection};
use crate::engine::handler::{Context, HandleError};

impl App {
    /// Returns the name of the address by which a person is known, when `email` is another spelling of
    /// it: one with a tag, or with dots that the provider ignores.
    fn person_of(&self, email: &EmailAddress) -> Option<EmailKey> {
        let person = EmailAddress::parse(&email.person()).ok()?;
        (person != *email).then(|| self.engine.keys.email_key(&person))
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

    /// Clears what devices that are not known have used up at an address: wrong codes, waits, the lock,
    /// and the codes of the hour. Returns whether there was anything to clear.
    pub async fn clear_lock(
        &self,
        email: &EmailAddress,
        reason: &str,
        context: &Context,
    ) -> Result<bool, HandleError<MailboxRejection>> {
        let clear = MailboxCommand::ClearLock { reason: reason.to_owned() };
        let address = self.engine.keys.email_key(email);
        let mut cleared = false;
        for key in [Some(address), self.person_of(email)].into_iter().flatten() {
            let stream = StreamId::Mailbox(key);
            let done = self.engine.handler.run::<Mailbox>(&stream, &clear, context).await?;
            cleared |= !done.events.is_empty();
        }
        Ok(cleared)
    }
}
