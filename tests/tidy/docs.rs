//! The documents say what the code has.

use std::collections::BTreeSet;

use crate::source::{read, rust};

#[test]
fn every_variable_is_in_the_readme() {
    let readme = read("README.md");
    let flags: String = rust("src/cli").into_iter().map(|file| file.text).collect();
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
    for file in ["src/http.rs", "src/http/landing.rs"] {
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
