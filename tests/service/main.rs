//! The API through a real server on a socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "the modules of one binary")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for its own events")]

mod support;

mod attribution;
mod broken;
mod clients;
mod cookies;
mod faults;
mod frame;
mod hostile;
mod login;
mod onboarding;
mod races;
mod raw;
mod referrals;
mod secrecy;
mod session;
mod slug;
