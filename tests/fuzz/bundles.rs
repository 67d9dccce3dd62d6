//! Bundles of evidence: the only one that the key opens is the one that was made, byte for byte.

use whence::engine::proof::Verifier;
use whence::insight::bundle::check_bytes;

/// A bundle that was made under the keys of the corpora.
const MADE: &[u8] = include_bytes!("corpus/bundles/made");

/// The public key of the log that it is of.
const KEY: &str = include_str!("corpus/checkpoints/key");

/// Reads a bundle.
pub fn run(data: &[u8]) {
    assert!(!accepts(data) || data == MADE, "a changed bundle");
    // Without a key it is held against the one that stands in it.
    if let Ok(report) = check_bytes(data, None) {
        assert!(!report.key_was_given);
    }
}

/// Returns whether the log's key opens the bundle.
#[must_use]
pub fn accepts(data: &[u8]) -> bool {
    let key: Verifier = KEY.trim().parse().expect("a key");
    check_bytes(data, Some(&key)).is_ok()
}
