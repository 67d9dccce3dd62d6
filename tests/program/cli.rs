//! The program as its users start it: good input, bad input, the demo.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_flags;
mod bad_places;
mod demo;
mod development;
mod help;
mod serve;
mod streams;
