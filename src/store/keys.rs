//! What a vault is asked about its keys as a whole, and how a rotation changes them.

use std::fmt;

use whence_events::{Mac, StreamId};

use super::StoreError;
use crate::infra::keys::{StoredServiceKey, VaultState};

/// A change of the keys of a vault. Each is written as a whole, and can be repeated.
#[derive(Clone, Debug)]
pub enum VaultChange {
    /// Stores service keys where there are none of their generation.
    AddServiceKeys(Vec<StoredServiceKey>),
    /// Notes that another master key is to take the place of the present one, unless one is already,
    /// and stores the service keys that derived from the present one.
    BeginMaster {
        /// The fingerprint of the new master key.
        next: Mac,
        /// The service keys of generation 0.
        derived: Vec<StoredServiceKey>,
    },
    /// Puts keys that were sealed anew in the place of what they were. A key that has changed
    /// meanwhile, or is destroyed, stays as it is.
    Rewrap(Vec<Rewrapped>),
    /// Notes that the vault is now under the master key that was to take the place of the old one.
    EndMaster {
        /// The fingerprint of the new master key.
        next: Mac,
    },
}

/// The place of a wrapped key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyName {
    /// A subject key.
    Subject(StreamId),
    /// A service key, by the name of its purpose.
    Service(String),
}

/// A key that was sealed anew.
#[derive(Clone)]
pub struct Rewrapped {
    /// The key.
    pub name: KeyName,
    /// The number of the key among those of its name.
    pub generation: u32,
    /// What is stored of it.
    pub was: Vec<u8>,
    /// What is to be stored of it.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for Rewrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewrapped({:?}, generation {})", self.name, self.generation)
    }
}

/// Returns what a vault says, given the bytes of its two fingerprints.
pub(super) fn vault_state(
    master: Option<Vec<u8>>,
    next: Option<Vec<u8>>,
    keys: Vec<StoredServiceKey>,
) -> Result<VaultState, StoreError> {
    let mac = |bytes: Vec<u8>| match bytes.try_into() {
        Ok(bytes) => Ok(Mac(bytes)),
        Err(_) => Err(StoreError::unavailable(NotAFingerprint)),
    };
    let master = master.ok_or_else(|| StoreError::unavailable(NotAFingerprint))?;
    Ok(VaultState { master: mac(master)?, next: next.map(mac).transpose()?, keys })
}

/// What stands in the vault is not the fingerprint of a master key.
#[derive(Debug, thiserror::Error)]
#[error("the vault does not say which master key it is under")]
struct NotAFingerprint;
