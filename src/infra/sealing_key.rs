//! The cipher that fields and keys are sealed with: AES-256-GCM.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::infra::random::random_bytes;

/// An AES-256-GCM key. Nonces are random (96 bits), so one key seals at most 2^32 values
/// (NIST SP 800-38D, 8.3); a subject has a few thousand, the wrapping key one for each subject.
#[derive(Clone)]
pub struct SealingKey(Arc<LessSafeKey>);

impl SealingKey {
    /// Returns the key with these 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("32 bytes are an AES-256 key");
        Self(Arc::new(LessSafeKey::new(key)))
    }

    /// Returns nonce, ciphertext and tag, 28 bytes more than `clear` has.
    #[must_use]
    pub fn seal(&self, aad: &[u8], clear: &[u8]) -> Vec<u8> {
        let nonce: [u8; 12] = random_bytes();
        let mut sealed = Vec::with_capacity(clear.len() + 28);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(clear);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut sealed[12..],
            )
            .expect("a field is shorter than the 64 GiB that GCM takes");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Returns what was sealed; `None` when key, place or bytes are not the same.
    #[must_use]
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(12)?;
        let mut buffer = rest.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}
