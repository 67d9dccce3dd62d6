//! What the tests of several binaries share, and the benchmark: throw-away servers, a double of
//! `KurrentDB`, and readers of what the program leaves behind.
#![expect(missing_docs, reason = "helpers of tests: most names say all there is to say")]
#![expect(
    clippy::must_use_candidate,
    reason = "some of what helpers return is for some tests only"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick the events they are about")]

pub mod kurrentdb_double;
pub mod log;
pub mod mails;
pub mod ports;
pub mod postgres;
pub mod tool;
