//! What is decided, as pure functions: no IO, no async, no clock, no randomness.

pub mod touch;
