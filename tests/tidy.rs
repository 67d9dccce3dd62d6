//! What a machine can check of ARCHITECTURE.md's invariants and of the style. Most checks read the
//! source; a file that has to be an exception is named here, with its reason.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A source file.
struct Source {
    /// From the root of the repository.
    path: String,
    text: String,
}

impl Source {
    /// Its lines, numbered from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines in front of its unit tests, comments cut off; none when all of it is tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = if self.is_test() { "" } else { &self.text };
        let program = lines.lines().take_while(|line| !line.ends_with("mod tests {"));
        program.enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("")))
    }

    fn is_test(&self) -> bool {
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

/// The files below a directory of the repository whose names end so.
fn sources(below: &str, ending: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&Path::new(ROOT).join(below), ending, &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source {
        text: String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
        path: path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned(),
    };
    paths.into_iter().map(read).collect()
}

fn rust(below: &str) -> Vec<Source> {
    let found = sources(below, ".rs");
    assert!(!found.is_empty(), "there is nothing below {below}");
    found
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// Fails with the list, when there is one.
#[track_caller]
fn none(offences: &[String], rule: &str) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

/// Places whose code holds one of the words.
fn places(files: &[Source], words: &[&str]) -> Vec<String> {
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

#[test]
fn files_are_short() {
    let long = rust("").into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > 500).then(|| format!("{}: {lines} lines", file.path))
    });
    none(&long.collect::<Vec<_>>(), "a file has at most 500 lines");
}

/// One match with an arm for each change of a read model: cut in two it would be harder to read.
const LONG_FUNCTIONS: &[(&str, &str)] = &[("projections/src/read_db/apply.rs", "change")];

/// rustfmt has laid the source out: a function ends with the first brace at its own indentation.
#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for file in rust("") {
        let mut open: Option<(usize, String, String)> = None;
        for (number, line) in file.lines() {
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            if let Some((start, of, name)) = &open {
                let text = line.trim_start();
                // A declaration without a body, such as a trait's.
                if *of == indent && text.starts_with(')') && text.ends_with(';') {
                    open = None;
                } else if *of == indent && text.starts_with('}') {
                    let length = number - start + 1;
                    let excepted = LONG_FUNCTIONS.contains(&(file.path.as_str(), name.as_str()));
                    if length > 70 && !excepted {
                        found.push(format!("{}:{start}: {name} has {length} lines", file.path));
                    }
                    open = None;
                }
            } else if let Some(name) = function_name(line)
                && !line.ends_with(';')
                && !line.ends_with('}')
            {
                open = Some((number, indent, name.to_owned()));
            }
        }
    }
    none(&found, "a function has at most 70 lines");
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let before = words.by_ref().take_while(|word| *word != "fn");
    let modifiers = ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe", "extern"];
    let only_modifiers = before.into_iter().all(|word| modifiers.contains(&word));
    let name = line.split("fn ").nth(1)?;
    only_modifiers.then(|| name.split(['(', '<']).next().unwrap_or(name))
}

#[test]
fn nothing_is_left_undone_or_allowed_in_silence() {
    // Spelt in two halves, for this file is read as well.
    let words = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("#[ign", "ore"),
        concat!("#[al", "low("),
        concat!("#![al", "low("),
    ];
    let mut found = Vec::new();
    for file in rust("") {
        for (number, line) in file.lines() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    none(&found, "no placeholders, no ignored tests, no bare allow");
    let modules = rust("").into_iter().map(|file| file.path);
    let modules: Vec<_> = modules.filter(|path| path.ends_with("/mod.rs")).collect();
    none(&modules, "foo.rs and foo/, never mod.rs");
}

#[test]
fn what_is_to_be_done_has_an_issue() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut found = Vec::new();
    for ending in [".rs", ".sql", ".md", ".toml"] {
        for file in sources("", ending) {
            for (number, line) in file.lines() {
                let marked = marks.iter().any(|mark| line.contains(mark));
                let style_rule = file.path == "CONTRIBUTING.md";
                if marked && !line.contains("(#") && !style_rule {
                    found.push(format!("{}:{number}", file.path));
                }
            }
        }
    }
    none(&found, "a note of what is to be done names its issue, like (#12)");
}

#[test]
fn nothing_tells_where_it_was_built() {
    let traces = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut found = Vec::new();
    for ending in [".rs", ".sql", ".md", ".toml", ".lock", ".txt", ".html", ".js", ".json"] {
        // Test data that others wrote is as they wrote it.
        let files = sources("", ending).into_iter();
        for file in files.filter(|file| !file.path.starts_with("tests/data/")) {
            for (number, line) in file.lines() {
                if traces.iter().any(|trace| line.contains(trace)) {
                    found.push(format!("{}:{number}", file.path));
                }
            }
        }
    }
    none(&found, "no path of a machine belongs into the repository");
}

#[test]
fn expectations_have_reasons() {
    let mut found = Vec::new();
    for file in rust("") {
        let starts = file.text.match_indices("expect(clippy::").map(|(at, _)| at);
        for at in starts {
            let attribute = file.text[at..].split(")]").next().unwrap_or("");
            if !attribute.contains("reason = ") && !file.text[..at].ends_with('"') {
                let number = file.text[..at].lines().count();
                found.push(format!("{}:{number}", file.path));
            }
        }
    }
    none(&found, "an expectation says why");
}

#[test]
fn every_variable_is_in_the_readme() {
    let readme = read("README.md");
    let files = ["flags", "copy", "doctor", "verify", "operate", "audit"];
    let files = files.map(|file| format!("src/config/{file}.rs"));
    let flags = files.map(|file| read(&file)).concat();
    let variables: Vec<_> = flags.split("env = \"").skip(1).collect();
    // Commands share some.
    let variables: BTreeSet<_> =
        variables.iter().map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(variables.len() >= 33, "only {} were found", variables.len());
    for variable in &variables {
        let flag = variable.trim_start_matches("WHENCE_").to_lowercase().replace('_', "-");
        let row = format!("| `--{flag}` | `{variable}` |");
        assert!(readme.contains(&row), "the README has no row {row}");
    }
    let rows = readme.lines().filter(|line| line.starts_with("| `--")).count();
    assert_eq!(rows, variables.len(), "the README has rows of flags that are gone");
}

#[test]
fn every_route_is_in_the_readme() {
    let readme = read("README.md");
    let mut routes = 0;
    for file in ["src/http.rs", "src/http/touch.rs"] {
        let code = read(file);
        for rest in code.split(".route(").skip(1) {
            let path = rest.split('"').nth(1).unwrap();
            // get(a).delete(b), as far as the next route.
            let methods = rest.split(".route(").next().unwrap();
            let known =
                [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("delete(", "DELETE")];
            for (call, method) in known {
                let called = [format!(" {call}"), format!(".{call}"), format!("\n{call}")];
                if called.iter().any(|called| methods.contains(called)) {
                    let row = format!("`{method} {path}`");
                    assert!(readme.contains(&row), "the README does not name {row}");
                    routes += 1;
                }
            }
        }
    }
    assert!(routes >= 16, "only {routes} routes were found");
}

#[test]
fn tests_are_told_apart_from_the_program() {
    // The checks above read `code()`, which ends where tests begin: at the end of a file.
    let mut found = Vec::new();
    for file in rust("src").into_iter().filter(|file| !file.is_test()) {
        let mut lines = file.text.lines().skip_while(|line| *line != "mod tests {");
        let after = lines.by_ref().skip_while(|line| *line != "}").skip(1);
        if after.into_iter().any(|line| !line.trim().is_empty()) {
            found.push(file.path);
        }
    }
    none(&found, "unit tests stand at the end of their file");
}
