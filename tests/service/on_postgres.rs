//! The API through a real server on a socket, over Postgres.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "the modules of one binary")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for its own events")]

#[path = "stores/postgres.rs"]
mod home;
#[path = "../common/postgres.rs"]
mod postgres;

include!("suite.rs");
