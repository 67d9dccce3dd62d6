//! The master key, and the keys that a service works with. Generation 0 of each derives from the master
//! key by HKDF (RFC 5869), with a label for each purpose; later ones are random, and in the vault.

mod generations;
mod master;
mod stored;
mod wrapping;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use whence_events::{EmailAddress, EmailKey, Mac, Timestamp};

use crate::infra::hash::mac;
use crate::infra::random::random_bytes;
use crate::infra::sealing_key::SealingKey;
pub(crate) use generations::{Generation, Generations, Shared};
pub(crate) use master::Secret;
pub use master::{Fingerprints, MadeWith, MasterKey};
pub use stored::{KeysError, Purpose, SHORTEST_LEAD, StoredServiceKey, VaultState};
pub(crate) use wrapping::DoesNotOpen;
pub use wrapping::WrappingKeys;

/// What derives from one master key.
struct Derived {
    fingerprint: Mac,
    seeds: BTreeMap<Purpose, Secret>,
}

/// The keys of a service. Clones share them, so that a new generation reaches all of them.
#[derive(Clone)]
pub struct Keys {
    /// The given master keys, the current one first: what derives from them, not they themselves.
    masters: Arc<[Derived]>,
    email_index: Shared<hmac::Key>,
    pub(super) code: Shared<hmac::Key>,
    pub(super) csrf: Shared<Generations<hmac::Key>>,
    pub(super) refresh: Shared<Generations<hmac::Key>>,
    /// The key that signs the cookie of a known device.
    pub device: MacKey,
    /// The key that stands in the log for client networks.
    pub network: MacKey,
    /// The key that signs the cookies of a landing.
    pub cookie: MacKey,
    /// The keys that seal subject keys and service keys.
    pub wrapping: WrappingKeys,
    /// The seeds of the Ed25519 keys that sign access tokens.
    pub(crate) bearer: Shared<Generations<Secret>>,
    /// The seeds of the Ed25519 keys that sign checkpoints of the log.
    pub(crate) checkpoint: Shared<Generations<Secret>>,
}

impl Keys {
    /// Derives the first generation of all keys from a master key. What the vault of a log knows of
    /// later ones comes by [`Keys::update`].
    #[must_use]
    pub fn derive(master: &MasterKey) -> Self {
        let derived = |master: &Secret| Derived {
            fingerprint: master::fingerprint(master),
            seeds: Purpose::ALL.map(|p| (p, master::derive(master, p.label()))).into(),
        };
        let masters: Arc<[_]> = master.each().map(derived).collect();
        let wrapping = master.each().zip(&*masters).map(|(master, derived)| {
            let key = SealingKey::new(&master::derive(master, "subject key wrapping"));
            (derived.fingerprint, key)
        });
        let seed = |purpose| &masters[0].seeds[&purpose];
        let only = |purpose| Generations::only(seed(purpose).clone());
        Self {
            email_index: Shared::new(hmac_key(seed(Purpose::Index))),
            code: Shared::new(hmac_key(seed(Purpose::Code))),
            csrf: Shared::new(only(Purpose::Csrf).map(hmac_key)),
            refresh: Shared::new(only(Purpose::Refresh).map(hmac_key)),
            cookie: MacKey(Shared::new(only(Purpose::Cookie).map(hmac_key))),
            device: MacKey(Shared::new(only(Purpose::Device).map(hmac_key))),
            network: MacKey(Shared::new(only(Purpose::Network).map(hmac_key))),
            wrapping: WrappingKeys::new(wrapping.collect()),
            bearer: Shared::new(only(Purpose::Bearer)),
            checkpoint: Shared::new(only(Purpose::Checkpoint)),
            masters,
        }
    }

    /// Takes over what a vault says of its keys, as it is at this time. On an error nothing changes.
    pub fn update(&self, state: &VaultState, now: Timestamp) -> Result<(), KeysError> {
        let of_vault = self.masters.iter().find(|known| known.fingerprint == state.master);
        let of_vault = of_vault.ok_or(KeysError::UnknownMaster)?;
        let mut found = BTreeMap::new();
        for purpose in Purpose::ALL {
            found.insert(purpose, self.generations(purpose, of_vault, state, now)?);
        }
        let now_sealing = state.next.unwrap_or(state.master);
        if !self.wrapping.seal_with(now_sealing) {
            return Err(KeysError::UnknownMaster);
        }
        let hmac_of = |purpose| found[&purpose].map(hmac_key);
        self.email_index.set(hmac_key(&found[&Purpose::Index].signing().key));
        self.code.set(hmac_key(&found[&Purpose::Code].signing().key));
        self.csrf.set(hmac_of(Purpose::Csrf));
        self.refresh.set(hmac_of(Purpose::Refresh));
        for (purpose, key) in [
            (Purpose::Cookie, &self.cookie),
            (Purpose::Device, &self.device),
            (Purpose::Network, &self.network),
        ] {
            key.0.set(hmac_of(purpose));
        }
        for (purpose, shared) in
            [(Purpose::Bearer, &self.bearer), (Purpose::Checkpoint, &self.checkpoint)]
        {
            shared.set(found[&purpose].clone());
        }
        Ok(())
    }

    /// Returns the generations of a purpose, out of those that are stored and, when the first one is
    /// not, the one that derives from the master key of the vault.
    fn generations(
        &self,
        purpose: Purpose,
        of_vault: &Derived,
        state: &VaultState,
        now: Timestamp,
    ) -> Result<Generations<Secret>, KeysError> {
        let stored: Vec<_> =
            state.keys.iter().filter(|key| key.purpose == purpose.name()).collect();
        let mut all = Vec::with_capacity(stored.len() + 1);
        if stored.first().is_none_or(|first| first.generation > 0) {
            let key = of_vault.seeds[&purpose].clone();
            all.push(Generation { number: 0, key, is_read: true });
        }
        let mut signing = 0;
        for stored in stored {
            let number = stored.generation;
            let damaged = KeysError::Damaged { purpose, generation: number };
            let place = service_place(purpose, number);
            let key = self.wrapping.open(&place, &stored.wrapped).ok_or(damaged)?;
            if stored.active_from <= now {
                signing = all.len();
            }
            if stored.active_from.as_micros().saturating_add(stored.overlap) <= now.as_micros() {
                // What came before it is over, whatever an older rotation promised.
                for older in &mut all {
                    older.is_read = false;
                }
            }
            all.push(Generation { number, key, is_read: true });
        }
        Ok(Generations::new(signing, all))
    }

    /// Returns the fingerprints of the master keys that were given.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprints {
        Fingerprints(self.masters.iter().map(|master| master.fingerprint).collect())
    }

    /// Returns a new random key of a purpose, sealed for the vault.
    pub(crate) fn new_service_key(&self, purpose: Purpose, generation: u32) -> Vec<u8> {
        let key = Secret::new(random_bytes());
        self.wrapping.seal(&service_place(purpose, generation), &key)
    }

    /// Returns the first generation of each purpose as it derives from a master key, sealed for the
    /// vault under the key that seals now; `None` when the master key was not given.
    pub(crate) fn derived_service_keys(&self, master: Mac) -> Option<Vec<(Purpose, Vec<u8>)>> {
        let derived = self.masters.iter().find(|known| known.fingerprint == master)?;
        let seal = |(purpose, seed): (&Purpose, &Secret)| {
            (*purpose, self.wrapping.seal(&service_place(*purpose, 0), seed))
        };
        Some(derived.seeds.iter().map(seal).collect())
    }

    /// Returns the name that an address has in the log.
    #[must_use]
    pub fn email_key(&self, email: &EmailAddress) -> EmailKey {
        EmailKey(mac(&self.email_index.get(), &[email.as_str().as_bytes()]).0)
    }
}

/// Returns what is authenticated with a stored service key, so that it opens in no other place.
pub(crate) fn service_place(purpose: Purpose, generation: u32) -> Vec<u8> {
    format!("service key {purpose}/{generation}").into_bytes()
}

fn hmac_key(seed: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &seed[..])
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// A key that signs short texts, with the older ones that texts were signed by. Clones share it.
#[derive(Clone)]
pub struct MacKey(Shared<Generations<hmac::Key>>);

impl MacKey {
    /// Returns a new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self(Shared::new(Generations::only(hmac_key(&Secret::new(random_bytes())))))
    }

    /// Returns HMAC-SHA-256 cut to 128 bits over `domain`, a zero byte and `text`: a signature made
    /// for one purpose is not valid for another.
    #[must_use]
    pub fn sign(&self, domain: &str, text: &str) -> Mac {
        one_mac(&self.0.get().signing().key, domain, text)
    }

    /// Returns whether this key, or an older one that still counts, signed the text; in constant time
    /// for each key.
    #[must_use]
    pub fn has_signed(&self, domain: &str, text: &str, signature: &Mac) -> bool {
        self.0.get().read().any(|one| one_mac(&one.key, domain, text).same_as(signature))
    }
}

fn one_mac(key: &hmac::Key, domain: &str, text: &str) -> Mac {
    mac(key, &[domain.as_bytes(), &[0], text.as_bytes()])
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
