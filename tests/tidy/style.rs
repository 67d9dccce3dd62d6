//! The style of the source.

use whence_tidy::source::{none, rust, sources};

#[test]
fn files_are_short() {
    let long = rust("").into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > 500).then(|| format!("{}: {lines} lines", file.path))
    });
    none(&long.collect::<Vec<_>>(), "a file has at most 500 lines");
}

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
                    if length > 70 {
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
