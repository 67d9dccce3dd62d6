//! The documents: links resolve, commands were run and print what is shown, flags are those of the
//! program.
//!
//! With `WHENCE_UPDATE_DOCS=1` the tests write what they would compare: `docs/flags.md` and the
//! output below each command of a console block. Look at the difference before you commit it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backup;
mod commands;
mod curl;
mod elsewhere;
mod flags;
mod links;
mod lists;
mod markdown;
mod platform;
mod shell;
mod spans;
mod tutorial;

/// Returns whether the documents are to be written instead of compared.
#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not a setting of the service"
)]
fn updates() -> bool {
    std::env::var_os("WHENCE_UPDATE_DOCS").is_some_and(|value| !value.is_empty())
}
