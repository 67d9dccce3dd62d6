//! ARCHITECTURE.md's invariants: who may know and do what.

use std::collections::{BTreeMap, BTreeSet};

use whence_tidy::FLOORS;
use whence_tidy::source::{Source, none, places, read, rust};

/// All that a decision may stand on: none of these reads, writes, waits, or knows the time.
const DOMAIN_NEEDS: &[&str] =
    &["whence-events", "psl", "thiserror", "unicode-normalization", "url"];

#[test]
fn a_floor_uses_only_floors_below_it() {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut found = Vec::new();
    for file in rust("src") {
        let room = file.path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or("");
        // `domain` is a crate of its own, which knows none of the others.
        let Some(here) = floor(room).filter(|_| room != "domain") else { continue };
        for (number, line) in file.code() {
            for rest in line.split("crate::").skip(1) {
                let used = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
                let used = used.unwrap_or("");
                if used.is_empty() {
                    found.push(format!("{}:{number}: one path a line, not `crate::{{`", file.path));
                } else if used != room && floor(used).is_none_or(|there| there >= here) {
                    found.push(format!("{}:{number}: {room} uses {used}", file.path));
                }
            }
        }
    }
    none(&found, "a floor uses only floors below it");
}

#[test]
fn src_has_these_rooms() {
    let rooms: BTreeSet<String> = FLOORS.concat().into_iter().map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        found.insert(name.trim_end_matches(".rs").to_owned());
    }
    found.retain(|name| name != "lib" && name != "main");
    assert_eq!(found, rooms, "src has one folder a room, and FLOORS names each");
}

#[test]
fn lib_rs_names_the_floors_in_reading_order() {
    let text = read("src/lib.rs");
    let named = text.lines().filter_map(|line| {
        let module = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
        Some(module.to_owned())
    });
    let reexported = text.lines().filter_map(|line| {
        let name = line.strip_prefix("pub use whence_domain as ")?.strip_suffix(';')?;
        Some(name.to_owned())
    });
    let named: Vec<String> = reexported.chain(named).collect();
    assert_eq!(named, FLOORS.concat());
}

#[test]
fn only_cli_knows_clap_the_environment_and_the_terminal() {
    let mut files = rust("src");
    files.retain(|file| {
        let program = file.path.starts_with("src/cli") || file.path == "src/main.rs";
        // The names of formats are words of the command line as well.
        !program && file.path != "src/insight/export/encoder.rs"
    });
    let words = [
        "clap::",
        "env::var",
        "println!",
        "eprintln!",
        "print!(",
        "eprint!(",
        "stdout()",
        "stderr()",
        "indicatif",
        "terminal_size",
        "is_terminal",
    ];
    none(&places(&files, &words), "the terminal and the command line are the business of src/cli");
}

#[test]
fn each_output_has_one_writer() {
    // The macros panic when nobody reads any more, or when the disk is full.
    let macros = ["print!(", "println!(", "eprint!(", "eprintln!("];
    none(&places(&rust("src"), &macros), "src/cli/terminal writes to standard output and error");
    let mut files = rust("src/cli");
    let homes = ["src/cli/terminal/stdout.rs", "src/cli/terminal/stderr.rs"];
    files.retain(|file| !homes.contains(&file.path.as_str()));
    let found = places(&files, &["stdout().lock", "stderr().lock", "stdout(),"]);
    none(&found, "one file writes to standard output, and one to standard error");
}

#[test]
fn a_command_owns_its_flags() {
    let mut files = rust("src");
    files.retain(|file| !file.path.starts_with("src/cli"));
    none(&places(&files, &["derive(Args", "env = \""]), "flags are defined under src/cli");
}

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
fn only_the_handler_appends() {
    let home = "src/engine/handler.rs";
    let mut files = rust("src");
    files.retain(|file| file.path != home && !file.path.starts_with("src/store"));
    // What another log decided already: `whence copy`, and nothing else.
    let others: Vec<_> = files.iter().filter(|file| file.path != "src/engine/copy.rs").collect();
    let imports = others.iter().filter(|file| file.text.contains(".import("));
    let imports: Vec<_> = imports.map(|file| file.path.clone()).collect();
    none(&imports, "only engine/copy.rs imports into a log");
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
    none(&found, "only engine/handler.rs appends to the log");
    assert!(read(home).contains(".append("), "this test looks for the wrong thing");
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
fn one_file_reads_the_environment() {
    let mut files = rust("src");
    files.extend(rust("events/src"));
    files.extend(rust("projections/src"));
    files.retain(|file| file.path != "src/cli/flags/environment.rs");
    let words =
        ["env::var", "env::vars", "env::args", "from_env(", "try_from_default_env", "dotenv"];
    none(&places(&files, &words), "only src/cli/flags/environment.rs reads the environment");
}

#[test]
fn time_and_chance_have_one_home_each() {
    // clippy.toml disallows the calls; this holds the exceptions to their files.
    let without = |home: &str| -> Vec<Source> {
        let all = ["src", "events/src", "projections/src"].into_iter().flat_map(rust);
        all.filter(|file| file.path != home).collect()
    };
    none(
        &places(&without("src/infra/clock.rs"), &["Utc::now(", "SystemTime::now("]),
        "src/infra/clock.rs",
    );
    none(
        &places(&without("src/infra/random.rs"), &["rand::", "Uuid::new_v4(", "Uuid::now_v7("]),
        "src/infra/random.rs",
    );
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
