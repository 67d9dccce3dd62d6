//! kill -9 of a real process: all that was acknowledged is there, and nothing is there twice.
//!
//! A full disk is not simulated: that takes a file system of its own, hence root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick the events they are about")]

mod client;
#[path = "../common/log.rs"]
mod common_log;
#[path = "../service/stores/sqlite.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with tests/service, which uses all of it")]
mod home;
mod ledger;
mod log;
#[path = "../common/mails.rs"]
mod mails;
#[path = "../common/postgres.rs"]
mod postgres;
mod random;
mod read_db;
mod rebuild;
mod steps;
#[path = "../service/support.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with tests/service, which uses all of it")]
mod support;
