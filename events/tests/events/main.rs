//! The stored bytes: they stay readable, are described by schemas, and never crash a reader.

mod golden;
mod properties;
mod schema;
mod strategies;

use std::path::{Path, PathBuf};

/// Returns the path of a folder of this crate.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Returns the sorted names of the `.json` files in a folder of this crate, without the ending.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no folder, no test")]
fn stems(name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder(name)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut stems: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    stems.sort();
    stems
}

/// Returns the stored example of a type.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no file, no test")]
fn golden_bytes(event_type: &str) -> Vec<u8> {
    std::fs::read(folder("tests/golden").join(format!("{event_type}.json"))).unwrap()
}
