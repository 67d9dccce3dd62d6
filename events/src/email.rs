//! E-mail addresses: what people type, the one form that is kept, and the person behind it.

mod domain;
mod local;
mod providers;
mod typed;

use std::borrow::Cow;
use std::fmt;

use crate::InvalidId;

/// The longest text that is looked at, in bytes; no address is a quarter as long.
const MAX_TYPED: usize = 1024;

/// An e-mail address in its canonical form: a dot-atom in lower case at a domain name in ASCII.
///
/// The syntax is that of the HTML standard's valid e-mail address, with the lengths of RFC 5321
/// (64 octets before the `@`, 254 in all), no empty atoms, and at least two domain labels. The name
/// before the `@` may have letters of every script (RFC 6531), in Unicode's composed form (NFC). An
/// internationalised domain is kept as its A-labels (UTS #46, non-transitional), so that both forms
/// are one address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(Box<str>);

impl EmailAddress {
    /// Parses an address as people and programs hand it over, and returns its canonical form.
    ///
    /// Blanks around it, invisible characters, `mailto:`, a display name, and brackets or quotes
    /// around the whole address are taken off, and full-width characters are read as the ASCII that
    /// they stand for. Nothing is guessed: what could mean two mailboxes is no address.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let parts = if text.len() <= MAX_TYPED { typed::parts(text) } else { None };
        parts
            .and_then(|(name, host)| {
                Self::joined(&local::canonical(&name)?, &domain::canonical(&host)?)
            })
            .ok_or(InvalidId("e-mail address"))
    }

    /// Reads a canonical address back from where it was stored. What an earlier version accepted stays
    /// an address, whatever the tables of Unicode say by now.
    pub(crate) fn stored(text: &str) -> Option<Self> {
        let (name, host) = text.rsplit_once('@')?;
        Self::joined(name, host)
    }

    fn joined(name: &str, host: &str) -> Option<Self> {
        let valid = name.len() + 1 + host.len() <= 254
            && local::is_well_formed(name)
            && domain::is_well_formed(host);
        valid.then(|| Self(format!("{name}@{host}").into()))
    }

    /// Returns the whole address, as mail goes to it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(name, _)| name)
    }

    /// Returns the part after the `@`, in ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Returns the address as its owner writes it: with the letters of an internationalised domain.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        match domain::shown(self.domain()) {
            Some(domain) => Cow::Owned(format!("{}@{domain}", self.local_part())),
            None => Cow::Borrowed(&self.0),
        }
    }

    /// Returns whether mail to this address needs a server that offers SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.0.is_ascii()
    }

    /// Returns the address that identifies a person: the one spelling of all that end in the same
    /// mailbox by the rules of its provider. It serves the self-referral rule and the count of mails:
    /// mail goes to, and accounts belong to, the address as it was typed.
    #[must_use]
    pub fn person(&self) -> String {
        providers::person(self.local_part(), self.domain())
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

#[cfg(test)]
mod tests;
