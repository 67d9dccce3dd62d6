//! whence: passwordless login and attribution out of one append-only event log.

pub mod clock;
pub mod domain;
pub mod handle;
pub mod secrets;
pub mod store;
pub mod vault;
