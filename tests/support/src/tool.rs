//! Programs that tests start, and that a machine may not have.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A command that runs a program; fails the test with what to do when there is no such program.
#[track_caller]
pub fn program(name: &str) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "where programs are is no setting of the service"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps services where only root looks for programs.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let there = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    Command::new(there.unwrap_or_else(|| {
        panic!("{name} is missing: `scripts/prepare --tests` installs it");
    }))
}

/// Runs a script of the project and returns what it prints; fails the test with what it says when it
/// does not succeed.
#[track_caller]
pub fn script(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(root().join("scripts").join(name)).args(arguments).output();
    let output = output.expect("the script starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "scripts/{name} {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("scripts print text")
}

/// A script of the project that is run by the test itself, as a server is.
pub fn running_script(name: &str) -> Command {
    Command::new(root().join("scripts").join(name))
}

/// The root of the repository.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is two folders below the root").to_owned()
}
