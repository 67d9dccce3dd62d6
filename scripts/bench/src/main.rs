//! Measures whence against bare references: prints figures and ratios, never fails on a number.
//!
//! `scripts/bench/run` builds and runs it. Started with a command of whence (`whence-bench serve`), it
//! is whence itself, so that a whole command is measured in a process of its own.

mod append;
mod args;
mod bare_client;
mod client;
mod codes;
mod derive;
mod kind;
mod kurrentdb;
mod load;
mod login;
mod long_log;
mod machine;
mod mail;
mod me;
mod models;
mod numbers;
mod outcome;
mod rank_test;
mod raw;
mod relay;
mod replay;
mod report;
mod seed;
mod service;
mod size;
mod start;
mod stores;
mod timing;

use clap::Parser as _;

use args::{Args, Measure};
use kind::StoreKind;
use stores::Stores;

/// The allocator of the program, so that the measured code is the code that runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some(bare_client::COMMAND) {
        return bare_client::run(std::env::args().skip(2));
    }
    // A command of whence, not a flag of the benchmark.
    if std::env::args().nth(1).is_some_and(|word| !word.starts_with('-')) {
        return whence::cli::run();
    }
    let args = Args::parse().with_quick_sizes();
    let parent = args.directory.clone().unwrap_or_else(std::env::temp_dir);
    println!("{}", machine::line(&parent));
    let stores = Stores::start(&args, &parent)?;
    if args.store.contains(&StoreKind::KurrentdbDouble) {
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
    if args.wants(Measure::Mail) {
        print!("{}", mail::measure(&args, &stores)?);
    }
    if args.wants(Measure::Timing) {
        for comparisons in timing::measure(&args, &stores)? {
            print!("{comparisons}");
        }
    }
    if args.wants(Measure::Models) {
        print!("{}", models::measure(&args)?);
    }
    if args.wants(Measure::Memory) {
        print!("{}", derive::memory(&args, &stores)?);
    }
    if args.wants(Measure::Append) {
        print!("{}", append::measure(&args, &stores)?);
    }
    if args.wants(Measure::Kurrentdb) && args.store.contains(&StoreKind::KurrentdbDouble) {
        print!("{}", kurrentdb::measure(&args, &stores)?);
    }
    Ok(())
}

/// Measures over logs of many users, except on the double, whose log would only be in memory.
fn over_long_logs(args: &Args, stores: &Stores) -> anyhow::Result<()> {
    let kinds = args.store.iter().filter(|kind| **kind != StoreKind::KurrentdbDouble);
    let longs: Vec<_> = kinds
        .map(|kind| long_log::make_log(args, stores.make(*kind)?))
        .collect::<anyhow::Result<_>>()?;
    if args.wants(Measure::Me) {
        print!("{}", me::measure(args, &longs)?);
    }
    if args.wants(Measure::Replay) {
        print!("{}", replay::measure(args, &longs, stores)?);
    }
    if args.wants(Measure::Derive) {
        print!("{}", derive::measure(args, &longs)?);
    }
    let sqlite = longs.iter().find(|long| long.target.kind == StoreKind::Sqlite);
    if let Some(long) = sqlite.filter(|_| args.wants(Measure::Start)) {
        print!("{}", start::measure(args, long, stores)?);
    }
    Ok(())
}
