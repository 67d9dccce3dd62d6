//! `docs/flags.md` is what the command line says of itself.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use whence::cli::Cli;

use crate::markdown::ROOT;
use crate::updates;

const FILE: &str = "docs/flags.md";

const HEAD: &str = "# Flags

<!-- Written by a test (tests/docs/flags.rs) from the command line itself: change the flag, then run
     WHENCE_UPDATE_DOCS=1 cargo test --test docs flags -->

A flag wins over its environment variable. A variable that is set to nothing counts as not set. A flag
that may be repeated takes a list with commas in its variable. `--help` after a command says the same in
a terminal.

";

#[test]
fn the_page_of_flags_is_what_the_program_says() {
    let mut page = HEAD.to_owned();
    let mut program = Cli::command();
    program.build();
    let serve = command(&program, "serve");
    for subcommand in program.get_subcommands().filter(|command| command.get_name() != "help") {
        section(&mut page, subcommand, "whence", serve);
    }
    let page = format!("{}\n", page.trim_end());
    let path = Path::new(ROOT).join(FILE);
    if updates() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (there, said)) in (1..).zip(there.lines().zip(page.lines())) {
        assert_eq!(there, said, "{FILE}:{number}: run WHENCE_UPDATE_DOCS=1 cargo test --test docs");
    }
    assert_eq!(there, page, "{FILE}: run WHENCE_UPDATE_DOCS=1 cargo test --test docs");
}

/// Returns a subcommand.
fn command<'a>(program: &'a Command, name: &str) -> &'a Command {
    program.find_subcommand(name).unwrap()
}

/// Writes about one command, and about those below it.
fn section(page: &mut String, command: &Command, before: &str, serve: &Command) {
    let name = format!("{before} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(page, "## {name}\n\n{about}.\n").unwrap();
    let below: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
    if !below.is_empty() {
        for subcommand in below {
            section(page, subcommand, &name, serve);
        }
        return;
    }
    let places: Vec<_> = command.get_positionals().collect();
    let words = places.iter().map(|place| {
        let word = place.get_value_names().unwrap_or_default().join(" ");
        if place.is_required_set() { word } else { format!("[{word}]") }
    });
    let words: Vec<_> = words.collect();
    let line = [name.clone(), words.join(" ")].join(" ");
    writeln!(page, "```text\n{} [FLAGS]\n```\n", line.trim()).unwrap();
    for (place, word) in places.iter().zip(&words) {
        let word = word.trim_matches(['[', ']']);
        writeln!(page, "- `{word}`: {}", meaning(place)).unwrap();
    }
    if !places.is_empty() {
        page.push('\n');
    }
    let mut flags = flags_of(command);
    if name != "whence serve" {
        let known = flags_of(serve);
        let shared = known.iter().all(|flag| flags.iter().any(|other| same(flag, other)));
        if shared {
            flags.retain(|flag| !known.iter().any(|other| same(flag, other)));
            page.push_str("All flags of [`whence serve`](#whence-serve), and:\n\n");
        }
    }
    tables(page, &flags);
}

/// Returns the flags that a command shows, in its order.
fn flags_of(command: &Command) -> Vec<&Arg> {
    let flags = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    flags.filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")).collect()
}

fn same(one: &Arg, other: &Arg) -> bool {
    one.get_long() == other.get_long() && meaning(one) == meaning(other)
}

/// Writes a table for each help heading, in the order of their first flags.
fn tables(page: &mut String, flags: &[&Arg]) {
    let mut headings: Vec<Option<&str>> = Vec::new();
    for flag in flags {
        if !headings.contains(&flag.get_help_heading()) {
            headings.push(flag.get_help_heading());
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            writeln!(page, "**{heading}**\n").unwrap();
        }
        page.push_str("| flag | variable | default | meaning |\n|---|---|---|---|\n");
        for flag in flags.iter().filter(|flag| flag.get_help_heading() == heading) {
            row(page, flag);
        }
        page.push('\n');
    }
}

fn row(page: &mut String, flag: &Arg) {
    let name = flag.get_long().unwrap();
    let value = flag.get_value_names().filter(|_| flag.get_action().takes_values());
    let value = value.map(|names| format!(" {}", names.join(" "))).unwrap_or_default();
    let variable = flag.get_env().map(|name| format!("`{}`", name.to_str().unwrap()));
    let variable = variable.unwrap_or_default();
    let flag_text = format!("`--{name}{value}`").replace('|', "\\|");
    let (default, meaning) = (default(flag), meaning(flag));
    writeln!(page, "| {flag_text} | {variable} | {default} | {meaning} |").unwrap();
}

/// Returns the default: the value that clap knows, or what the help says behind `[default: `.
fn default(flag: &Arg) -> String {
    let values: Vec<_> = flag.get_default_values().iter().map(|v| v.to_str().unwrap()).collect();
    if matches!(flag.get_action(), ArgAction::SetTrue) {
        return "off".to_owned();
    }
    if !values.is_empty() {
        return format!("`{}`", values.join(","));
    }
    match split(&help(flag)) {
        (_, Some(said)) => said,
        (_, None) if flag.is_required_set() => "required".to_owned(),
        (_, None) => "none".to_owned(),
    }
}

/// Returns the help without its default, and what each of a few values means.
fn meaning(flag: &Arg) -> String {
    let (mut text, _) = split(&help(flag));
    let takes = flag.get_action().takes_values();
    let values =
        flag.get_possible_values().into_iter().filter(|value| takes && !value.is_hide_set());
    let values: Vec<_> = values
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({help})", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        write!(text, ": {}", values.join(", ")).unwrap();
    }
    text.replace('|', "\\|")
}

/// Takes `[default: ..]` out of a help.
fn split(help: &str) -> (String, Option<String>) {
    let Some((before, rest)) = help.split_once("[default: ") else {
        return (help.to_owned(), None);
    };
    let (default, after) = rest.split_once(']').unwrap_or((rest, ""));
    (format!("{}{after}", before.trim_end()), Some(default.to_owned()))
}

fn help(flag: &Arg) -> String {
    let help = flag.get_long_help().or(flag.get_help()).map(ToString::to_string);
    help.unwrap_or_default().replace('\n', " ")
}
