//! Forgets addresses that were never verified: personal data of people who may not know of this site.
//!
//! First the key is destroyed, then the log records it. A crash between the two leaves an address that
//! is still due, and the next round does both again. A user who asks for a code in between gets one
//! under a new key, and the address is not due any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use whence_events::{EmailKey, StreamId};

use crate::app::App;
use crate::app::rounds::while_writer;
use crate::domain::mailbox::{ForgetMailbox, Mailbox, MailboxCommand, MailboxRejection};
use crate::engine::handler::{Context, HandleError};
use crate::engine::progress::Progress;
use crate::infra::errors::with_causes;

/// The time between two rounds.
const ROUND_INTERVAL: Duration = Duration::from_mins(10);

/// The most addresses of one round.
const ROUND_SIZE: u64 = 1000;

/// The addresses that are forgotten at the same time, so that they share commits.
const MAX_CONCURRENT: usize = 64;

/// Forgets the addresses that are due, until the service is dropped. Only the writer does it.
pub(crate) async fn work(app: Weak<App>, progress: Arc<Progress>) {
    while_writer(app, &progress, ROUND_INTERVAL, async |app| {
        // Another round at once, as long as there are more addresses than one round takes.
        while app.forget_unverified_now().await as u64 == ROUND_SIZE {}
    })
    .await;
}

impl App {
    /// Does now what is done every few minutes anyway: forgets addresses that were not verified in
    /// time, and returns how many.
    pub async fn forget_unverified_now(&self) -> usize {
        let Some(keep) = self.config.accounts.keep_unverified else { return 0 };
        let now = self.clock.now();
        let due = match self.engine.read_db.unverified_mailboxes(now - keep, ROUND_SIZE).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the read models do not answer");
                return 0;
            }
        };
        let command = ForgetMailbox { now, keep };
        let forget = |key| async move {
            let forgotten = self.forget(key, command).await;
            forgotten.unwrap_or_else(|error| {
                tracing::warn!(error = %with_causes(&error), "an address is not forgotten yet");
                false
            })
        };
        let forgotten = futures::stream::iter(due).map(forget).buffer_unordered(MAX_CONCURRENT);
        forgotten.filter(|forgotten| std::future::ready(*forgotten)).count().await
    }

    /// Forgets an address if it is due, and returns whether it was.
    async fn forget(
        &self,
        key: EmailKey,
        command: ForgetMailbox,
    ) -> Result<bool, HandleError<MailboxRejection>> {
        let stream = StreamId::Mailbox(key);
        // The address may have been used since the row was written.
        let mailbox =
            self.engine.handler.load::<Mailbox>(&stream).await.map_err(HandleError::Store)?;
        if mailbox.state.forgettable(&command).is_none() {
            return Ok(false);
        }
        self.engine.vault.destroy(&stream).await.map_err(HandleError::Store)?;
        let forget = MailboxCommand::Forget(command);
        self.engine.handler.run::<Mailbox>(&stream, &forget, &Context::of_system(None)).await?;
        Ok(true)
    }
}
