//! whence: passwordless login and attribution out of one append-only event log.
//!
//! # Layout
//!
//! A floor uses only the floors above it in this list, and the modules of one floor do not know each
//! other; `tests/tidy` holds that. ARCHITECTURE.md is the map.
//!
//! - [`domain`]: what may happen, decided by pure functions on one stream. [`infra`]: the world outside:
//!   time, randomness, keys, mail, countries.
//! - [`store`]: the log: its contract, and SQLite, Postgres and KurrentDB behind it.
//! - [`engine`]: an opened log with its keys, commands and read models.
//! - [`app`]: a service: its settings, sessions, attribution, onboarding. [`insight`]: what the log tells
//!   analysts and auditors.
//! - [`http`]: the API.
//! - [`cli`]: the program.

pub use whence_domain as domain;
pub mod infra;

pub mod store;

pub mod engine;

pub mod app;
pub mod insight;

pub mod http;

pub mod cli;
