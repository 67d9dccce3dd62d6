//! Proof that the log is unaltered: what is signed, what is told of a log that was changed by hand, and
//! evidence that is checked by whoever has the public key alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod altered;
mod bundle;
mod log;
mod other_stores;
mod served;
