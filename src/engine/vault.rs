//! Seals personal fields under subject keys, and erases them by destroying these keys.
//!
//! The subject of a field is the stream that it is in. A sealed field is one byte that says which key
//! of the subject it needs, a nonce, the ciphertext and its tag; its stream, version and name are
//! authenticated with it, so that it opens nowhere else.

use std::sync::Arc;

use quick_cache::sync::Cache;
use whence_events::{
    Event, MailboxEvent, Personal, Pii, PiiSlot, Recorded, StreamId, UserEvent, Version,
};

use crate::infra::keys::{DoesNotOpen, WrappingKeys};
use crate::infra::sealing::SubjectKey;
use crate::store::{EventStore, KeyRecord, NewKey, StoreError};

/// The most keys that are kept in memory, at some 100 bytes each.
const MAX_OPEN_KEYS: usize = 20_000;

/// The most streams that are remembered as contended.
const MAX_CONTENDED: usize = 1_000;

/// The most subjects that are remembered as being erased.
const MAX_ERASED: usize = 10_000;

/// Seals and opens personal fields, with the keys that the store keeps.
pub struct Vault {
    store: Arc<dyn EventStore>,
    wrapping: WrappingKeys,
    open: Arc<OpenKeys>,
    /// Streams that another node was seen to append to: their keys are read before any is made.
    contended: Cache<StreamId, ()>,
}

/// The subject keys in memory. It does not hold the store.
pub struct OpenKeys {
    keys: Cache<StreamId, SubjectKey>,
    /// Subjects whose key is destroyed, or about to be by another node, and is not to be kept.
    erased: Cache<StreamId, ()>,
}

impl Vault {
    /// Returns the vault of a log.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, wrapping: WrappingKeys) -> Self {
        let open = OpenKeys { keys: Cache::new(MAX_OPEN_KEYS), erased: Cache::new(MAX_ERASED) };
        Self { store, wrapping, open: Arc::new(open), contended: Cache::new(MAX_CONTENDED) }
    }

    /// Returns the key to seal the next events of a stream with. Where there is none it is made,
    /// and has to be appended with the events; call [`Vault::cache`] once it was.
    pub async fn key_for_append(
        &self,
        subject: &StreamId,
        length: Version,
    ) -> Result<(SubjectKey, Option<NewKey>), StoreError> {
        // An empty stream has no key, unless a process died between making one and appending.
        if length == 0 && self.contended.get(subject).is_none() {
            return Ok(self.make(subject, 0));
        }
        if let Some(key) = self.open.keys.get(subject) {
            return Ok((key, None));
        }
        Ok(match self.store.read_key(subject).await? {
            None => self.make(subject, 0),
            Some(KeyRecord { generation, wrapped: None }) => self.make(subject, generation + 1),
            Some(KeyRecord { generation, wrapped }) => {
                // A new key would hide that the old one is there, and lose what it sealed.
                let key = self.unwrap(subject, generation, wrapped);
                (key.ok_or_else(|| StoreError::unavailable(DoesNotOpen))?, None)
            }
        })
    }

    /// Drops what is known of the key of a stream that another node appended to.
    pub fn invalidate(&self, subject: &StreamId) {
        self.open.keys.remove(subject);
        self.contended.insert(subject.clone(), ());
    }

    /// Keeps a key in memory that is in the store now.
    pub fn cache(&self, subject: &StreamId, key: SubjectKey) {
        self.open.cache(subject, key);
    }

    /// Returns the keys in memory, for a caller that learns of erasures. They do not hold the store.
    #[must_use]
    pub fn open_keys(&self) -> Arc<OpenKeys> {
        self.open.clone()
    }

    /// Destroys the key of a subject, so that its sealed fields open nowhere from now on.
    pub async fn destroy(&self, subject: &StreamId) -> Result<(), StoreError> {
        self.open.evict(subject);
        self.store.destroy_key(subject, None).await
    }

    /// Destroys the key of a subject, but none that is of a later generation.
    pub async fn destroy_up_to(
        &self,
        subject: &StreamId,
        generation: u32,
    ) -> Result<(), StoreError> {
        self.open.evict(subject);
        self.store.destroy_key(subject, Some(generation)).await
    }

    /// Returns the value of a sealed field; `None` when its key was destroyed.
    pub async fn open<T: Personal + Clone>(
        &self,
        subject: &StreamId,
        version: Version,
        field: &str,
        pii: &Pii<T>,
    ) -> Result<Option<T>, StoreError> {
        let Pii::Sealed(sealed) = pii else {
            return Ok(pii.clear().cloned());
        };
        let Some(key) = self.key(subject).await? else {
            return Ok(None);
        };
        let mut slot = pii.clone();
        match key.open(subject, version, field, sealed) {
            Some(bytes) => slot.set_clear(&bytes),
            None => slot.set_erased(),
        }
        Ok(slot.clear().cloned())
    }

    /// Opens every sealed field of an event in place; a field whose key was destroyed becomes erased.
    pub async fn open_event(
        &self,
        subject: &StreamId,
        version: Version,
        event: &mut Event,
    ) -> Result<(), StoreError> {
        let mut any_sealed = false;
        event.visit_pii(&mut |_, slot| any_sealed |= slot.sealed().is_some());
        if !any_sealed {
            return Ok(());
        }
        let key = self.key(subject).await?;
        event.visit_pii(&mut |field, slot| {
            let Some(sealed) = slot.sealed() else { return };
            match key.as_ref().and_then(|key| key.open(subject, version, field, sealed)) {
                Some(bytes) => slot.set_clear(&bytes),
                None => slot.set_erased(),
            }
        });
        Ok(())
    }

    /// Returns the key of a subject, from memory or from the store; `None` when there is none.
    async fn key(&self, subject: &StreamId) -> Result<Option<SubjectKey>, StoreError> {
        if let Some(key) = self.open.keys.get(subject) {
            return Ok(Some(key));
        }
        let Some(record) = self.store.read_key(subject).await? else {
            return Ok(None);
        };
        let key = self.unwrap(subject, record.generation, record.wrapped);
        if let Some(key) = &key {
            self.cache(subject, key.clone());
        }
        Ok(key)
    }

    /// Makes a key of a subject, also wrapped for the store.
    fn make(&self, subject: &StreamId, generation: u32) -> (SubjectKey, Option<NewKey>) {
        let key = SubjectKey::generate(generation);
        let wrapped = key.wrap(&self.wrapping, subject);
        (key, Some(NewKey { generation, wrapped }))
    }

    /// Unwraps a key of the store; `None` when it was destroyed or does not open.
    fn unwrap(
        &self,
        subject: &StreamId,
        generation: u32,
        wrapped: Option<Vec<u8>>,
    ) -> Option<SubjectKey> {
        SubjectKey::unwrap(&self.wrapping, subject, generation, &wrapped?)
    }
}

impl OpenKeys {
    /// Keeps a key, unless its subject is being erased.
    fn cache(&self, subject: &StreamId, key: SubjectKey) {
        // The one event of a touch is written already; and when a user is erased on another node, this
        // one does not learn which touches were theirs.
        if matches!(subject, StreamId::Touch(_)) {
            return;
        }
        self.keys.insert(subject.clone(), key);
        // Checked after the key was inserted: of this and an erasure one sees the other.
        if self.erased.get(subject).is_some() {
            self.keys.remove(subject);
        }
    }

    /// Drops the key of a subject that is erased, here or by another node. That node may be about to
    /// destroy the key, so that a key that is read from now on is not kept either.
    pub fn evict(&self, subject: &StreamId) {
        self.erased.insert(subject.clone(), ());
        self.keys.remove(subject);
    }

    /// Drops the key of a subject that an event says is erased, here or on another node.
    pub fn committed(&self, recorded: &Recorded) {
        match &recorded.event {
            // The user is erased, or never was: the key of the address is destroyed.
            Event::Mailbox(
                MailboxEvent::MailboxReleased(_) | MailboxEvent::MailboxForgotten(_),
            ) => self.evict(&recorded.stream),
            Event::User(event) if matches!(**event, UserEvent::UserErased(_)) => {
                self.evict(&recorded.stream);
            }
            Event::Mailbox(_)
            | Event::User(_)
            | Event::Name(_)
            | Event::Touch(_)
            | Event::Rules(_)
            | Event::Audit(_)
            | Event::ApiKey(_)
            | Event::Unknown { .. } => {}
        }
    }

    /// Drops all keys, because it is unknown which subjects were erased.
    pub fn evict_all(&self) {
        self.keys.clear();
    }
}
