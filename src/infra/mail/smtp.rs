//! Sends mails over SMTP: few connections, which are used again, each send bounded in time.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use whence_events::DeliveryFailure;
use whence_events::EmailAddress;

use super::config::{Limits, MailConfigError};
use super::connection::{SmtpConnection, SmtpFailure};
use super::message::{self, Mail};
use super::relay::Relay;

/// How long a connection may be unused and still be used again: after longer, servers and firewalls may
/// have dropped it silently.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// A mail server and the connections to it, shared by the clones.
#[derive(Clone)]
pub struct Smtp(Arc<SmtpShared>);

/// The mail server and its connections, which all clones share.
struct SmtpShared {
    relay: Relay,
    from: Mailbox,
    send_timeout: Duration,
    /// The permits, one for each connection in use. Idle ones need none: a send takes the newest of
    /// them before it opens another, so there are never more than there were permits.
    permits: Semaphore,
    /// The unused connections, the one used last at the end.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: SmtpConnection,
    since: Instant,
}

impl Smtp {
    pub(super) fn open(
        spec: &str,
        from: Mailbox,
        limits: &Limits,
    ) -> Result<Self, MailConfigError> {
        Ok(Self(Arc::new(SmtpShared {
            relay: Relay::parse(spec, &limits.extra_roots)?,
            from,
            send_timeout: limits.send_timeout,
            permits: Semaphore::new(limits.connections.max(1)),
            idle: Mutex::default(),
        })))
    }

    /// Connects, encrypts and logs in as for a mail, and returns why that failed.
    pub(super) async fn reach(&self) -> Result<(), String> {
        let limit = self.0.send_timeout;
        match timeout(limit, SmtpConnection::open(&self.0.relay, limit / 2)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(SmtpFailure { class, cause, .. })) => {
                Err(cause.unwrap_or_else(|| class.to_string()))
            }
            Err(_) => Err("no answer in time".into()),
        }
    }

    pub(super) async fn send(&self, to: &EmailAddress, mail: &Mail) -> Result<(), DeliveryFailure> {
        let message = message::build(mail, &self.0.from, to)?;
        let (envelope, text) = (message.envelope(), message.formatted());
        let limit = self.0.send_timeout;
        let text_begun = AtomicBool::new(false);
        match timeout(limit, self.0.deliver(envelope, &text, &text_begun)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => {
                let SmtpFailure { stage, class, reply, cause } = failed;
                tracing::warn!(?stage, %class, reply, cause, "a mail was not accepted");
                Err(class)
            }
            Err(_) => {
                let class = if text_begun.load(Ordering::Relaxed) {
                    DeliveryFailure::Unconfirmed
                } else {
                    DeliveryFailure::TimedOut
                };
                tracing::warn!(?limit, %class, "a mail was not accepted in time");
                Err(class)
            }
        }
    }
}

impl SmtpShared {
    /// Delivers a mail, over an unused connection when there is one; when the server has closed that
    /// meanwhile, once more over a new one. A new one that fails is not tried again.
    async fn deliver(
        &self,
        envelope: &Envelope,
        text: &[u8],
        text_begun: &AtomicBool,
    ) -> Result<(), SmtpFailure> {
        // The semaphore is never closed, so this cannot fail.
        let _permit = self.permits.acquire().await.ok();
        if let Some(connection) = self.reuse().await {
            match self.deliver_over(connection, envelope, text, text_begun).await {
                Err(failed) if failed.went_away() => self.idle().clear(),
                outcome => return outcome,
            }
        }
        // Half the time, so that a second address of the server has a chance.
        let connection = SmtpConnection::open(&self.relay, self.send_timeout / 2).await?;
        self.deliver_over(connection, envelope, text, text_begun).await
    }

    /// Delivers a mail over a connection, and keeps the connection only when all commands on it were
    /// answered: see [`SmtpConnection`].
    async fn deliver_over(
        &self,
        mut connection: SmtpConnection,
        envelope: &Envelope,
        text: &[u8],
        text_begun: &AtomicBool,
    ) -> Result<(), SmtpFailure> {
        let outcome = connection.deliver(envelope, text, text_begun).await;
        if outcome.as_ref().map_or_else(SmtpFailure::still_connected, |()| true) {
            self.idle().push(Idle { connection, since: Instant::now() });
        }
        outcome
    }

    /// Returns the connection used last, when the server still answers on it. When it does not, the
    /// others have been silent for longer, and all are dropped.
    async fn reuse(&self) -> Option<SmtpConnection> {
        let Idle { mut connection, since } = self.idle().pop()?;
        let patience = self.send_timeout / 4;
        let usable = since.elapsed() < MAX_IDLE
            && timeout(patience, connection.reset()).await.unwrap_or(false);
        if !usable {
            self.idle().clear();
        }
        usable.then_some(connection)
    }

    /// Locks the unused connections, for single pushes and pops, never over an await.
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mail server {:?}", self.0.relay)
    }
}
