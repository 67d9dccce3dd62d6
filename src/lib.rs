//! whence: passwordless login and attribution out of one append-only event log.
//!
//! ARCHITECTURE.md is the map. In reading order: a request comes in through [`http`], becomes a
//! command that [`handle`] has [`domain`] decide and appends to the [`store`]; the [`runner`] folds
//! what was appended into read models; [`app`] is all of it in one value.

pub mod app;
pub mod audit;
pub mod bearer;
pub mod bundle;
mod causes;
pub mod cli;
mod client_limits;
pub mod clock;
pub mod config;
pub mod copy;
mod demo;
pub mod device;
pub mod doctor;
pub mod erasure;
pub mod export;
pub mod geo;
pub mod handle;
pub mod http;
pub mod mail;
pub mod picture;
pub mod postgres;
pub mod proof;
pub mod records;
pub mod remote;
pub mod replay;
pub mod report;
pub mod runner;
mod say;
pub mod secrets;
pub mod sessions;
pub mod store;
pub mod vault;
pub mod verify;

pub use whence_domain as domain;
