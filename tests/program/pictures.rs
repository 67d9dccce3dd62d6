//! Charts and pages of what views answer: drawn by the real program, looked at by others.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod browser;
mod error_page;
mod page;
mod story;
mod terminal;
