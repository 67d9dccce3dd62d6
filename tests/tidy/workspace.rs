//! The manifests and the scripts: nothing in them is unused or unexplained.

use std::collections::BTreeSet;

use whence_tidy::source::{none, read, rust};

/// Dependencies of which no source file speaks, each with its reason.
const UNSPOKEN: &[(&str, &str)] = &[("ua-parser", "its package carries the cases of uap-core")];

/// The folders of the packages; the root is "".
fn packages() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let (_, members) = manifest.split_once("\nmembers = [").expect("a list of members");
    let (members, _) = members.split_once(']').expect("its end");
    let names = members.split('"').skip(1).step_by(2).map(|name| format!("{name}/"));
    names.chain([String::new()]).collect()
}

/// The lines of some tables of a manifest: the name of a dependency, and the rest.
fn dependencies(manifest: &str, tables: &[&str]) -> Vec<(String, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = tables.contains(&line);
        } else if let Some((name, rest)) = line.split_once('=').filter(|_| inside) {
            let name = name.trim().trim_end_matches(".workspace");
            if !name.starts_with('#') {
                found.push((name.to_owned(), rest.to_owned()));
            }
        }
    }
    found
}

const OF_A_PACKAGE: &[&str] = &["[dependencies]", "[dev-dependencies]", "[build-dependencies]"];

#[test]
fn every_dependency_of_the_workspace_is_one_of_a_package() {
    let manifests = packages().into_iter().map(|folder| read(&format!("{folder}Cargo.toml")));
    let used = manifests.flat_map(|manifest| dependencies(&manifest, OF_A_PACKAGE));
    let used: BTreeSet<_> = used.map(|(name, _)| name).collect();
    let all = dependencies(&read("Cargo.toml"), &["[workspace.dependencies]"]);
    assert!(all.len() > 50, "only {} dependencies were found", all.len());
    let unused = all.into_iter().map(|(name, _)| name).filter(|name| !used.contains(name));
    none(&unused.collect::<Vec<_>>(), "no package depends on these");
}

#[test]
fn every_dependency_of_a_package_is_spoken_of() {
    let packages = packages();
    let mut found = Vec::new();
    for folder in &packages {
        let mut files = rust(folder);
        // Of the root's files, those that belong to no other package.
        let nested = |path: &str| {
            let others = packages.iter().filter(|other| other.len() > folder.len());
            others.into_iter().any(|other| path.starts_with(other.as_str()))
        };
        files.retain(|file| !nested(&file.path));
        for (name, _) in dependencies(&read(&format!("{folder}Cargo.toml")), OF_A_PACKAGE) {
            let word = name.replace('-', "_");
            let spoken = [format!("{word}::"), format!("use {word};"), format!("{word} as ")];
            let spoken =
                files.iter().any(|file| spoken.iter().any(|word| file.text.contains(word)));
            let itself = folder.trim_end_matches('/') == name.trim_start_matches("whence-");
            if !spoken && !itself && !UNSPOKEN.iter().any(|(known, _)| *known == name) {
                found.push(format!("{folder}Cargo.toml: {name}"));
            }
        }
    }
    none(&found, "no source file of the package speaks of these");
}

/// What a package names, and what those name, by the lock file.
fn tree(package: &str) -> BTreeSet<String> {
    let lock = read("Cargo.lock");
    let entry = |name: &str| {
        let entries = lock.split("[[package]]");
        entries
            .filter(|entry| entry.contains(&format!("\nname = \"{name}\"\n")))
            .collect::<Vec<_>>()
    };
    let (mut found, mut next) = (BTreeSet::new(), vec![package.to_owned()]);
    while let Some(name) = next.pop() {
        for entry in entry(&name) {
            let names = entry.split_once("dependencies = [").map_or("", |(_, names)| names);
            let names = names.split('"').skip(1).step_by(2);
            next.extend(names.map(|name| name.split(' ').next().unwrap().to_owned()));
        }
        next.retain(|other| !found.contains(other));
        found.insert(name);
    }
    found
}

#[test]
fn a_service_that_asks_whence_brings_no_store() {
    let tree = tree("whence-client");
    assert!(tree.contains("hyper") && tree.len() < 120, "{} packages", tree.len());
    let heavy = [
        "whence",
        "whence-domain",
        "whence-events",
        "whence-projections",
        "rusqlite",
        "libsqlite3-sys",
        "tokio-postgres",
        "deadpool-postgres",
        "kurrentdb",
        "tonic",
        "prost",
        "aws-lc-sys",
        "rustls",
        "lettre",
        "clap",
        "parquet",
    ];
    let brought = heavy.into_iter().filter(|name| tree.contains(*name)).map(str::to_owned);
    none(&brought.collect::<Vec<_>>(), "whence-client depends on none of these");
}

#[test]
fn every_script_says_in_one_line_what_it_does() {
    let mut scripts: Vec<_> =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file() && path.extension().is_none())
            .map(|path| format!("scripts/{}", path.file_name().unwrap().to_str().unwrap()))
            .chain(["scripts/bench/run".to_owned()])
            .collect();
    scripts.sort();
    assert!(scripts.len() >= 9, "only {scripts:?} were found");
    let silent = |path: &String| {
        let text = read(path);
        let line = text.lines().nth(1).unwrap_or_default();
        let says = line.strip_prefix("# ").is_some_and(|says| {
            says.starts_with(|first: char| first.is_ascii_uppercase()) && says.ends_with('.')
        });
        !says || line.len() > 110
    };
    none(
        &scripts.into_iter().filter(silent).collect::<Vec<_>>(),
        "the second line of a script says what it does, for scripts/help",
    );
}
