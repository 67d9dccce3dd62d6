//! Checkpoints and keys: what the key opens was signed, and a key has one spelling.

use whence::engine::proof::{Checkpoint, Verifier};

/// A checkpoint that was signed under the keys of the corpora.
const SIGNED: &str = include_str!("corpus/checkpoints/signed");

/// The public key of that log.
const KEY: &str = include_str!("corpus/checkpoints/key");

/// Reads a checkpoint, and a key.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(checkpoint) = Checkpoint::open(text, &key()) {
        assert_eq!(Ok(checkpoint), Checkpoint::open(SIGNED, &key()), "a forged checkpoint");
    }
    if let Ok(key) = text.parse::<Verifier>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert!(text.starts_with(&checkpoint.to_string()));
    }
}

/// Returns whether the log's key opens the checkpoint.
#[must_use]
pub fn accepts(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(|text| Checkpoint::open(text, &key()).is_ok())
}

fn key() -> Verifier {
    KEY.trim().parse().expect("a key")
}
