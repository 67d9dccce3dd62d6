//! The keys that other keys are sealed under in a vault: one for each master key.

use whence_events::Mac;

use super::generations::Shared;
use super::master::Secret;
use crate::infra::sealing_key::SealingKey;

/// Seals keys under the master key that the vault names, and opens what any of the given ones sealed.
/// Clones share what it knows.
#[derive(Clone)]
pub struct WrappingKeys(Shared<Wrapping>);

#[derive(Clone)]
struct Wrapping {
    /// The place of the one that seals.
    current: usize,
    keys: Vec<(Mac, SealingKey)>,
}

impl WrappingKeys {
    pub(super) fn new(keys: Vec<(Mac, SealingKey)>) -> Self {
        Self(Shared::new(Wrapping { current: 0, keys }))
    }

    /// Makes the key of this master key the one that seals; `false` when it was not given.
    pub(super) fn seal_with(&self, master: Mac) -> bool {
        let mut wrapping = Wrapping::clone(&self.0.get());
        let Some(at) = wrapping.keys.iter().position(|(known, _)| *known == master) else {
            return false;
        };
        wrapping.current = at;
        self.0.set(wrapping);
        true
    }

    /// Returns what a key is stored as: sealed under the current key.
    #[must_use]
    pub fn seal(&self, place: &[u8], key: &[u8; 32]) -> Vec<u8> {
        let wrapping = self.0.get();
        wrapping.keys[wrapping.current].1.seal(place, &key[..])
    }

    /// Returns a stored key; `None` when none of the master keys sealed it, or it is damaged.
    #[must_use]
    pub(crate) fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Secret> {
        let wrapping = self.0.get();
        let first = std::iter::once(&wrapping.keys[wrapping.current]);
        let found = first.chain(&wrapping.keys).find_map(|(_, key)| key.open(place, sealed))?;
        let found = zeroize::Zeroizing::new(found);
        Some(Secret::new(found.as_slice().try_into().ok()?))
    }

    /// Returns a stored key sealed anew; `Ok(None)` when the current key sealed it already, and an
    /// error when none of the keys did.
    pub(crate) fn renew(
        &self,
        place: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, DoesNotOpen> {
        let wrapping = self.0.get();
        if wrapping.keys[wrapping.current]
            .1
            .open(place, sealed)
            .map(zeroize::Zeroizing::new)
            .is_some()
        {
            return Ok(None);
        }
        let key = self.open(place, sealed).ok_or(DoesNotOpen)?;
        Ok(Some(self.seal(place, &key)))
    }
}

/// None of the given master keys sealed a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key does not open with the master keys that were given")]
pub(crate) struct DoesNotOpen;
