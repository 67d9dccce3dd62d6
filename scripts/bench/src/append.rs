//! Appends of 300-byte events, against SQLite itself with the same schema.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use whence::secrets;
use whence::store::{Append, EventStore, NewEvent};
use whence_events::{Actor, Event, Metadata, StreamId, SubscriptionProvisioned, UserEvent};

use crate::args::Args;
use crate::machine::Used;
use crate::report::{Row, Table, rate};
use crate::service::{self, Log};

/// Events of a stream before the next stream begins: some three streams a login of ten events.
const EVENTS_OF_STREAM: u64 = 4;

/// Bytes of an event's data.
const BYTES: usize = 300;

/// Measures the engine at batches of 1, of 100 and of each number in flight; and the store.
pub(crate) fn measure(args: &Args, parent: &Path) -> anyhow::Result<Table> {
    let directory = TempDir::new_in(parent)?;
    let mut engine = Engine::open(&directory.path().join("raw.db"))?;
    let log = Log::open(&directory.path().join("store"))?;
    let runtime = service::runtime(args.server_threads)?;
    let mut batches = vec![1, 100];
    batches.extend(args.in_flight.iter().filter(|count| **count != 100));
    let mut engines: Vec<_> = batches
        .iter()
        .map(|batch| (*batch, Row::new(format!("SQLite itself, {batch} a commit"))))
        .collect();
    let mut stores: Vec<_> = args
        .in_flight
        .iter()
        .map(|count| (*count, Row::new(format!("append, {count} in flight"))))
        .collect();
    for _ in 0..args.rounds {
        for (batch, row) in &mut engines {
            row.add(engine.round(*batch, args.round() / 2)?);
        }
        for (in_flight, row) in &mut stores {
            let before = Used::by_servers();
            let done = store_round(&runtime, &log.store, *in_flight, args.round())?;
            row.add_load(&done, Used::by_servers().since(before));
        }
    }
    let title =
        "appends, synchronous=FULL: events a second (bar: half the engine at the same batch)";
    let mut table = Table::new(title);
    let references: Vec<_> =
        engines.into_iter().map(|(batch, row)| (batch, table.reference(row))).collect();
    for (in_flight, row) in stores {
        let same = references.iter().find(|(batch, _)| *batch == in_flight);
        table.subject(row, same.map_or(f64::NAN, |(_, reference)| *reference));
    }
    Ok(table)
}

/// SQLite with the log's schema and settings, and nothing around it.
struct Engine {
    connection: Connection,
    position: u64,
    data: String,
}

impl Engine {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -16384;
             PRAGMA wal_autocheckpoint = 4000;",
        )?;
        connection.execute_batch(include_str!("../../../migrations/sqlite/0001_log.sql"))?;
        Ok(Self { connection, position: 0, data: "x".repeat(BYTES) })
    }

    fn round(&mut self, batch: usize, time: Duration) -> rusqlite::Result<f64> {
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < time {
            let transaction = self.connection.transaction()?;
            for _ in 0..batch {
                self.position += 1;
                let version = (self.position - 1) % EVENTS_OF_STREAM;
                let first = self.position - version;
                if version == 0 {
                    let name = StreamId::User(secrets::new_user_id()).to_string();
                    let sql = "INSERT INTO streams (first, name) VALUES (?1, ?2)";
                    transaction.prepare_cached(sql)?.execute(params![first, name])?;
                }
                let sql = "INSERT INTO events (position, stream, version, event_id, type, data,
                             occurred_at, recorded_at, correlation_id, causation_id, actor)
                           VALUES (?1, ?2, ?3, ?4, 'SubscriptionProvisioned.v1', ?5, ?6, ?6, ?4,
                             NULL, 'owner')";
                let id = secrets::new_event_id();
                let row = params![
                    self.position,
                    first,
                    version,
                    id.0.as_bytes(),
                    self.data,
                    1_767_225_600_000_000_i64
                ];
                transaction.prepare_cached(sql)?.execute(row)?;
            }
            transaction.commit()?;
            count += batch;
        }
        Ok(rate(count, begin.elapsed()))
    }
}

/// So many callers, each of which appends one event after the other.
fn store_round(
    runtime: &Runtime,
    store: &Arc<dyn EventStore>,
    in_flight: usize,
    time: Duration,
) -> anyhow::Result<crate::load::Done> {
    let begin = Instant::now();
    let callers = (0..in_flight).map(|_| runtime.spawn(caller(store.clone(), begin + time)));
    let joined = runtime.block_on(futures::future::try_join_all(callers.collect::<Vec<_>>()))?;
    let mut latencies = joined.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    latencies.sort_unstable();
    Ok(crate::load::Done { count: latencies.len(), time: begin.elapsed(), latencies })
}

async fn caller(store: Arc<dyn EventStore>, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let plan = "x".repeat(BYTES - r#"{"plan":""}"#.len());
    let event = Event::from(UserEvent::from(SubscriptionProvisioned { plan }));
    let (mut latencies, mut length) = (Vec::new(), 0);
    let mut stream = StreamId::User(secrets::new_user_id());
    let mut begin = Instant::now();
    while begin < end {
        if length == EVENTS_OF_STREAM {
            (stream, length) = (StreamId::User(secrets::new_user_id()), 0);
        }
        let metadata = Metadata {
            occurred_at: whence_events::Timestamp::from_micros(1_767_225_600_000_000),
            correlation_id: secrets::new_correlation_id(),
            causation_id: None,
            actor: Actor::Owner,
        };
        let new = NewEvent::new(secrets::new_event_id(), event.clone(), metadata)?;
        let append = Append {
            stream: stream.clone(),
            expected_length: length,
            events: vec![new],
            new_key: None,
        };
        store.append(append).await?;
        length += 1;
        let now = Instant::now();
        latencies.push(now - begin);
        begin = now;
    }
    Ok(latencies)
}
