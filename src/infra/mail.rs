//! Mails to users: their content, and the three ways to send them.
//!
//! | `open` | what happens to a mail |
//! |---|---|
//! | `smtp://…`, `smtps://…` | goes to a mail server, over pooled connections |
//! | `directory:DIR` | becomes a file `DIR/00000001.eml`: for development |
//! | `memory` | is kept in this process: for tests and benchmarks |
//!
//! A send either ends within its time limit or fails with a [`DeliveryFailure`] class. Neither
//! errors nor log lines ever hold a code, an address, a password or the words of a mail server
//! about a recipient.

pub mod message;

mod config;
mod connection;
mod directory;
mod kept;
mod memory;
mod nodelay;
mod relay;
mod smtp;

use std::fmt;

use whence_events::DeliveryFailure;
use whence_events::EmailAddress;

pub use self::config::{Limits, MailConfigError, Sender};
pub use self::directory::Directory;
pub use self::kept::KeptMail;
pub use self::memory::{Memory, StoredMail};
pub use self::message::{CodeText, Mail};
pub use self::smtp::Smtp;

/// The way that mails are sent. Cloning shares the connections, the directory or the memory.
#[derive(Clone)]
pub enum Mailer {
    /// Mails go to a mail server.
    Smtp(Smtp),
    /// Mails become files in a directory.
    Directory(Directory),
    /// Mails are kept in this process.
    Memory(Memory),
}

impl Mailer {
    /// Opens the way that `spec` names, with default [`Limits`].
    ///
    /// - `directory:DIR` makes `DIR` (mode 0700) when it is missing.
    /// - `smtps://[user:password@]host[:port]` is TLS from the first byte, port 465.
    /// - `smtp://[user:password@]host[:port][?tls=…]` begins in clear; port 587 with a user, else 25.
    ///   `tls=required` (the default) sends nothing before STARTTLS with a valid certificate;
    ///   `tls=opportunistic` (the default on loopback without a user) takes STARTTLS when it is
    ///   offered, whatever the certificate; `tls=none` never does.
    /// - `memory` needs nothing.
    ///
    /// User and password are percent-encoded. A mail server is not contacted before the first mail.
    pub fn open(spec: &str, from: &Sender) -> Result<Self, MailConfigError> {
        Self::open_with(spec, from, &Limits::default())
    }

    /// Opens the way that `spec` names, as [`Mailer::open`] does, with other limits.
    pub fn open_with(spec: &str, from: &Sender, limits: &Limits) -> Result<Self, MailConfigError> {
        let from = from.mailbox()?;
        if spec == "memory" {
            Ok(Self::Memory(Memory::new(limits.memory_mails)))
        } else if let Some(dir) = spec.strip_prefix("directory:") {
            Directory::open(dir, from).map(Self::Directory)
        } else if spec.starts_with("smtp://") || spec.starts_with("smtps://") {
            Smtp::open(spec, from, limits).map(Self::Smtp)
        } else {
            Err(MailConfigError::UnknownWay)
        }
    }

    /// Checks the settings as [`Mailer::open`] does, but without touching the disk: a directory is not
    /// examined.
    pub fn check(spec: &str, from: &Sender) -> Result<(), MailConfigError> {
        match spec.strip_prefix("directory:") {
            Some("") => Err(MailConfigError::NoDirectory),
            Some(_) => from.mailbox().map(drop),
            None => Self::open(spec, from).map(drop),
        }
    }

    /// Checks whether mails can be sent the way that `spec` names, without sending one: connects to the
    /// mail server and logs in. Returns a sentence that says so, or one that says why not, without user
    /// and password.
    pub async fn examine(spec: &str, from: &Sender) -> Result<String, String> {
        if let Some(dir) = spec.strip_prefix("directory:") {
            return match std::fs::metadata(dir) {
                Ok(found) if found.is_dir() => Ok(format!("mails are written to {dir}")),
                Ok(_) => Err(format!("{dir} is no directory")),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Ok(format!("mails will be written to {dir}, which serve makes"))
                }
                Err(error) => Err(format!("{dir} cannot be looked at: {error}")),
            };
        }
        match Self::open(spec, from).map_err(|error| error.to_string())? {
            Self::Smtp(smtp) => match smtp.reach().await {
                Ok(()) => Ok(format!("the {smtp:?} answers")),
                Err(why) => Err(format!("the {smtp:?} does not take mails: {why}")),
            },
            Self::Directory(_) | Self::Memory(_) => Err("nobody could read the mails".into()),
        }
    }

    /// Sends a mail to one address.
    ///
    /// On `Ok` the mail server has taken charge of the mail, or it is in its file or in memory. On
    /// `Err` it was not accepted, with one exception: when the server does not answer or the
    /// connection breaks after it was given the mail (`Unconfirmed`), it may be delivered all the
    /// same. Such a mail is never sent again from here, so one call delivers at most once. A call that is dropped closes its connection. The error is the class of the
    /// failure; its cause is logged here, once.
    pub async fn send(&self, to: &EmailAddress, mail: &Mail) -> Result<(), DeliveryFailure> {
        match self {
            Self::Smtp(smtp) => smtp.send(to, mail).await,
            Self::Directory(directory) => directory.send(to, mail).await,
            Self::Memory(memory) => {
                memory.put(to, mail);
                Ok(())
            }
        }
    }

    /// Returns whether mails stay on this machine, so that users of other machines cannot log in.
    #[must_use]
    pub fn is_development(&self) -> bool {
        match self {
            Self::Smtp(_) => false,
            Self::Directory(_) | Self::Memory(_) => true,
        }
    }

    /// Returns the directory that mails are kept in.
    #[must_use]
    pub fn directory(&self) -> Option<&Directory> {
        match self {
            Self::Directory(directory) => Some(directory),
            Self::Smtp(_) | Self::Memory(_) => None,
        }
    }

    /// Returns the mails of `memory`, for tests and benchmarks.
    #[must_use]
    pub fn memory(&self) -> Option<&Memory> {
        match self {
            Self::Memory(memory) => Some(memory),
            Self::Smtp(_) | Self::Directory(_) => None,
        }
    }
}

/// Shows in logs where mails go, without user and password.
impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp(smtp) => smtp.fmt(f),
            Self::Directory(directory) => directory.fmt(f),
            Self::Memory(_) => f.write_str("memory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(name: &str, address: &str) -> Sender {
        Sender { name: name.into(), address: address.into() }
    }

    #[track_caller]
    fn refused(spec: &str, from: &Sender) -> String {
        Mailer::open(spec, from).expect_err("refused").to_string()
    }

    #[test]
    fn a_way_that_does_not_exist_is_refused_by_naming_those_that_do() {
        let from = sender("", "login@example.com");
        for spec in ["", "smtp", "smtp:mail.example.com", "http://mail.example.com", "Memory"] {
            assert!(refused(spec, &from).contains("`memory`"), "{spec}");
        }
        assert!(refused("directory:", &from).contains("needs the directory"));
    }

    #[test]
    fn a_sender_is_an_address_and_a_name_of_one_line() {
        assert!(refused("memory", &sender("A", "nobody")).contains("no valid e-mail address"));
        assert!(refused("memory", &sender("A", "a@b.c\r\nBcc: x@y.z")).contains("no valid"));
        let injected = sender("A\r\nBcc: x@y.z", "a@example.com");
        assert!(refused("memory", &injected).contains("one line"));
        assert!(Mailer::open("memory", &sender("", "a@localhost")).is_ok());
    }

    #[test]
    fn only_a_mail_server_is_no_development() {
        let from = sender("A", "a@example.com");
        let open = |spec| Mailer::open(spec, &from).unwrap();
        assert!(open("memory").is_development() && open("memory").memory().is_some());
        let smtp = open("smtp://127.0.0.1:1?tls=none");
        assert!(!smtp.is_development() && smtp.memory().is_none());
    }
}
