//! The master key, and the keys that derive from it by HKDF (RFC 5869): each purpose has a label of its
//! own, so that no key serves two purposes.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use whence_events::{EmailAddress, EmailKey, Mac};

use crate::infra::hash::mac;
use crate::infra::random::random_bytes;
use crate::infra::sealing::SealingKey;

/// The key that all others derive from. It opens all personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Returns a new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_bytes())
    }

    /// Parses 64 hexadecimal digits; white space around them is ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }

    /// Returns the form that [`MasterKey::parse`] reads, for the key file only.
    #[must_use]
    pub fn to_hex(&self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn derive<const N: usize>(&self, purpose: &str) -> [u8; N] {
        struct Length(usize);
        impl KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut key = [0; N];
        Salt::new(HKDF_SHA256, b"whence")
            .extract(&self.0)
            .expand(&[purpose.as_bytes()], Length(N))
            .and_then(|okm| okm.fill(&mut key))
            .expect("HKDF gives any length up to 8160 bytes");
        key
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// The keys that derive from one master key, one for each purpose.
#[derive(Clone)]
pub struct Keys {
    email_index: hmac::Key,
    pub(super) code: hmac::Key,
    pub(super) csrf: hmac::Key,
    check: hmac::Key,
    /// The key that signs the cookie of a known device.
    pub device: MacKey,
    /// The key that stands in the log for client networks.
    pub network: MacKey,
    /// The key that signs the cookies of a landing.
    pub cookie: MacKey,
    /// The key that seals subject keys.
    pub wrapping: SealingKey,
    /// The seed of the Ed25519 key that signs access tokens.
    pub(crate) bearer_seed: [u8; 32],
    /// The seed of the Ed25519 key that signs checkpoints of the log.
    pub(crate) log_seed: [u8; 32],
}

impl Keys {
    /// Derives all keys from a master key.
    #[must_use]
    pub fn derive(master: &MasterKey) -> Self {
        let hmac = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &master.derive::<32>(purpose));
        Self {
            // The one key that can never change: it names the mailbox streams.
            email_index: hmac("email index"),
            code: hmac("one-time code"),
            csrf: hmac("csrf"),
            check: hmac("check"),
            device: MacKey(hmac("known device")),
            network: MacKey(hmac("client network")),
            cookie: MacKey(hmac("landing cookie")),
            wrapping: SealingKey::new(&master.derive("subject key wrapping")),
            bearer_seed: master.derive("bearer token"),
            log_seed: master.derive("log checkpoint"),
        }
    }

    /// Returns a value that shows whether two master keys are the same, and nothing else about them.
    #[must_use]
    pub fn fingerprint(&self) -> Mac {
        mac(&self.check, &[b"whence"])
    }

    /// Returns the name that an address has in the log.
    #[must_use]
    pub fn email_key(&self, email: &EmailAddress) -> EmailKey {
        EmailKey(mac(&self.email_index, &[email.as_str().as_bytes()]).0)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// A key that signs short texts.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Returns a new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>()))
    }

    /// Returns HMAC-SHA-256 cut to 128 bits over `domain`, a zero byte and `text`: a signature made
    /// for one purpose is not valid for another.
    #[must_use]
    pub fn sign(&self, domain: &str, text: &str) -> Mac {
        mac(&self.0, &[domain.as_bytes(), &[0], text.as_bytes()])
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_has_one_spelling_and_is_never_shown() {
        let key = MasterKey::generate();
        assert_eq!(MasterKey::parse(&format!(" {}\n", key.to_hex())), Some(key.clone()));
        assert!(MasterKey::parse("00").is_none());
        assert!(MasterKey::parse(&"zz".repeat(32)).is_none());
        assert!(MasterKey::parse(&"+f".repeat(32)).is_none());
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }
}
