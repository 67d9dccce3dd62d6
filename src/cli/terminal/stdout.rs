//! The one writer to standard output.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write as _};

use anyhow::Context as _;

use crate::infra::plain::{plain_json, plain_lines, plain_value};

/// Writes a text for people to standard output, in which nothing steers a terminal. A reader that has
/// seen enough, such as `head`, is no failure; a full disk is one.
pub(crate) fn print(text: impl Display) -> anyhow::Result<()> {
    print_exact(plain_lines(&text.to_string()))
}

/// Writes a text to standard output as it is: values for programs, and what whence draws itself.
pub(crate) fn print_exact(text: impl Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    check(write!(out, "{text}").and_then(|()| out.flush()))
}

/// Writes a value to standard output as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print_exact(plain_json(&serde_json::to_string_pretty(value)?) + "\n")
}

/// Writes a value to standard output: as text for people, or as JSON. Its words may be of a file or of a
/// service: none of them begins a line of its own.
pub(crate) fn print_text_or_json<T>(value: &T, json: bool) -> anyhow::Result<()>
where
    T: Display + serde::Serialize + serde::de::DeserializeOwned,
{
    if json {
        return print_json(value);
    }
    let plain: T = serde_json::from_value(plain_value(serde_json::to_value(value)?))?;
    print(plain)
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
