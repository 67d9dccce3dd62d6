//! whence: passwordless login and attribution out of one append-only event log.

pub mod mail;
