//! What a machine can check of ARCHITECTURE.md's invariants and of the style. Most checks read the
//! source; a file that has to be an exception is named here, with its reason.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod architecture;
mod circles;
mod docs;
mod files;
mod style;
mod words;
mod workspace;
