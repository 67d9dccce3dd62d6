//! ARCHITECTURE.md's invariants: who may know and do what.

use std::collections::BTreeMap;

use crate::source::{Source, none, places, read, rust};

#[test]
fn the_domain_is_pure() {
    let mut files = rust("src/domain");
    files.extend(rust("src").into_iter().filter(|file| file.path == "src/domain.rs"));
    let words = [
        "async ",
        ".await",
        "tokio",
        "std::fs",
        "std::net::Tcp",
        "std::io",
        "std::env",
        "std::thread",
        "SystemTime",
        "Instant",
        "Utc::now",
        "rand::",
        "Uuid::new",
        "Uuid::now",
        "crate::store",
        "crate::http",
        "crate::handle",
        "crate::vault",
        "crate::clock",
        "crate::config",
        "crate::app",
        "crate::secrets",
        "crate::mail",
        "whence_projections",
        "rusqlite",
        "tracing::",
        "println!",
        "eprintln!",
    ];
    none(&places(&files, &words), "src/domain does no IO and has no async");
}

#[test]
fn only_handle_appends() {
    let mut files = rust("src");
    files.retain(|file| file.path != "src/handle.rs" && !file.path.starts_with("src/store"));
    // What another log decided already: `whence copy`, and nothing else.
    let others: Vec<_> = files.iter().filter(|file| file.path != "src/copy.rs").collect();
    let imports = others.iter().filter(|file| file.text.contains(".import("));
    let imports: Vec<_> = imports.map(|file| file.path.clone()).collect();
    none(&imports, "only copy.rs imports into a log");
    let appends = |place: &String| {
        // Header maps, paths and vectors append too.
        let (path, rest) = place.split_once(':').unwrap();
        let number: usize = rest.split(':').next().unwrap().parse().unwrap();
        let text = read(path);
        let line = text.lines().nth(number - 1).unwrap();
        line.contains("store.append(") || line.contains("log.append(") || line.contains("Append {")
    };
    let found: Vec<_> = places(&files, &[".append(", "Append {"]);
    let found: Vec<_> = found.into_iter().filter(appends).collect();
    none(&found, "only handle.rs appends to the log");
    assert!(read("src/handle.rs").contains(".append("), "this test looks for the wrong thing");
}

#[test]
fn projections_know_neither_log_nor_http() {
    let words = ["EventStore", "store::", "Append", ".append(", "axum", "hyper", "http::"];
    none(&places(&rust("projections/src"), &words), "projections see events and their own tables");
    let manifest = read("projections/Cargo.toml");
    for word in ["axum", "hyper", "whence.workspace"] {
        assert!(!manifest.contains(word), "projections depend on {word}");
    }
}

#[test]
fn sqlite_has_one_place_among_the_read_models() {
    let mut files = rust("projections/src");
    files.retain(|file| !file.path.starts_with("projections/src/read_db/sqlite"));
    none(&places(&files, &["rusqlite"]), "rusqlite is used in projections/src/read_db/sqlite only");
}

#[test]
fn advisory_locks_have_a_number_each() {
    // Crates that do not know each other take locks in one database: the numbers have to differ.
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    let files = ["src", "events/src", "projections/src"].into_iter().flat_map(rust);
    for file in files {
        for (number, line) in file.code() {
            let Some((name, value)) = line.split_once(": i64 = 0x") else { continue };
            let name = name.split_whitespace().last().unwrap();
            let place = format!("{}:{number}: {name}", file.path);
            if let Some(other) = known.insert(value.replace('_', ""), place.clone()) {
                found.push(format!("{place} has the number of {other}"));
            }
        }
    }
    none(&found, "no two advisory locks have one number");
    assert!(known.len() >= 5, "this test looks for the wrong thing: {known:?}");
}

#[test]
fn only_config_reads_the_environment() {
    let mut files = rust("src");
    files.extend(rust("events/src"));
    files.extend(rust("projections/src"));
    files.retain(|file| !file.path.starts_with("src/config"));
    let words =
        ["env::var", "env::vars", "env::args", "from_env(", "try_from_default_env", "dotenv"];
    none(&places(&files, &words), "only src/config.rs and src/config/ read the environment");
}

#[test]
fn time_and_chance_have_one_home_each() {
    // clippy.toml disallows the calls; this holds the exceptions to their files.
    let without = |home: &str| -> Vec<Source> {
        let all = ["src", "events/src", "projections/src"].into_iter().flat_map(rust);
        all.filter(|file| file.path != home).collect()
    };
    none(&places(&without("src/clock.rs"), &["Utc::now(", "SystemTime::now("]), "src/clock.rs");
    none(
        &places(&without("src/secrets.rs"), &["rand::", "Uuid::new_v4(", "Uuid::now_v7("]),
        "src/secrets.rs",
    );
}
