//! Measures what is derived from a log: read models, reports, exports and proofs. Each is made by
//! the command that a user would run, in a process of its own, timed as a whole.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use whence_projections::report::{Query, QueryText, ReportFold, View};

use crate::args::Args;
use crate::kind::StoreKind;
use crate::long_log::LongLog;
use crate::machine;
use crate::numbers::{float, rate};
use crate::report::{Row, Table};
use crate::seed;
use crate::service::Log;
use crate::stores::{Stores, Target};

/// The time between two readings of a command's memory.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The number of events that are read at a time for the view in memory.
const PAGE: usize = 16_384;

/// The commands that are run over a log: name, arguments, and the bar in events per second.
const COMMANDS: [(&str, &[&str], Option<u32>); 5] = [
    ("replay identity attribution", &["replay", "identity", "attribution"], Some(300_000)),
    ("replay, all projections", &["replay"], None),
    ("report signups", &["report", "signups", "--format", "json"], None),
    ("export events --format parquet", &["export", "events", "--format", "parquet"], Some(300_000)),
    ("verify", &["verify"], Some(500_000)),
];

/// Measures the commands over a long log of each kind of store.
pub(crate) fn measure(args: &Args, longs: &[LongLog]) -> anyhow::Result<Table> {
    let events = longs.iter().map(|long| long.events).max().unwrap_or(0);
    let title = format!("made of a log of {events} events: events a second, start to exit");
    let mut table = Table::new(title);
    let mut reference = None;
    for long in longs {
        let mut rows = Rows::new(&long.target);
        for _ in 0..args.rounds {
            rows.round(args, long)?;
        }
        rows.fill(&mut table, &mut reference);
    }
    Ok(table)
}

/// Measures the peak memory of the commands over a short log and over a long one.
pub(crate) fn memory(args: &Args, stores: &Stores) -> anyhow::Result<Table> {
    let sizes: Vec<_> = args.memory.iter().map(ToString::to_string).collect();
    let title = format!("resident memory at most, MB, over logs of {} events", sizes.join(" and "));
    let mut table = Table::new(title);
    let mut references = Vec::new();
    for size in &args.memory {
        let target = stores.make(StoreKind::Sqlite)?;
        let log = Log::open(&target, args)?;
        let users = size.div_ceil(seed::EVENTS_OF_LOGIN);
        log.runtime.block_on(seed::seed(&log, users, users))?;
        let (app, _) = log.serve(1)?;
        let events = crate::service::drain(&log.runtime, &app, crate::long_log::CATCH_UP_TIMEOUT)?;
        let events = events.context("the read models do not catch up")?;
        drop((app, log));
        for (nth, (name, command, _)) in COMMANDS.iter().enumerate() {
            let done = run(&target.flags, command)?;
            let mut row = Row::new(format!("{name}, {events} events"));
            row.add(done.peak_mb);
            match references.get(nth) {
                Some(reference) => table.subject(row, *reference),
                None => references.push(table.reference(row)),
            }
        }
    }
    Ok(table)
}

struct Rows {
    kind: StoreKind,
    /// The row of reading the whole log from SQLite, without using it.
    reading: Row,
    /// The row of the view alone, over events in memory.
    view: Row,
    commands: Vec<Row>,
    peaks: Vec<f64>,
}

impl Rows {
    fn new(target: &Target) -> Self {
        let name = |what: &str| match target.kind {
            StoreKind::Sqlite => what.to_owned(),
            StoreKind::Postgres | StoreKind::KurrentdbDouble => {
                format!("{}: {what}", target.kind.name())
            }
        };
        let named = |(what, _, bar): &(&str, &[&str], Option<u32>)| match bar {
            Some(bar) => Row::new(name(&format!("{what} (bar: {bar})"))),
            None => Row::new(name(what)),
        };
        Self {
            kind: target.kind,
            reading: Row::new("SQLite itself, every column of every event read"),
            view: Row::new(name("a view in memory, applying alone (bar: 1000000)")),
            commands: COMMANDS.iter().map(named).collect(),
            peaks: vec![0.0; COMMANDS.len()],
        }
    }

    fn round(&mut self, args: &Args, long: &LongLog) -> anyhow::Result<()> {
        let events = usize::try_from(long.events)?;
        if self.kind == StoreKind::Sqlite {
            self.reading.add(read_all(long.target.directory())?);
        }
        self.view.add(fold(args, &long.target)?);
        let rows = self.commands.iter_mut().zip(&mut self.peaks);
        for ((row, peak), (_, command, _)) in rows.zip(COMMANDS) {
            let done = run(&long.target.flags, command)?;
            row.add(rate(events, done.time));
            *peak = peak.max(done.peak_mb);
        }
        Ok(())
    }

    fn fill(self, table: &mut Table, reference: &mut Option<f64>) {
        if self.kind == StoreKind::Sqlite {
            *reference = Some(table.reference(self.reading));
        }
        let peaks: Vec<_> = COMMANDS
            .iter()
            .zip(&self.peaks)
            .map(|((name, ..), peak)| format!("{name} {peak:.0}"))
            .collect();
        table.note(format!("resident at most, MB: {}", peaks.join(", ")));
        for row in std::iter::once(self.view).chain(self.commands) {
            match reference {
                Some(reference) => table.subject(row, *reference),
                None => drop(table.reference(row)),
            }
        }
    }
}

/// The duration and the peak memory of a command.
pub(crate) struct CommandRun {
    pub(crate) time: Duration,
    peak_mb: f64,
}

/// Runs a command of `whence` as a user would.
pub(crate) fn run(flags: &[String], command: &[&str]) -> anyhow::Result<CommandRun> {
    let folder = TempDir::new()?;
    let begin = Instant::now();
    let mut whence = Command::new(std::env::current_exe()?);
    whence.args(command);
    if command.contains(&"export") {
        whence.arg("--out").arg(folder.path().join("events"));
    }
    let log = std::fs::File::create(folder.path().join("stderr"))?;
    let mut child = whence.args(flags).stdout(Stdio::null()).stderr(log).spawn()?;
    let mut peak_mb: f64 = 0.0;
    let status = loop {
        peak_mb = peak_mb.max(machine::resident_mb(child.id()));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(POLL_INTERVAL),
        }
    };
    let time = begin.elapsed();
    let stderr = std::fs::read_to_string(folder.path().join("stderr"))?;
    ensure!(status.success(), "whence {}: {stderr}", command.join(" "));
    Ok(CommandRun { time, peak_mb })
}

/// Reads every event from the file and discards it; returns the events per second.
fn read_all(directory: &Path) -> anyhow::Result<f64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(directory.join("log.db"), flags)?;
    let begin = Instant::now();
    let mut statement = connection.prepare(
        "SELECT e.position, s.name, e.version, e.event_id, e.type, e.data, e.occurred_at,
                e.recorded_at, e.correlation_id, e.causation_id, e.actor
         FROM events e JOIN streams s ON s.first = e.stream ORDER BY e.position",
    )?;
    let (mut rows, mut count, mut bytes) = (statement.query([])?, 0, 0);
    while let Some(row) = rows.next()? {
        count += 1;
        for column in [1, 3, 4, 5, 10] {
            bytes += row.get_ref(column)?.as_bytes().map_or(0, <[u8]>::len);
        }
    }
    ensure!(bytes > 0 || count == 0, "nothing was read");
    Ok(rate(count, begin.elapsed()))
}

/// Folds all events into the facts of a view; returns the events per second, not counting the time
/// to read and decode them.
fn fold(args: &Args, target: &Target) -> anyhow::Result<f64> {
    let log = Log::open(target, args)?;
    let mut analytics = ReportFold::new(&[View::Signups]);
    let (mut after, mut count, mut time) = (0, 0, Duration::ZERO);
    loop {
        let events = log.runtime.block_on(log.store.read_all(after, PAGE))?;
        let Some(last) = events.last() else { break };
        (after, count) = (last.position, count + events.len());
        let begin = Instant::now();
        analytics.apply(&events)?;
        time += begin.elapsed();
    }
    let query = Query::parse(View::Signups, &QueryText::default())?;
    let begin = Instant::now();
    let table = analytics.table(View::Signups, &query);
    time += begin.elapsed();
    ensure!(float(table.rows.len()) > 0.0 || count == 0, "the view is empty");
    Ok(rate(count, time))
}
