//! The outside world: time, randomness, keys, mail, connections to Postgres, countries, file
//! descriptors, and what the process says of itself: the security log and metrics.
//!
//! Nothing here knows accounts or event stores. Time comes from [`clock`] alone, randomness
//! from [`random`] alone.

pub mod clock;
pub mod core_dumps;
pub mod descriptors;
pub mod errors;
pub mod geo;
pub mod hash;
pub mod keys;
pub mod mail;
pub mod metrics;
pub mod plain;
pub mod postgres;
pub mod random;
pub mod sealing;
pub mod sealing_key;
pub mod security;
pub mod tokens;
