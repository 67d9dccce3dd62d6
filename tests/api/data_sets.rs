//! The implementation against data that others made.

mod expected;
mod isbot;
mod maxmind;
mod uap_core;

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

/// A folder of the test data beside the project, also found from a worktree elsewhere below.
fn shared_data(folder: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("shared/data").join(folder))
        .find(|candidate| candidate.is_dir());
    if found.is_none() {
        say_skipped(&format!("no folder shared/data/{folder} beside the project or above it"));
    }
    found
}

/// The test harness swallows what a passing test prints by macro, but not this.
fn say_skipped(why: &str) {
    writeln!(stderr(), "\n*** SKIPPED, NOTHING WAS TESTED: {why} ***").expect("stderr is open");
}
