//! One connection to a mail server, and what its failures mean.
//!
//! lettre implements the protocol. Its own pool is not used: a send that is cancelled half-way puts its
//! connection back there, and the next mail would continue the conversation of the last one, up to
//! a recipient getting the code of another. Here, a connection is owned by the send that uses it
//! and is lost with it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use whence_events::DeliveryFailure;

use super::nodelay::{self, Encrypted};
use super::relay::{Relay, Security};

/// A connection that has greeted, and encrypted and logged in as far as the relay asks for it.
pub(super) struct SmtpConnection(AsyncSmtpConnection);

/// How far the sending of a mail got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// TCP, TLS and greeting: the server knows nothing about the mail yet.
    Connect,
    /// Logging in with the user and password of this service.
    Login,
    /// Sender, recipient, and permission to begin the text.
    Envelope,
    /// The text of the mail: from here on the server may have accepted it.
    Text,
}

/// Why a mail was not accepted.
#[derive(Debug)]
pub(super) struct SmtpFailure {
    pub(super) stage: Stage,
    pub(super) class: DeliveryFailure,
    /// The reply code, when the server refused. Its text may hold addresses and is not kept.
    pub(super) reply: Option<u16>,
    /// The error of the network or of TLS, before any address or code was on the wire.
    pub(super) cause: Option<String>,
}

impl SmtpConnection {
    /// Connects, with `timeout` for each address of the server.
    pub(super) async fn open(relay: &Relay, timeout: Duration) -> Result<Self, SmtpFailure> {
        let failed = |error| SmtpFailure::new(Stage::Connect, &error);
        let hello = &relay.hello;
        let stream = nodelay::connect((relay.host.as_str(), relay.port), timeout)
            .await
            .map_err(|error| SmtpFailure::unconnected(&error))?;
        let stream: Box<dyn AsyncTokioStream> = match &relay.security {
            Security::Implicit(tls) => {
                Box::new(Encrypted::over(stream, tls.clone()).await.map_err(failed)?)
            }
            Security::Required(_) | Security::Opportunistic(_) | Security::Clear => {
                Box::new(stream)
            }
        };
        let mut connection =
            AsyncSmtpConnection::connect_with_transport(stream, hello).await.map_err(failed)?;
        match &relay.security {
            Security::Required(_) if !connection.can_starttls() => {
                return Err(SmtpFailure::without_starttls());
            }
            Security::Required(tls) | Security::Opportunistic(tls) if connection.can_starttls() => {
                connection.starttls(tls.clone(), hello).await.map_err(failed)?;
            }
            Security::Required(_)
            | Security::Opportunistic(_)
            | Security::Implicit(_)
            | Security::Clear => {}
        }
        if let Some(credentials) = &relay.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let login = connection.auth(&mechanisms, credentials).await;
            login.map_err(|error| SmtpFailure::new(Stage::Login, &error))?;
        }
        Ok(Self(connection))
    }

    /// Resets what an earlier mail left unfinished, and returns whether the server still answers.
    pub(super) async fn reset(&mut self) -> bool {
        self.0.command(Rset).await.is_ok()
    }

    /// Hands one mail over to the server. `text_begun` is set before the first byte of the text leaves:
    /// until then the server certainly has not accepted the mail.
    pub(super) async fn deliver(
        &mut self,
        envelope: &Envelope,
        text: &[u8],
        text_begun: &AtomicBool,
    ) -> Result<(), SmtpFailure> {
        let sender = envelope.from().cloned();
        self.say(Mail::new(sender, self.parameters(envelope)?), 250).await?;
        for recipient in envelope.to() {
            self.say(Rcpt::new(recipient.clone(), vec![]), 25).await?;
        }
        self.say(Data, 354).await?;
        text_begun.store(true, Ordering::Relaxed);
        let answer = self.0.message(text).await;
        expect(250, answer, Stage::Text)
    }

    /// Returns what the server has to be told of an envelope with letters outside of ASCII (RFC 6531,
    /// section 3.4); the failure is that it does not take such an envelope.
    fn parameters(&self, envelope: &Envelope) -> Result<Vec<MailParameter>, SmtpFailure> {
        if envelope.to().iter().all(|to| AsRef::<str>::as_ref(to).is_ascii()) {
            return Ok(vec![]);
        }
        let offers = |extension| self.0.server_info().supports_feature(extension);
        if !offers(Extension::SmtpUtfEight) {
            return Err(SmtpFailure::without_smtputf8());
        }
        let eight_bit = MailParameter::Body(MailBodyParameter::EightBitMime);
        let eight_bit = offers(Extension::EightBitMime).then_some(eight_bit);
        Ok(eight_bit.into_iter().chain([MailParameter::SmtpUtfEight]).collect())
    }

    async fn say(&mut self, command: impl std::fmt::Display, code: u16) -> Result<(), SmtpFailure> {
        expect(code, self.0.command(command).await, Stage::Envelope)
    }
}

/// Checks that a reply has the expected code. The whole code is compared, not only its first digit: an
/// answer to another question, as after bytes that an attacker injected before STARTTLS, must not pass
/// for "accepted". A `code` of two digits leaves the third open.
fn expect(code: u16, answer: Result<Response, Error>, stage: Stage) -> Result<(), SmtpFailure> {
    let got: u16 = answer.map_err(|error| SmtpFailure::new(stage, &error))?.code().into();
    if got == code || got / 10 == code {
        Ok(())
    } else {
        Err(SmtpFailure { stage, class: silent(stage), reply: Some(got), cause: None })
    }
}

impl SmtpFailure {
    fn new(stage: Stage, error: &Error) -> Self {
        let reply = error.status().map(u16::from);
        let cause = (stage == Stage::Connect).then(|| error.to_string());
        Self { stage, class: class(stage, error), reply, cause }
    }

    /// Returns the failure to get a TCP connection.
    fn unconnected(error: &io::Error) -> Self {
        let timed_out = error.kind() == io::ErrorKind::TimedOut;
        let class =
            if timed_out { DeliveryFailure::TimedOut } else { DeliveryFailure::Unreachable };
        let cause = Some(format!("Connection error: {error}"));
        Self { stage: Stage::Connect, class, reply: None, cause }
    }

    fn without_smtputf8() -> Self {
        let cause = Some("the server offers no SMTPUTF8".to_owned());
        Self { stage: Stage::Envelope, class: DeliveryFailure::Unsupported, reply: None, cause }
    }

    fn without_starttls() -> Self {
        let cause = Some("the server offers no STARTTLS".to_owned());
        Self { stage: Stage::Connect, class: DeliveryFailure::Untrusted, reply: None, cause }
    }

    /// Returns whether the server went away before it can have accepted the mail, so that sending
    /// it again cannot deliver it twice. 421 is how a server says goodbye (RFC 5321, section 3.8).
    pub(super) fn went_away(&self) -> bool {
        let gone = self.class == DeliveryFailure::Unreachable || self.reply == Some(421);
        gone && self.stage != Stage::Text
    }

    /// Returns whether the server refused the mail and is still ready for another. After a refused text
    /// that is not assumed: some servers then take what follows for more text.
    pub(super) fn still_connected(&self) -> bool {
        let refused = self.reply.is_some_and(|code| code >= 400 && code != 421);
        let not_asked = self.class == DeliveryFailure::Unsupported;
        (refused || not_asked) && self.stage == Stage::Envelope
    }
}

/// Returns the class of a server that went away, or says nothing that fits.
fn silent(stage: Stage) -> DeliveryFailure {
    match stage {
        Stage::Connect | Stage::Login | Stage::Envelope => DeliveryFailure::Unreachable,
        Stage::Text => DeliveryFailure::Unconfirmed,
    }
}

fn class(stage: Stage, error: &Error) -> DeliveryFailure {
    if error.is_timeout() && stage != Stage::Text {
        return DeliveryFailure::TimedOut;
    }
    match (error.status().map(u16::from), stage) {
        // Authentication required, too weak, invalid, or in need of encryption (RFC 4954).
        (Some(530 | 534 | 535 | 538), _) | (Some(500..), Stage::Login) => {
            DeliveryFailure::Untrusted
        }
        (Some(..500), _) => DeliveryFailure::Deferred,
        // The server refuses this client, which says nothing about the recipient.
        (Some(_), Stage::Connect) => DeliveryFailure::Unreachable,
        (Some(_), _) => DeliveryFailure::Rejected,
        (None, Stage::Connect) if is_tls(error) => DeliveryFailure::Untrusted,
        // The server offers no way of logging in that this client knows.
        (None, Stage::Login) if error.is_client() => DeliveryFailure::Untrusted,
        (None, _) if error.is_client() => DeliveryFailure::Local,
        (None, stage) => silent(stage),
    }
}

/// Returns whether TLS failed. rustls reports through `io::Error`, always as `InvalidData`; lettre
/// calls that a connection error.
fn is_tls(error: &Error) -> bool {
    let first = error as &(dyn std::error::Error + 'static);
    error.is_tls()
        || std::iter::successors(Some(first), |error| error.source())
            .filter_map(|error| error.downcast_ref::<io::Error>())
            .any(|error| error.kind() == io::ErrorKind::InvalidData)
}
