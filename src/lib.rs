//! whence: passwordless login and attribution out of one append-only event log.

pub mod clock;
pub mod domain;
pub mod http;
pub mod secrets;
