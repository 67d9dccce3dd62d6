//! Measures whence against bare references: prints figures and ratios, never fails on a number.
//!
//! `scripts/bench/run` builds and runs it. Started as `whence-bench serve ...`, or with any other command
//! of whence's, it is whence itself, so that a whole command is measured in a process of its own.

mod append;
mod args;
mod client;
mod derive;
mod engine;
mod load;
mod login;
mod machine;
mod me;
mod replay;
mod report;
mod seed;
mod service;
mod size;
mod start;
mod stores;

use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;

use args::{Args, Measure};
use seed::{EVENTS_OF_LOGIN, EVENTS_OF_USER, TokenText};
use service::Log;
use stores::{Kind, Place, Stores};

/// For the read models to catch up with a fresh log, at most.
const CATCH_UP: Duration = Duration::from_mins(10);

/// The same as the program's, so that what is measured is what runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    // A command of whence's, not a flag of the benchmark's.
    if std::env::args().nth(1).is_some_and(|word| !word.starts_with('-')) {
        return whence::cli::run();
    }
    let args = Args::parse().settled();
    let parent = args.directory.clone().unwrap_or_else(std::env::temp_dir);
    println!("{}", machine::line(&parent));
    let stores = Stores::start(&args, &parent)?;
    if args.store.contains(&Kind::KurrentdbDouble) {
        println!("the KurrentDB store works over a double, in this process and in memory");
    }
    println!("{} rounds of {} s each, references and subjects in turns", args.rounds, args.seconds);
    let over_long = [Measure::Me, Measure::Replay, Measure::Start, Measure::Derive];
    if over_long.into_iter().any(|measure| args.wants(measure)) {
        over_long_logs(&args, &stores)?;
    }
    if args.wants(Measure::Login) {
        print!("{}", login::measure(&args, &stores)?);
    }
    if args.wants(Measure::Memory) {
        print!("{}", derive::memory(&args, &stores)?);
    }
    if args.wants(Measure::Append) {
        print!("{}", append::measure(&args, &stores)?);
    }
    Ok(())
}

/// A log of many users, and read models that are up with it.
struct Long {
    place: Place,
    events: u64,
    tokens: Vec<TokenText>,
}

/// What is measured over logs of many users. Those of the double would only be in memory.
fn over_long_logs(args: &Args, stores: &Stores) -> anyhow::Result<()> {
    let kinds = args.store.iter().filter(|kind| **kind != Kind::KurrentdbDouble);
    let longs: Vec<_> =
        kinds.map(|kind| make_log(args, stores.make(*kind)?)).collect::<anyhow::Result<_>>()?;
    if args.wants(Measure::Me) {
        print!("{}", me::measure(args, &longs)?);
    }
    if args.wants(Measure::Replay) {
        print!("{}", replay::measure(args, &longs, stores)?);
    }
    if args.wants(Measure::Derive) {
        print!("{}", derive::measure(args, &longs)?);
    }
    let sqlite = longs.iter().find(|long| long.place.kind == Kind::Sqlite);
    if let Some(long) = sqlite.filter(|_| args.wants(Measure::Start)) {
        print!("{}", start::measure(args, long, stores)?);
    }
    Ok(())
}

/// A log with enough users, logins and events.
fn make_log(args: &Args, place: Place) -> anyhow::Result<Long> {
    let log = Log::open(&place, args)?;
    let logins =
        if args.wants(Measure::Replay) { args.replay.div_ceil(EVENTS_OF_LOGIN) } else { 0 };
    let derived =
        if args.wants(Measure::Derive) { args.derive.div_ceil(EVENTS_OF_LOGIN) } else { 0 };
    let logins = logins.max(derived);
    let start = args.wants(Measure::Start) && place.kind == Kind::Sqlite;
    let events = if start { args.events } else { 0 };
    let users = args.sessions.max(logins).max(events.div_ceil(EVENTS_OF_USER)).max(1);
    let mut tokens = Vec::new();
    for (count, logins) in [(logins, logins), (users - logins, 0)] {
        tokens.extend(log.runtime.block_on(seed::seed(&log, count, logins))?);
    }
    let (app, _) = log.serve(1)?;
    let events =
        service::drain(&log.runtime, &app, CATCH_UP)?.context("the read models do not catch up")?;
    tokens.truncate(args.sessions);
    Ok(Long { place, events, tokens })
}
