//! The one writer of lines for people to standard error; log lines are written by `logging`.

use std::fmt::Display;
use std::io::Write as _;

use crate::infra::plain::plain_lines;

/// Writes a line to standard error. A standard error that takes nothing, because its disk is full or
/// its reader is gone, changes nothing about the work that the line is about: the error is ignored.
pub(crate) fn note(line: impl Display) {
    // One write, so that lines of several processes do not mix.
    let line = format!("{}\n", plain_lines(&line.to_string()));
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
