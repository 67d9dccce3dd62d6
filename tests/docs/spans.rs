//! What stands between back quotes in a sentence: commands that the program takes, flags that it has,
//! paths that are there.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use whence::cli::Cli;

use crate::elsewhere::holds;
use crate::markdown::{ROOT, documents};

/// Documents of the past name what is gone.
const PAST: &[&str] = &["CHANGELOG.md"];

/// Flags of other programs.
const FOREIGN: &[&str] = &["--bin", "--locked", "--lib", "--test", "--release"];

#[test]
fn every_command_in_a_sentence_is_one_that_the_program_takes() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in documents() {
        for (line, span) in document.spans() {
            if !span.starts_with("whence ") {
                continue;
            }
            checked += 1;
            // What stands behind a pipe is another program.
            let words = span.split(" | ").next().unwrap().replace("\\|", "|");
            let words = words.split(' ').filter(|word| *word != "...");
            if let Err(error) = Cli::command().try_get_matches_from(words)
                && is_wrong(error.kind())
            {
                wrong.push(format!("{}:{line}: {span}: {}", document.path, error.kind()));
            }
        }
    }
    assert!(wrong.is_empty(), "commands that the program does not take:\n  {}", wrong.join("\n  "));
    assert!(checked >= 20, "only {checked} commands were found");
}

/// A sentence may name a command without what it needs.
fn is_wrong(kind: clap::error::ErrorKind) -> bool {
    use clap::error::ErrorKind as K;
    !matches!(
        kind,
        K::MissingRequiredArgument
            | K::MissingSubcommand
            | K::DisplayHelpOnMissingArgumentOrSubcommand
            | K::DisplayHelp
            | K::DisplayVersion
    )
}

#[test]
fn every_flag_in_a_sentence_is_one_that_the_program_has() {
    let mut known = Vec::new();
    collect(&Cli::command(), &mut known);
    let mut wrong = Vec::new();
    for document in documents() {
        for (line, span) in document.spans() {
            let flag = span.split([' ', '=']).next().unwrap_or("");
            let is_known = FOREIGN.contains(&flag) || known.iter().any(|other| other == flag);
            if flag.starts_with("--") && !is_known && !PAST.contains(&document.path.as_str()) {
                wrong.push(format!("{}:{line}: {span}", document.path));
            }
        }
    }
    assert!(wrong.is_empty(), "flags that there are not:\n  {}", wrong.join("\n  "));
}

fn collect(command: &Command, known: &mut Vec<String>) {
    let flags = command.get_arguments().filter_map(|arg| arg.get_long());
    known.extend(flags.map(|flag| format!("--{flag}")));
    known.push("--help".to_owned());
    for subcommand in command.get_subcommands() {
        collect(subcommand, known);
    }
}

#[test]
fn every_path_in_a_sentence_is_there() {
    const BEGIN: [&str; 8] =
        ["src/", "events/", "projections/", "migrations/", "tests/", "scripts/", "docs/", ".ci/"];
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in documents() {
        if PAST.contains(&document.path.as_str()) {
            continue;
        }
        for (line, span) in document.spans() {
            let path = span.split([' ', ':']).next().unwrap_or("");
            let is_path = BEGIN.iter().any(|begin| path.starts_with(begin));
            // A pattern, or a name that the reader chooses.
            if !is_path || path.contains(['*', '{', '<']) || path.contains("NAME") {
                continue;
            }
            checked += 1;
            if !Path::new(ROOT).join(path).exists() {
                wrong.push(format!("{}:{line}: {span}", document.path));
            }
        }
    }
    assert!(wrong.is_empty(), "paths that lead nowhere:\n  {}", wrong.join("\n  "));
    assert!(checked >= 40, "only {checked} paths were found");
}

#[test]
fn every_term_of_the_glossary_is_in_the_code() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    let glossary = documents().into_iter().find(|page| page.path == "docs/glossary.md").unwrap();
    for row in glossary.text.lines().filter(|line| line.starts_with("| ")) {
        let Some((names, place)) = row.rsplit(" | ").next().unwrap().split_once(" in `") else {
            continue;
        };
        let place = Path::new(ROOT).join(place.split('`').next().unwrap());
        for name in names.split('`').skip(1).step_by(2) {
            checked += 1;
            let name = name.rsplit("::").next().unwrap();
            let is_there = if place.is_dir() {
                holds(&place, name)
            } else {
                std::fs::read_to_string(&place).is_ok_and(|text| text.contains(name))
            };
            if !is_there {
                wrong.push(format!("{name} in {}", place.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "words that are not where they should be:\n  {}", wrong.join("\n  "));
    assert!(checked >= 50, "only {checked} names were found");
}
