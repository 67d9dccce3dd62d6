//! The one writer to standard output.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write as _};

use anyhow::Context as _;

/// Writes a text to standard output. A reader that has seen enough, such as `head`, is no failure; a
/// full disk is one.
pub(crate) fn print(text: impl Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    check(write!(out, "{text}").and_then(|()| out.flush()))
}

/// Writes a value to standard output as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(serde_json::to_string_pretty(value)? + "\n")
}

/// Writes a value to standard output: as text for people, or as JSON.
pub(crate) fn print_text_or_json<T>(value: &T, json: bool) -> anyhow::Result<()>
where
    T: Display + serde::Serialize,
{
    if json { print_json(value) } else { print(value) }
}

/// Writes the help or the version that clap made, in colours where the terminal has them.
pub(crate) fn print_help(help: &clap::Error) -> anyhow::Result<()> {
    check(help.print().and_then(|()| std::io::stdout().flush()))
}

/// Returns the error of a write to standard output; a reader that is gone is none.
fn check(written: Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
