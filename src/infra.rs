//! The world outside: time, randomness, keys, mail, the network of Postgres, countries.
//!
//! Nothing here knows what an account or an event store is. Time comes from [`clock`] alone, randomness
//! from [`random`] alone.

pub mod clock;
pub mod errors;
pub mod geo;
pub mod hash;
pub mod keys;
pub mod mail;
pub mod postgres;
pub mod random;
pub mod sealing;
pub mod tokens;
