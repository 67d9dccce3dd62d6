//! The implementation against data that others made.

mod bots;
mod expected;
mod isbot;
mod maxmind;
mod uap_core;

use std::path::{Path, PathBuf};

/// A folder of `tests/data`.
fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}
