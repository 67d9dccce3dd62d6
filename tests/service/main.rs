//! The API through a real server on a socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod clients;
mod cookies;
mod faults;
mod faulty;
mod frame;
mod hostile;
mod login;
mod raw;
mod referrals;
mod secrecy;
mod session;
