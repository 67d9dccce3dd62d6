//! `whence export` over a long log: events a second, and the memory of the process.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::Long;
use crate::args::Args;
use crate::machine;
use crate::report::{Row, Table, rate};
use crate::service::Log;
use crate::stores::{Kind, Place};

/// Events of a page, as in the export.
const PAGE: usize = 4096;

/// What the memory over a whole log is compared with.
const SHORT: usize = 100_000;

/// Between two looks at the memory of a process.
const LOOK: Duration = Duration::from_millis(2);

const FORMATS: [&str; 3] = ["parquet", "jsonl", "csv"];

/// Measures over the whole of each log, beginning and end of the process included.
pub(crate) fn measure(args: &Args, longs: &[Long]) -> anyhow::Result<Table> {
    let directory = match &args.directory {
        Some(parent) => TempDir::new_in(parent)?,
        None => TempDir::new()?,
    };
    let mut table = Table::new("export: events a second (bar: Parquet 300000), and memory");
    for long in longs {
        over(args, long, directory.path(), &mut table)?;
    }
    Ok(table)
}

fn over(args: &Args, long: &Long, directory: &Path, table: &mut Table) -> anyhow::Result<()> {
    let Long { place, events, .. } = long;
    let events = usize::try_from(*events)?;
    let name = |what: &str| match place.kind {
        Kind::Sqlite => what.to_owned(),
        Kind::Postgres | Kind::KurrentdbDouble => format!("{}: {what}", place.kind.name()),
    };
    let short = SHORT.min(events);
    let mut reading = Row::new(name(&format!("{events} events read and decoded")));
    let mut rates = FORMATS.map(|format| Row::new(name(&format!("exported as {format}"))));
    let mut little = Row::new(name(&format!("most resident, {short} events as Parquet, MB")));
    let mut much = Row::new(name(&format!("most resident, {events} events as Parquet, MB")));
    for _ in 0..args.rounds {
        reading.add(rate(events, read(place, args)?));
        for (format, row) in FORMATS.iter().zip(&mut rates) {
            let (time, resident) = export(place.flags.iter(), format, events, directory)?;
            row.add(rate(events, time));
            if *format == "parquet" {
                much.add(resident);
                little.add(export(place.flags.iter(), format, short, directory)?.1);
            }
        }
    }
    let reference = table.reference(reading);
    for row in rates {
        table.subject(row, reference);
    }
    let reference = table.reference(little);
    table.subject(much, reference);
    Ok(())
}

fn read(place: &Place, args: &Args) -> anyhow::Result<Duration> {
    let log = Log::open(place, args)?;
    let (begin, mut after) = (Instant::now(), 0);
    while let Some(last) = log.runtime.block_on(log.store.read_all(after, PAGE))?.last() {
        after = last.position;
    }
    Ok(begin.elapsed())
}

/// The first events of a log, by a process of its own: how long it took, and its memory in MB.
fn export<'a>(
    flags: impl Iterator<Item = &'a String>,
    format: &str,
    events: usize,
    directory: &Path,
) -> anyhow::Result<(Duration, f64)> {
    let begin = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["export", "events", "--format", format, "--to", &events.to_string(), "--out"])
        .arg(directory.join("events"))
        .args(flags)
        .stderr(Stdio::null())
        .spawn()
        .context("the export does not start")?;
    let mut most = 0.0_f64;
    let status = loop {
        most = most.max(machine::most_resident_mb(child.id()));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    ensure!(status.success(), "the export ended with {status}");
    Ok((begin.elapsed(), most))
}
