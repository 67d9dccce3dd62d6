//! What a command prints, to whoever still listens.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;

/// Writes to standard output. A reader that has seen enough, such as `head`, is no failure.
///
/// # Errors
/// When it cannot be written otherwise.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said.context("cannot write to standard output"),
    }
}

/// The same for a value, as JSON.
///
/// # Errors
/// The same.
pub(crate) fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(&(serde_json::to_string_pretty(value)? + "\n"))
}
