//! The files of the repository, as the checks read them.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A source file.
pub struct Source {
    /// Its path from the root of the repository.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// Returns its lines, numbered from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Returns the lines in front of its unit tests, comments cut off; none when all of it is tests.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = if self.is_test() { "" } else { &self.text };
        let program = lines.lines().take_while(|line| !line.ends_with("mod tests {"));
        program.enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("")))
    }

    /// Returns whether all of the file is tests.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
    }
}

fn collect(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let skipped = name == "target" || name == ".git" || name == "node_modules";
        if path.is_dir() && !skipped && !path.is_symlink() {
            collect(&path, ending, found);
        } else if path.is_file() && name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// Returns the files below a directory of the repository whose names end so.
#[must_use]
pub fn sources(below: &str, ending: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&Path::new(ROOT).join(below), ending, &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source {
        text: String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
        path: path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned(),
    };
    paths.into_iter().map(read).collect()
}

/// Returns the Rust files below a directory of the repository.
#[must_use]
pub fn rust(below: &str) -> Vec<Source> {
    let found = sources(below, ".rs");
    assert!(!found.is_empty(), "there is nothing below {below}");
    found
}

/// Returns the text of a file of the repository.
#[must_use]
pub fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// Fails with the list, when there is one.
#[track_caller]
pub fn none(offences: &[String], rule: &str) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

/// Returns the places whose code holds one of the words.
#[must_use]
pub fn places(files: &[Source], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.code() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    found
}
