//! The documents say what the code has, and stay short enough to be read.

use std::collections::BTreeSet;

use whence_tidy::source::{none, read, rust, sources};

/// Bytes of README.md at most.
const README: usize = 8192;

/// Lines of ARCHITECTURE.md: fewer than this.
const ARCHITECTURE: usize = 150;

#[test]
fn the_readme_is_short() {
    let bytes = read("README.md").len();
    assert!(bytes <= README, "README.md has {bytes} bytes: details are for the pages in docs/");
}

#[test]
fn the_map_is_short() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines < ARCHITECTURE, "ARCHITECTURE.md has {lines} lines: the whys are in docs/");
}

#[test]
fn every_page_is_one_of_the_readme() {
    let readme = read("README.md");
    let pages = sources("docs", ".md");
    assert!(pages.len() >= 9, "only {} pages were found", pages.len());
    let lost = pages.iter().filter(|page| !readme.contains(&format!("]({})", page.path)));
    let lost: Vec<_> = lost.map(|page| page.path.clone()).collect();
    none(&lost, "README.md leads to every page");
}

/// `docs/flags.md` itself is held against the command line by `tests/docs`.
#[test]
fn every_variable_is_in_the_page_of_flags() {
    let page = read("docs/flags.md");
    let code: String = rust("src").into_iter().map(|file| file.text).collect();
    let variables = code.split("env = \"WHENCE_").skip(1);
    // Commands share some.
    let variables: BTreeSet<_> = variables.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(variables.len() >= 33, "only {} were found", variables.len());
    for variable in &variables {
        let flag = variable.to_lowercase().replace('_', "-");
        let listed = page.lines().any(|line| {
            let named = line.starts_with(&format!("| `--{flag}`"))
                || line.starts_with(&format!("| `--{flag} "));
            named && line.contains(&format!("| `WHENCE_{variable}` |"))
        });
        assert!(listed, "docs/flags.md has no row of --{flag} with WHENCE_{variable}");
    }
}

/// The routes of the specification: method and path.
fn routes() -> BTreeSet<String> {
    let whole: serde_json::Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let mut routes = BTreeSet::new();
    for (path, item) in whole["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    routes
}

#[test]
fn no_route_is_outside_of_the_specification() {
    let mut found = Vec::new();
    for file in rust("src").into_iter().filter(|file| file.path.starts_with("src/http")) {
        for (number, line) in file.code() {
            // That of the metrics' own listener is no part of the API.
            if line.contains(".route(") && !line.contains("metrics::own") {
                found.push(format!("{}:{number}", file.path));
            }
        }
    }
    none(&found, "routes are added by `.routes(routes!(...))`");
}

#[test]
fn the_page_of_the_api_has_every_route_and_no_other() {
    let routes = routes();
    assert!(routes.len() >= 33, "only {} routes were found", routes.len());
    let page = read("docs/api.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let methods = ["GET ", "POST ", "PUT ", "PATCH ", "DELETE "];
    let rows = rows.filter(|row| methods.iter().any(|method| row.starts_with(method)));
    let rows: BTreeSet<_> = rows.map(str::to_owned).collect();
    let missing: Vec<_> = routes.difference(&rows).cloned().collect();
    none(&missing, "docs/api.md has a row for every route");
    let gone: Vec<_> = rows.difference(&routes).cloned().collect();
    none(&gone, "docs/api.md has no row of a route that is gone");
}

#[test]
fn the_page_of_the_api_has_every_error() {
    let statuses = [
        ("BAD_REQUEST", 400),
        ("UNAUTHORIZED", 401),
        ("FORBIDDEN", 403),
        ("NOT_FOUND", 404),
        ("METHOD_NOT_ALLOWED", 405),
        ("CONFLICT", 409),
        ("TOO_MANY_REQUESTS", 429),
        ("INTERNAL_SERVER_ERROR", 500),
        ("SERVICE_UNAVAILABLE", 503),
    ];
    let page = read("docs/api.md");
    let code = read("src/http/error.rs") + &read("src/http/error/handles.rs");
    let mut errors = BTreeSet::new();
    for rest in code.split("(S::").chain(code.split("S::")).skip(1) {
        let Some((name, after)) = rest.split_once(',') else { continue };
        let Some((_, status)) = statuses.iter().find(|(known, _)| *known == name) else { continue };
        if let Some(error) = after.trim_start().strip_prefix('"') {
            errors.insert((*status, error.split('"').next().unwrap().to_owned()));
        }
    }
    assert!(errors.len() >= 20, "only {} errors were found", errors.len());
    let missing = errors.iter().map(|(status, error)| format!("| {status} | `{error}` |"));
    let missing: Vec<_> = missing.filter(|row| !page.contains(row)).collect();
    none(&missing, "docs/api.md has a row for every error");
}

#[test]
fn the_glossary_has_each_term_once_and_in_order() {
    let page = read("docs/glossary.md");
    let rows: Vec<Vec<_>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| term "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 80, "only {} terms were found", rows.len());
    for row in &rows {
        let [term, meaning, place] = row[..] else { panic!("three cells: {row:?}") };
        assert!(meaning.ends_with('.'), "{term}: one sentence");
        assert!(place.contains('`'), "{term}: where it is in the code");
    }
    let terms: Vec<_> = rows.iter().map(|row| row[0]).collect();
    for pair in terms.windows(2) {
        assert!(pair[0] < pair[1], "{} is not before {}", pair[0], pair[1]);
    }
}
