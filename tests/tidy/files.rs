//! No test is forgotten: every file is part of a target, and what looks like a test is one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use whence_tidy::source::{ROOT, Source, none, rust};

/// The targets of all packages, as cargo sees them.
fn targets() -> Vec<Value> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version=1"];
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(arguments).current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.flat_map(|package| package["targets"].as_array().unwrap()).cloned().collect()
}

/// The files of a target.
fn files_of(target: &Value) -> BTreeSet<PathBuf> {
    let root = PathBuf::from(target["src_path"].as_str().unwrap());
    let mut reached = BTreeSet::new();
    follow(&root, root.parent().unwrap(), &mut reached);
    reached
}

/// Adds a file and all those that its `mod` lines lead to.
fn follow(file: &Path, submodules: &Path, reached: &mut BTreeSet<PathBuf>) {
    reached.insert(file.to_owned());
    let text = std::fs::read_to_string(file).unwrap();
    for name in text.lines().filter_map(module) {
        let path = submodules.join(format!("{name}.rs"));
        if path.is_file() {
            follow(&path, &submodules.join(name), reached);
        }
    }
}

/// The name in a line that declares a module in a file of its own.
fn module(line: &str) -> Option<&str> {
    let (visibility, name) = line.trim().strip_suffix(';')?.split_once("mod ")?;
    let visible = visibility.is_empty() || visibility.starts_with("pub");
    visible.then_some(name)
}

#[test]
fn every_file_belongs_to_a_target() {
    let reached: BTreeSet<_> = targets().iter().flat_map(files_of).collect();
    let here = Path::new(ROOT).canonicalize().unwrap();
    let forgotten = rust("").into_iter().map(|file| file.path);
    let forgotten: Vec<_> = forgotten.filter(|path| !reached.contains(&here.join(path))).collect();
    none(&forgotten, "no `mod` line leads to these files: none of their tests runs");
}

#[test]
fn code_is_shared_by_crates() {
    // Spelt in two halves, for this file is read as well.
    let words = [concat!("#[pa", "th"), concat!("incl", "ude!(")];
    let mut found = Vec::new();
    for file in rust("") {
        for (number, line) in file.lines() {
            if words.iter().any(|word| line.trim_start().starts_with(word)) {
                found.push(format!("{}:{number}: {line}", file.path));
            }
        }
    }
    none(&found, "code is compiled once, where its folder says that it is");
}

#[test]
fn no_target_with_tests_is_left_out() {
    let mut found = Vec::new();
    for target in targets().iter().filter(|target| target["test"] == false) {
        for file in files_of(target) {
            let text = std::fs::read_to_string(&file).unwrap();
            if text.lines().any(|line| line.trim_start().starts_with("#[test]")) {
                found.push(file.display().to_string());
            }
        }
    }
    none(&found, "`cargo test` leaves out the targets of these files");
}

#[test]
fn every_property_is_a_test() {
    let found: Vec<_> = rust("").iter().flat_map(untested_properties).collect();
    none(&found, "a function inside of proptest! has #[test]");
}

/// Functions inside of `proptest!` without `#[test]`: rustfmt does not look in there, but they are
/// indented by one level.
fn untested_properties(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside: Option<String> = None;
    let mut is_test = false;
    for (number, line) in file.lines() {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        let Some(of) = &inside else {
            if text.starts_with("proptest! {") || text.starts_with("proptest::proptest! {") {
                inside = Some(indent.to_owned());
            }
            continue;
        };
        if of == indent && text == "}" {
            inside = None;
        } else if indent.len() == of.len() + 4 {
            is_test |= text == "#[test]";
            if text.starts_with("fn ") {
                if !is_test {
                    found.push(format!("{}:{number}: {text}", file.path));
                }
                is_test = false;
            }
        }
    }
    found
}
