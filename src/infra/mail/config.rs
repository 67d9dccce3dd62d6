//! Settings of a mailer: the sender, the limits, and what can be wrong with them.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;

/// Who mails are from: the `From:` header, and the address that bounces return to.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The name that is shown; may be empty.
    pub name: String,
    /// The e-mail address.
    pub address: String,
}

/// Bounds of a mailer.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest time of one send: waiting for a free connection, connecting, retrying and all.
    pub send_timeout: Duration,
    /// The most connections to the mail server at a time; further sends wait.
    pub connections: usize,
    /// The most mails that `memory` keeps; past it the oldest is dropped.
    pub memory_mails: usize,
    /// PEM certificates to trust in addition to those of the operating system.
    pub extra_roots: Vec<u8>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            send_timeout: Duration::from_secs(10),
            connections: 8,
            memory_mails: 100_000,
            extra_roots: Vec::new(),
        }
    }
}

/// A mail setting that cannot be used. Its text is a sentence for the operator and never repeats
/// the setting, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum MailConfigError {
    /// The setting names none of the known ways.
    #[error("mail must be `directory:DIR`, `smtp://HOST`, `smtps://HOST` or `memory`")]
    UnknownWay,
    /// The setting is `directory:` without a directory.
    #[error("`directory:` needs the directory that mails are written to, as in `directory:mails`")]
    NoDirectory,
    /// The directory cannot be made or written.
    #[error("mails cannot be written to `{}`: {source}", .dir.display())]
    Directory {
        /// The directory as it was given.
        dir: PathBuf,
        /// What the operating system reported.
        source: std::io::Error,
    },
    /// An `smtp://` or `smtps://` URL that cannot be used, and why.
    #[error("the address of the mail server {0}")]
    Smtp(&'static str),
    /// A sender that cannot be used, and why.
    #[error("the sender of mails {0}")]
    Sender(&'static str),
}

impl Sender {
    /// Returns the sender as the `From:` header shows it.
    pub(super) fn mailbox(&self) -> Result<Mailbox, MailConfigError> {
        let address: Address = self
            .address
            .parse()
            .ok()
            .filter(|_| self.address.is_ascii())
            .ok_or(MailConfigError::Sender("has no valid e-mail address"))?;
        if self.name.contains(|c: char| c.is_control()) || self.name.len() > 200 {
            return Err(MailConfigError::Sender("needs a name of one line and at most 200 bytes"));
        }
        let name = self.name.trim();
        Ok(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), address))
    }
}
