//! The terminal: standard output and standard error, signals, and files that a command writes.

pub(crate) mod canvas;
pub(crate) mod logging;
pub(crate) mod output_file;
pub(crate) mod progress;
pub(crate) mod stderr;
pub(crate) mod stdout;
pub(crate) mod stop;
