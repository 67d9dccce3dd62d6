//! The API through a real server on a socket, over a double of KurrentDB.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "the modules of one binary")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for its own events")]

#[path = "../kurrentdb_double/double.rs"]
#[expect(dead_code, reason = "shared with tests/store_contract, which uses all of it")]
mod double;
#[path = "stores/kurrentdb.rs"]
mod home;
#[path = "../common/postgres.rs"]
mod postgres;

include!("suite.rs");
