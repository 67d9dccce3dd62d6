//! Measures the replay of the log into read models, against one upsert per event in SQLite itself.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use whence::app::config::Config;
use whence_projections::ReadDb;

use crate::args::Args;
use crate::kind::StoreKind;
use crate::long_log::LongLog;
use crate::numbers::rate;
use crate::report::{Row, Table};
use crate::service::Log;
use crate::stores::Stores;

/// The number of events in a transaction, as in the runner.
const BATCH: usize = 4096;

/// A log whose first events are replayed.
struct ReplaySubject {
    kind: StoreKind,
    log: Log,
    apply: Row,
    whole: Row,
}

/// Measures the replay of the first `--replay` events of each log.
pub(crate) fn measure(args: &Args, longs: &[LongLog], stores: &Stores) -> anyhow::Result<Table> {
    let directory = TempDir::new()?;
    let mut upserted = Row::new("SQLite itself, one upsert an event");
    let open = |long: &LongLog| {
        let kind = long.target.kind;
        let name = |what: &str| match kind {
            StoreKind::Sqlite => what.to_owned(),
            StoreKind::Postgres | StoreKind::KurrentdbDouble => format!("{}: {what}", kind.name()),
        };
        let (apply, whole) = ("ReadDb::apply alone", "log read, decoded and applied");
        let (apply, whole) = (Row::new(name(apply)), Row::new(name(whole)));
        Ok(ReplaySubject { kind, log: Log::open(&long.target, args)?, apply, whole })
    };
    let mut subjects = longs.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    for round in 0..args.rounds {
        upserted.add(upserts(&directory.path().join(format!("raw-{round}.db")), args.replay)?);
        for subject in &mut subjects {
            let target = stores.make(subject.kind)?;
            let config = Config::from_flags(target.flags.iter().map(String::as_str))?;
            let replayed = replay(&subject.log, &config, args.replay)?;
            subject.apply.add(rate(replayed.events, replayed.applying));
            subject.whole.add(rate(replayed.events, replayed.applying + replayed.reading));
        }
    }
    let title = format!("replay of {} events: events a second (bar: 300000)", args.replay);
    let mut table = Table::new(title);
    let reference = table.reference(upserted);
    for ReplaySubject { apply, whole, .. } in subjects {
        table.subject(apply, reference);
        table.subject(whole, reference);
    }
    Ok(table)
}

struct Replayed {
    events: usize,
    reading: Duration,
    applying: Duration,
}

fn replay(log: &Log, config: &Config, limit: usize) -> anyhow::Result<Replayed> {
    let runtime: &Runtime = &log.runtime;
    let read_db: ReadDb = runtime.block_on(config.storage.store.open_read_db())?;
    runtime
        .block_on(read_db.claim_writer())?
        .then_some(())
        .context("another node writes the read models")?;
    let mut replayed = Replayed { events: 0, reading: Duration::ZERO, applying: Duration::ZERO };
    let mut after = 0;
    while replayed.events < limit {
        let begin = Instant::now();
        let page = BATCH.min(limit - replayed.events);
        let events = runtime.block_on(log.store.read_all(after, page))?;
        let read = Instant::now();
        let Some(last) = events.last() else { break };
        runtime.block_on(read_db.apply(&events))?;
        replayed.reading += read - begin;
        replayed.applying += read.elapsed();
        replayed.events += events.len();
        after = last.position;
    }
    Ok(replayed)
}

fn upserts(path: &Path, events: usize) -> rusqlite::Result<f64> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 4000;
         CREATE TABLE users (id BLOB PRIMARY KEY, email BLOB NOT NULL, seen INTEGER NOT NULL)
           STRICT, WITHOUT ROWID;
         CREATE TABLE checkpoint (position INTEGER NOT NULL) STRICT;
         INSERT INTO checkpoint VALUES (0);",
    )?;
    let email = [7_u8; 64];
    let begin = Instant::now();
    for batch in (0..events).collect::<Vec<_>>().chunks(BATCH) {
        let transaction = connection.transaction()?;
        for event in batch {
            let sql = "INSERT INTO users (id, email, seen) VALUES (?1, ?2, ?3)
                       ON CONFLICT (id) DO UPDATE SET seen = ?3";
            let user = u128::try_from(event / 10).unwrap_or(0).to_be_bytes();
            transaction.prepare_cached(sql)?.execute(params![user, email, event])?;
        }
        transaction.execute("UPDATE checkpoint SET position = ?1", [batch.last()])?;
        transaction.commit()?;
    }
    Ok(rate(events, begin.elapsed()))
}
