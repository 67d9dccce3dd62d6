//! kill -9 of a real process: all that was acknowledged is there, and nothing is there twice.
//!
//! A full disk is not simulated: that takes a file system of its own, hence root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick the events they are about")]

mod address;
mod child;
mod client;
mod erasure;
mod ledger;
mod log;
mod random;
mod read_db;
mod rebuild;
mod steps;
