//! whence: passwordless login and attribution out of one append-only event log.

pub mod clock;
pub mod config;
pub mod device;
pub mod domain;
pub mod geo;
pub mod handle;
pub mod http;
pub mod mail;
pub mod runner;
pub mod secrets;
pub mod sessions;
pub mod store;
pub mod vault;
