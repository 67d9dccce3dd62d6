//! Tower layers by which a service asks whence who a request is of, and which visit is a landing.
//!
#![doc = include_str!("../README.md")]

mod client;
mod question;
mod session;
mod touch;

pub use client::{InvalidUrl, Whence};
pub use session::{SessionLayer, SessionService, SignedIn};
pub use touch::{TouchLayer, TouchService};
