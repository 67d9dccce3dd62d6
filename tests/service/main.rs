//! The API through a real server on a socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick the events they are about")]

mod attribution;
mod faults;
mod login;
mod onboarding;
mod races;
mod support;
