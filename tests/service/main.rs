//! The API through a real server on a socket, over SQLite.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "the modules of one binary")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for its own events")]

#[path = "stores/sqlite.rs"]
mod home;

include!("suite.rs");
