//! Measures whence against bare references: prints figures and ratios, never fails on a number.
//!
//! `scripts/bench/run` builds and runs it. Started as `whence-bench serve ...` it is `whence serve`
//! itself, so that start-up and memory are measured of a process of its own.

mod append;
mod args;
mod client;
mod load;
mod login;
mod machine;
mod me;
mod replay;
mod report;
mod seed;
mod service;
mod start;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use tempfile::TempDir;

use args::{Args, Measure};
use seed::{EVENTS_OF_LOGIN, EVENTS_OF_USER, TokenText};
use service::Log;

/// For the read models to catch up with a fresh log, at most.
const CATCH_UP: Duration = Duration::from_mins(10);

/// The same as the program's, so that what is measured is what runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return whence::cli::run();
    }
    let args = Args::parse().settled();
    let parent = args.directory.clone().unwrap_or_else(std::env::temp_dir);
    println!("{}", machine::line(&parent));
    println!("{} rounds of {} s each, references and subjects in turns", args.rounds, args.seconds);
    if args.wants(Measure::Me) || args.wants(Measure::Replay) || args.wants(Measure::Start) {
        over_a_long_log(&args, &parent)?;
    }
    if args.wants(Measure::Login) {
        print!("{}", login::measure(&args, &parent)?);
    }
    if args.wants(Measure::Append) {
        print!("{}", append::measure(&args, &parent)?);
    }
    Ok(())
}

/// What is measured over one log of many users.
fn over_a_long_log(args: &Args, parent: &Path) -> anyhow::Result<()> {
    let directory = TempDir::new_in(parent).context("no directory for the data")?;
    let (events, tokens) = make_log(args, directory.path())?;
    let sessions = &tokens[..args.sessions.min(tokens.len())];
    {
        let log = Log::open(directory.path())?;
        if args.wants(Measure::Me) {
            print!("{}", me::measure(args, &log, sessions)?);
        }
        if args.wants(Measure::Replay) {
            print!("{}", replay::measure(args, &log, parent)?);
        }
    }
    if args.wants(Measure::Start) {
        print!("{}", start::measure(args, directory.path(), events, sessions, parent)?);
    }
    Ok(())
}

/// A log with enough users, logins and events, and read models that are up with it.
fn make_log(args: &Args, directory: &Path) -> anyhow::Result<(u64, Vec<TokenText>)> {
    let log = Log::open(directory)?;
    let runtime = service::runtime(args.server_threads)?;
    let logins =
        if args.wants(Measure::Replay) { args.replay.div_ceil(EVENTS_OF_LOGIN) } else { 0 };
    let events = if args.wants(Measure::Start) { args.events } else { 0 };
    let users = args.sessions.max(logins).max(events.div_ceil(EVENTS_OF_USER)).max(1);
    let mut tokens = Vec::new();
    for (count, logins) in [(logins, logins), (users - logins, 0)] {
        tokens.extend(runtime.block_on(seed::seed(&log, count, logins))?);
    }
    let (app, _) = log.serve(&runtime, 1)?;
    let head =
        service::drain(&runtime, &app, CATCH_UP)?.context("the read models do not catch up")?;
    Ok((head, tokens))
}
