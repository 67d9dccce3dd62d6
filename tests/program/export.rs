//! `whence export`, as the real program, read back by other code than wrote it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod complete;
mod expected;
mod log;
mod output;
mod personal;
mod range;
mod reader;
mod view;
