//! The master key, and the older ones that a rotation still reads with.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use whence_events::Mac;
use zeroize::Zeroizing;

use crate::infra::hash::mac;
use crate::infra::random::random_bytes;

/// The most master keys that are given at once: the current one, and those that it takes the place of.
const MAX_KEYS: usize = 4;

/// The bytes of a key. They are overwritten when the last owner drops them.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// The key that all others derive from. It opens all personal data. While it takes the place of
/// another one, the older key comes with it, for reading.
#[derive(Clone)]
pub struct MasterKey {
    /// The current key first. Clones share the bytes, so that they stand in memory once.
    keys: Arc<[Secret]>,
}

impl MasterKey {
    /// Returns a new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self { keys: Arc::new([Zeroizing::new(random_bytes())]) }
    }

    /// Returns no key, for settings whose key is in use already and does not have to stay in memory.
    /// Nothing derives from it.
    #[must_use]
    pub(crate) fn forgotten() -> Self {
        Self { keys: Arc::new([]) }
    }

    /// Parses a key of 64 hexadecimal digits and, after white space, the older keys that it takes the
    /// place of.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let keys = text.split_ascii_whitespace().map(parse_one).collect::<Option<Vec<_>>>()?;
        let some = (1..=MAX_KEYS).contains(&keys.len());
        some.then(|| Self { keys: keys.into() })
    }

    /// Returns the form that [`MasterKey::parse`] reads, for the key file only.
    #[must_use]
    pub fn to_hex(&self) -> String {
        use std::fmt::Write as _;
        let keys = self.keys.iter().map(|key| {
            key.iter().fold(String::with_capacity(64), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        });
        keys.collect::<Vec<_>>().join("\n")
    }

    /// Returns the bytes of each key, the current one first.
    pub(super) fn each(&self) -> impl Iterator<Item = &Secret> {
        self.keys.iter()
    }
}

/// Compares the current keys.
impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        self.keys.first().map(|key| &key[..]) == other.keys.first().map(|key| &key[..])
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

fn parse_one(text: &str) -> Option<Secret> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

/// Returns the key that HKDF derives from a master key for a purpose.
pub(super) fn derive(master: &Secret, purpose: &str) -> Secret {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, b"whence")
        .extract(&master[..])
        .expand(&[purpose.as_bytes()], Length(32))
        .and_then(|okm| okm.fill(&mut key[..]))
        .expect("HKDF gives any length up to 8160 bytes");
    key
}

/// Returns a value that shows whether two master keys are the same, and nothing else about them.
pub(super) fn fingerprint(master: &Secret) -> Mac {
    let check = hmac::Key::new(hmac::HMAC_SHA256, &derive(master, "check")[..]);
    mac(&check, &[b"whence"])
}

/// The fingerprints of the master keys that are given, the current one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints(pub(super) Vec<Mac>);

impl From<Mac> for Fingerprints {
    fn from(only: Mac) -> Self {
        Self(vec![only])
    }
}

/// Whether the given master keys are those of a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeWith {
    /// They open everything in the vault.
    Known,
    /// The vault needs another key besides: its master key is being rotated.
    Rotating,
    /// The vault was made with another master key.
    Another,
}

impl Fingerprints {
    /// Returns the fingerprint of the current key, which a new vault is made with.
    #[must_use]
    pub fn current(&self) -> Mac {
        self.0[0]
    }

    /// Returns whether the keys are those of a vault, given what the vault says of its master key and
    /// of the one that is to take its place.
    #[must_use]
    pub fn hold(&self, master: Option<&[u8]>, next: Option<&[u8]>) -> MadeWith {
        let known = |stored: &[u8]| self.0.iter().any(|given| given.0[..] == *stored);
        match (master.is_some_and(known), next.map(known)) {
            (true, None | Some(true)) => MadeWith::Known,
            (true, Some(false)) | (false, Some(true)) => MadeWith::Rotating,
            (false, None | Some(false)) => MadeWith::Another,
        }
    }
}
