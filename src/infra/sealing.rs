//! Seals personal data with AES-256-GCM, under one key for each subject.
//!
//! The subject of a field is the stream that it is in. A sealed field is one byte that says which
//! key of the subject it needs, a nonce, the ciphertext and its tag. Its stream, version and name
//! are authenticated with it, so that it opens nowhere else.

use std::sync::Arc;

use whence_events::{Event, Sealed, StreamId, Version};

use crate::infra::keys::{Secret, WrappingKeys};
use crate::infra::random::random_bytes;
use crate::infra::sealing_key::SealingKey;

/// The key of one subject, which is a stream: every personal field in it is sealed under this key.
#[derive(Clone)]
pub struct SubjectKey {
    generation: u32,
    /// Clones share the bytes, which are overwritten when the last of them is dropped.
    bytes: Arc<Secret>,
}

impl SubjectKey {
    /// Returns a new random key. `generation` counts the keys that the subject had before.
    #[must_use]
    pub fn generate(generation: u32) -> Self {
        Self { generation, bytes: Arc::new(Secret::new(random_bytes())) }
    }

    /// Returns this key sealed under the wrapping key, as the vault stores it.
    #[must_use]
    pub fn wrap(&self, wrapping: &WrappingKeys, subject: &StreamId) -> Vec<u8> {
        wrapping.seal(&key_place(subject, self.generation), &self.bytes)
    }

    /// Returns the key out of its wrapping, or `None` when another master key wrapped it or it is
    /// damaged.
    #[must_use]
    pub fn unwrap(
        wrapping: &WrappingKeys,
        subject: &StreamId,
        generation: u32,
        wrapped: &[u8],
    ) -> Option<Self> {
        let bytes = wrapping.open(&key_place(subject, generation), wrapped)?;
        Some(Self { generation, bytes: Arc::new(bytes) })
    }

    /// Seals every clear field of an event for its place in the log.
    pub fn seal(&self, subject: &StreamId, version: Version, event: &mut Event) {
        let cipher = SealingKey::new(&self.bytes);
        event.visit_pii(&mut |field, slot| {
            if let Some(clear) = slot.clear_bytes() {
                let mut sealed = vec![generation_byte(self.generation)];
                sealed.extend(cipher.seal(&place(subject, version, field), &clear));
                slot.set_sealed(Sealed(sealed.into()));
            }
        });
    }

    /// Returns the bytes of a sealed field, or `None` when they were sealed under another key of the
    /// subject or for another place.
    #[must_use]
    pub fn open(
        &self,
        subject: &StreamId,
        version: Version,
        field: &str,
        sealed: &Sealed,
    ) -> Option<Vec<u8>> {
        let (generation, sealed) = sealed.0.split_first()?;
        // Another key of the subject sealed it, and that one was destroyed.
        if *generation != generation_byte(self.generation) {
            return None;
        }
        SealingKey::new(&self.bytes).open(&place(subject, version, field), sealed)
    }
}

/// Returns whether the key of a subject, as the vault stores it, opens with a wrapping key.
#[must_use]
pub fn opens(wrapping: &WrappingKeys, subject: &str, generation: u32, wrapped: &[u8]) -> bool {
    subject
        .parse()
        .is_ok_and(|subject| SubjectKey::unwrap(wrapping, &subject, generation, wrapped).is_some())
}

/// Returns what is authenticated with the stored key of a subject.
pub(crate) fn key_place(subject: &StreamId, generation: u32) -> Vec<u8> {
    place(subject, generation.into(), "key")
}

/// Returns what is authenticated with a field, so that it opens nowhere else.
fn place(subject: &StreamId, version: Version, field: &str) -> Vec<u8> {
    format!("{subject}/{version}/{field}").into_bytes()
}

fn generation_byte(generation: u32) -> u8 {
    generation.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_in_their_place() {
        let key = SealingKey::new(&random_bytes());
        let sealed = key.seal(b"here", b"secret");
        assert_eq!(key.open(b"here", &sealed).as_deref(), Some(&b"secret"[..]));
        assert!(key.open(b"there", &sealed).is_none());
        assert!(key.open(b"here", &sealed[..sealed.len() - 1]).is_none());
        assert!(key.open(b"here", b"").is_none());
        assert!(SealingKey::new(&random_bytes()).open(b"here", &sealed).is_none());
    }
}
