//! Every block of commands in a document is run, in order, and prints what the document shows.
//!
//! A `sh` block is a script that has to succeed; one that ends in `whence serve` leaves the service
//! running for what follows in the document. In a `console` block, `$ ` begins a command and the lines
//! below it are what it prints; ids, times and hashes may differ, and a line `...` stands for any
//! lines. A `text` block shows something and holds no command.

use std::path::Path;

use serde_json::Value;
use whence_test_support::postgres;

use crate::elsewhere::{self, ELSEWHERE};
use crate::markdown::{Block, Document, ROOT, documents};
use crate::platform;
use crate::shell::Shell;
use crate::updates;

/// The documents with commands; each has a test below.
const RUN: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "docs/analysts.md",
    "docs/api.md",
    "docs/auditors.md",
    "docs/operating.md",
    "docs/privacy.md",
    "docs/speed.md",
    "docs/tutorial.md",
];

#[test]
fn the_readme_works_when_pasted() {
    check_the_readme(&mut Shell::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_works_over_postgres() {
    let database = postgres::database().await;
    let mut shell = Shell::over(database.url());
    check_the_readme(&mut shell);
    assert!(!shell.directory().join("whence-data/log.db").exists(), "the log is in the database");
}

#[track_caller]
fn check_the_readme(shell: &mut Shell) {
    let printed = run("README.md", shell);
    let session = printed.last().unwrap();
    let last = session.lines().rfind(|line| !line.trim().is_empty()).unwrap();
    let answer: Value = serde_json::from_str(last).expect(session);
    let data = &answer["data"];
    assert_eq!(answer["success"], true, "{session}");
    assert_eq!(data["utmSource"], "newsletter", "{session}");
    assert_eq!(data["firstReferrerUrl"], "https://blog.example.org/best-tools", "{session}");
    assert!(data["referredBy"].is_string() && data["referralCode"].is_string(), "{session}");
}

#[test]
fn the_commands_for_analysts_print_what_is_shown() {
    run("docs/analysts.md", &mut platform::shell());
}

#[test]
fn the_calls_of_the_api_answer_what_is_shown() {
    run("docs/api.md", &mut platform::shell());
}

#[test]
fn the_commands_for_auditors_print_what_is_shown() {
    run("docs/auditors.md", &mut platform::shell());
}

#[test]
fn the_commands_for_operators_print_what_is_shown() {
    run("docs/operating.md", &mut platform::shell());
}

#[test]
fn the_commands_that_erase_print_what_is_shown() {
    run("docs/privacy.md", &mut platform::shell());
}

#[test]
fn the_commands_for_contributors_are_run_elsewhere() {
    run("CONTRIBUTING.md", &mut Shell::new());
    run("docs/speed.md", &mut Shell::new());
}

#[test]
fn no_command_hides_in_a_document_that_is_not_run() {
    for document in documents() {
        for block in document.blocks() {
            let place = format!("{}:{}", document.path, block.line);
            match block.language.as_str() {
                "sh" | "console" => {
                    assert!(RUN.contains(&document.path.as_str()), "{place}: no test runs it");
                }
                "text" | "json" | "rust" | "sql" | "mermaid" => {
                    let typed = |line: &&String| {
                        let first = line.split(' ').next().unwrap_or("");
                        matches!(first, "$" | "curl" | "cargo") || first.starts_with("scripts/")
                    };
                    let typed = block.lines.iter().find(typed);
                    assert!(typed.is_none(), "{place}: a command that is not run: {typed:?}");
                }
                "ts" => assert_eq!(document.path, "docs/tutorial.md", "sdk/tests runs those"),
                other => panic!("{place}: a block of an unknown kind {other:?}"),
            }
        }
    }
}

#[test]
fn what_is_run_elsewhere_is_there_and_in_a_document() {
    let documents = documents();
    for listed in ELSEWHERE {
        let document = documents.iter().find(|document| document.path == listed.document).unwrap();
        let blocks = document.blocks();
        let found: Vec<_> = blocks.iter().filter(|block| is_listed(block, listed)).collect();
        assert_eq!(
            found.len(),
            1,
            "{}: blocks that begin with {:?}",
            listed.document,
            listed.first
        );
        listed.check(&found[0].lines);
    }
}

fn is_listed(block: &Block, listed: &elsewhere::Elsewhere) -> bool {
    block.language == "sh" && block.lines.first().is_some_and(|line| line == listed.first)
}

/// Runs the blocks of a document that are not run elsewhere, and returns what each printed.
#[track_caller]
pub(crate) fn run(path: &str, shell: &mut Shell) -> Vec<String> {
    let document = documents().into_iter().find(|document| document.path == path).unwrap();
    let listed: Vec<_> = ELSEWHERE.iter().filter(|listed| listed.document == path).collect();
    let mut printed = Vec::new();
    let mut wrong = Vec::new();
    let mut lines: Vec<String> = document.text.lines().map(str::to_owned).collect();
    // From the end of the file to its beginning, so that line numbers stay right while it is written.
    let mut changes: Vec<(usize, usize, Vec<String>)> = Vec::new();
    for block in document.blocks() {
        if listed.iter().any(|listed| is_listed(&block, listed)) {
            continue;
        }
        match block.language.as_str() {
            "sh" => printed.push(run_script(&document, &block, shell)),
            "console" => {
                for step in steps(&block) {
                    let (_, said) = shell.run(&step.command);
                    let said: Vec<_> =
                        said.lines().map(|line| line.trim_end().to_owned()).collect();
                    if !alike(&step.shown, &said) {
                        wrong.push(step.difference(path, &said));
                        if !step.shown.iter().any(|line| line == "...") {
                            changes.push((step.line, step.shown.len(), said.clone()));
                        }
                    }
                    printed.push(said.join("\n"));
                }
            }
            _ => {}
        }
    }
    if updates() && !changes.is_empty() {
        for (line, shown, said) in changes.into_iter().rev() {
            lines.splice(line..line + shown, said);
        }
        std::fs::write(Path::new(ROOT).join(path), format!("{}\n", lines.join("\n"))).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    printed
}

#[track_caller]
fn run_script(document: &Document, block: &Block, shell: &mut Shell) -> String {
    let script = block.lines.join("\n");
    let last = block.lines.last().unwrap();
    if last.starts_with("whence serve") || last.starts_with("cargo run --release -- serve") {
        shell.serve(&script);
        return String::new();
    }
    if last.starts_with("python3 -m http.server") {
        shell.serve_pages(&script);
        return String::new();
    }
    let (code, printed) = shell.run(&script);
    assert_eq!(code, Some(0), "{}:{}: {printed}", document.path, block.line);
    printed
}

/// A command of a console block.
struct Step {
    /// The number of its last line, from 1; its output begins below.
    line: usize,
    command: String,
    shown: Vec<String>,
}

impl Step {
    fn difference(&self, path: &str, said: &[String]) -> String {
        let Self { line, command, shown } = self;
        let (shown, said) = (shown.join("\n"), said.join("\n"));
        format!("{path}:{line}: $ {command}\n--- shown\n{shown}\n--- printed\n{said}")
    }
}

/// Returns the commands of a console block. A command goes on below a backslash.
fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (line, text) in (block.line + 1..).zip(&block.lines) {
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push(Step { line, command: command.to_owned(), shown: vec![] });
            goes_on = text.ends_with('\\');
            continue;
        }
        let step = steps.last_mut().expect("a console block begins with a command");
        if goes_on {
            step.command = format!("{}\n{text}", step.command);
            step.line = line;
            goes_on = text.ends_with('\\');
        } else {
            step.shown.push(text.trim_end().to_owned());
        }
    }
    steps
}

/// Whether what was printed is what is shown, but for ids, times and hashes.
fn alike(shown: &[String], said: &[String]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((line, rest)) if line == "..." => (0..=said.len()).any(|at| alike(rest, &said[at..])),
        Some((line, rest)) => {
            let same = said.first().is_some_and(|first| masked(first) == masked(line));
            same && alike(rest, &said[1..])
        }
    }
}

/// Puts a word in the place of what differs from run to run.
fn masked(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let time = time_at(rest);
        let word = rest.find(|c: char| !is_part_of_a_word(c)).unwrap_or(rest.len());
        let length = if time > 0 { time } else { word.max(first.len_utf8()) };
        let (piece, after) = rest.split_at(length);
        if time > 0 {
            masked.push_str("<time>");
        } else if masked.ends_with("code ") && piece.len() == 8 {
            masked.push_str("<code>");
        } else {
            masked.push_str(&mask_word(piece));
        }
        rest = after;
    }
    // A rate.
    match masked.rsplit_once("; ") {
        Some((before, rate)) if rate.ends_with(" events/s") => format!("{before}; <rate>"),
        _ => masked,
    }
}

fn is_part_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_')
}

/// Returns how long the time is that a text begins with; 0 when it begins with none.
fn time_at(text: &str) -> usize {
    let end = text.find('Z').map_or(0, |at| at + 1);
    let is_time =
        (20..=27).contains(&end) && chrono::DateTime::parse_from_rfc3339(&text[..end]).is_ok();
    if is_time { end } else { 0 }
}

fn mask_word(word: &str) -> String {
    // Behind `user-`, `touch-` and the like.
    if let Some(at) = word.len().checked_sub(36)
        && uuid::Uuid::try_parse(&word[at..]).is_ok()
    {
        return format!("{}<id>", &word[..at]);
    }
    if word.strip_suffix("/s").is_some_and(|rate| rate.bytes().all(|b| b.is_ascii_digit())) {
        return "<rate>".to_owned();
    }
    let hex = |text: &str| text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some((before, digest)) = word.rsplit_once('-')
        && hex(digest)
    {
        return format!("{before}-<hex>");
    }
    let has = |test: fn(&char) -> bool| word.chars().any(|c| test(&c));
    let (upper, lower) = (has(char::is_ascii_uppercase), has(char::is_ascii_lowercase));
    if hex(word) {
        "<hex>".to_owned()
    } else if word.len() == 8 && !lower && word.bytes().all(|b| b.is_ascii_alphanumeric()) {
        "<code>".to_owned()
    } else if word.len() >= 22 && upper && lower && has(char::is_ascii_digit) {
        "<base64>".to_owned()
    } else if word.contains('/') && word.len() > 1 {
        word.split('/').map(mask_word).collect::<Vec<_>>().join("/")
    } else {
        word.to_owned()
    }
}
