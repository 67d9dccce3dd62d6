//! Several nodes over one Postgres: real processes of the program, and what may happen to them.
//!
//! A full disk is not simulated: that takes a file system of its own, hence root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick the events they are about")]

mod api_keys;
mod client;
mod clocks;
mod cluster;
mod coherence;
mod duties;
mod failover;
mod killed;
mod ledger;
mod limits;
mod out_of_touch;
mod proxy;
mod races;
mod refresh;
