//! ARCHITECTURE.md's invariants: who may know and do what.

use crate::source::{Source, none, places, read, rust};

/// All that a decision may stand on: none of these reads, writes, waits, or knows the time.
const DOMAIN_NEEDS: &[&str] = &["whence-events", "psl", "thiserror", "url"];

#[test]
fn the_domain_is_pure() {
    let manifest = read("src/domain/Cargo.toml");
    let (_, needs) = manifest.split_once("\n[dependencies]\n").unwrap();
    let needs = needs.lines().take_while(|line| !line.starts_with('['));
    let needs: Vec<_> = needs.filter_map(|line| line.split(['.', ' ', '=']).next()).collect();
    let needs: Vec<_> = needs.into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(needs, DOMAIN_NEEDS, "the dependencies of src/domain");
    for table in ["build-dependencies", "target.", "dependencies."] {
        assert!(!manifest.contains(&format!("[{table}")), "src/domain has [{table}..]");
    }
    // What the standard library would do by itself.
    let words = [
        "async ",
        ".await",
        "std::env",
        "std::fs",
        "std::io",
        "std::net::Tcp",
        "std::net::Udp",
        "std::net::ToSocketAddrs",
        "std::os",
        "std::process",
        "std::thread",
        "std::time::Instant",
        "std::time::SystemTime",
        "Instant::now",
        "SystemTime::now",
        "print!",
        "println!",
        // A group of imports would hide from this list what is in it.
        "std::{",
    ];
    none(&places(&rust("src/domain"), &words), "src/domain does no IO and has no async");
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
