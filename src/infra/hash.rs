//! Computes SHA-256 and HMAC-SHA-256.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use whence_events::{Hash, Mac};

/// Returns the SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Hash(hash)
}

/// Returns HMAC-SHA-256 over the parts, cut to its first 128 bits.
pub(super) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Mac {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&context.sign().as_ref()[..16]);
    Mac(short)
}
