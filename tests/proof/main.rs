//! Proof that the log is unaltered: what is signed, what is told of a log that was changed by hand, and
//! evidence that is checked by whoever has the public key alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod altered;
mod bundle;
#[cfg(feature = "kurrentdb")]
#[path = "../kurrentdb_double/double.rs"]
#[expect(dead_code, reason = "the double can be told more than is needed here")]
mod kurrentdb_double;
mod log;
mod other_stores;
#[path = "../common/postgres.rs"]
mod postgres;
mod served;
#[path = "../cli/support.rs"]
#[expect(dead_code, reason = "helpers of other tests")]
mod support;
