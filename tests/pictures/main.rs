//! Charts and pages of what views answer: drawn by the real program, looked at by others.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod browser;
mod page;
mod story;
#[path = "../cli/support.rs"]
#[expect(dead_code, reason = "helpers of other tests")]
mod support;
mod terminal;
