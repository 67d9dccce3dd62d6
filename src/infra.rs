//! The outside world: time, randomness, keys, mail, connections to Postgres, countries,
//! file descriptors.
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
pub mod postgres;
pub mod random;
pub mod sealing;
pub mod tokens;
