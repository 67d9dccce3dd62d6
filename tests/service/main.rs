//! The API through a real server on a socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod attribution;
mod faults;
mod login;
mod onboarding;
mod races;
mod support;
