//! Names and docs: one thing a name, and sentences that say something.

use std::collections::BTreeMap;

use whence_tidy::source::{Source, none, rust};

/// The source of each crate, as folders, without the folders of other crates in it.
const CRATES: &[(&str, &str)] =
    &[("events/src", ""), ("src/domain", ""), ("projections/src", ""), ("src", "src/domain/")];

fn files(folder: &str, without: &str) -> Vec<Source> {
    let mut files = rust(folder);
    files.retain(|file| without.is_empty() || !file.path.starts_with(without));
    files.retain(|file| !file.is_test());
    files
}

/// The name that a line gives to a type of its own; associated types of a trait have the trait's name.
fn type_name(line: &str) -> Option<&str> {
    let item = line.trim_start();
    let visible = item.strip_prefix("pub");
    let item = visible.map_or(item, |rest| {
        rest.split_once(')').filter(|_| rest.starts_with('(')).map_or(rest, |(_, rest)| rest)
    });
    let kinds = ["struct ", "enum ", "trait "];
    let name = kinds.iter().find_map(|kind| item.trim_start().strip_prefix(kind))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

#[test]
fn no_type_name_means_two_things() {
    let mut found = Vec::new();
    for (folder, without) in CRATES {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for file in files(folder, without) {
            for (number, line) in file.code() {
                let Some(name) = type_name(line) else { continue };
                let place = format!("{}:{number}", file.path);
                if let Some(other) = known.insert(name.to_owned(), place.clone()) {
                    found.push(format!("{name}: {other} and {place}"));
                }
            }
        }
        assert!(known.len() > 10, "this test looks for the wrong thing in {folder}");
    }
    none(&found, "a crate has one type of a name");
}

#[test]
fn docs_are_more_than_a_word() {
    let mut found = Vec::new();
    for (folder, without) in CRATES {
        for file in files(folder, without) {
            let mut above = "";
            for (number, line) in file.lines() {
                let line = line.trim_start();
                let text = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
                let first = !above.starts_with("///") && !above.starts_with("//!");
                if first && text.is_some_and(|text| !text.trim_end().contains(' ')) {
                    found.push(format!("{}:{number}: {line}", file.path));
                }
                above = line;
            }
        }
    }
    none(&found, "the first line of a doc is a sentence");
}

#[test]
fn errors_are_documented_on_their_types() {
    let mut found = Vec::new();
    for (folder, without) in CRATES {
        for file in files(folder, without) {
            let sections = file.lines().filter(|(_, line)| line.contains("/// # Errors"));
            found.extend(sections.map(|(number, _)| format!("{}:{number}", file.path)));
        }
    }
    none(&found, "an error says on its type what it means");
}
