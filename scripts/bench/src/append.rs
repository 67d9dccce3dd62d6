//! Measures appends of 300-byte events, against the databases themselves with the same schema.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use whence::infra::random;
use whence::store::{Append, EventStore, NewEvent};
use whence_events::{Actor, Event, Metadata, StreamId, SubscriptionProvisioned, UserEvent};

use crate::args::Args;
use crate::kind::StoreKind;
use crate::machine::Usage;
use crate::numbers::float;
use crate::outcome::Outcome;
use crate::raw::{DATA_BYTES, EVENTS_OF_STREAM, OCCURRED_AT, RawDatabase};
use crate::report::{Row, Table};
use crate::service::Log;
use crate::size::DatabaseWork;
use crate::stores::{Stores, Target};

/// The number of events in an append of several.
const SEVERAL: usize = 4;

/// A store, and its database if there is one.
struct AppendSubject {
    kind: StoreKind,
    log: Log,
    database: Option<(RawDatabase, Vec<(usize, Row)>)>,
    stores: Vec<Shape>,
    target: Target,
    /// The store of the raw database.
    _database_target: Target,
}

/// A load of appends: the events of each and the number in flight.
struct Shape {
    in_flight: usize,
    events: usize,
    row: Row,
    appends: usize,
    work: DatabaseWork,
}

/// Measures each store, and each database at batches of 1, of 100 and of the events in flight.
pub(crate) fn measure(args: &Args, stores: &Stores) -> anyhow::Result<Table> {
    let mut subjects = Vec::new();
    for kind in &args.store {
        subjects.push(open(args, stores, *kind)?);
    }
    for _ in 0..args.rounds {
        for AppendSubject { log, database, stores, target, .. } in &mut subjects {
            if let Some((database, rows)) = database {
                for (batch, row) in rows {
                    row.add(database.round(log, *batch, args.round() / 2)?);
                }
            }
            for Shape { in_flight, events, row, appends, work } in stores {
                let (worked, before) = (DatabaseWork::now(target, log)?, Usage::now());
                let done =
                    store_round(&log.runtime, &log.store, *in_flight, *events, args.round())?;
                row.add_many(&done, *events, Usage::now().since(before));
                *appends += done.count;
                work.add(worked, DatabaseWork::now(target, log)?);
            }
        }
    }
    let mut table = Table::new(
        "appends, durable but for the double's: events a second (bars: half the database at the same \
         batch; Postgres 50000 at 64 in flight)",
    );
    for AppendSubject { kind, database, stores, .. } in subjects {
        let rows = database.map_or_else(Vec::new, |(_, rows)| rows);
        let references: Vec<_> =
            rows.into_iter().map(|(batch, row)| (batch, table.reference(row))).collect();
        for Shape { in_flight, events, row, appends, work } in stores {
            let same = references.iter().find(|(batch, _)| *batch == in_flight * events);
            if kind != StoreKind::Sqlite {
                table.note(row.cpu());
            }
            if kind == StoreKind::Postgres {
                let appends = float(appends);
                table.note(format!(
                    "    {:.0} appends a sync, {:.0} bytes of WAL each",
                    appends / work.syncs,
                    work.wal / appends
                ));
            }
            match same {
                Some((_, reference)) => table.subject(row, *reference),
                None => {
                    table.reference(row);
                }
            }
        }
    }
    Ok(table)
}

fn open(args: &Args, stores: &Stores, kind: StoreKind) -> anyhow::Result<AppendSubject> {
    let (raw, target) = (stores.make(kind)?, stores.make(kind)?);
    let log = Log::open(&target, args)?;
    let several = |in_flight: &usize| [(*in_flight, 1), (*in_flight, SEVERAL)];
    let (batches, shapes, name): (Vec<usize>, Vec<_>, _) = match kind {
        StoreKind::Sqlite if args.store.len() == 1 => {
            let alone = args.in_flight.iter().map(|in_flight| (*in_flight, 1)).collect();
            ([1, 100].into_iter().chain(args.in_flight.clone()).collect(), alone, String::new())
        }
        StoreKind::Sqlite | StoreKind::Postgres => {
            let shapes: Vec<_> = args.in_flight.iter().flat_map(several).collect();
            let batches = shapes.iter().map(|(in_flight, events)| in_flight * events);
            let batches = [1, 100].into_iter().chain(batches).collect();
            let name = if kind == StoreKind::Sqlite {
                String::new()
            } else {
                format!("{}: ", kind.name())
            };
            (batches, shapes, name)
        }
        StoreKind::KurrentdbDouble => {
            let widest = args.in_flight.first().copied().unwrap_or(1);
            (Vec::new(), vec![(1, 1), (widest, 1)], format!("{}: ", kind.name()))
        }
    };
    let mut batches = batches;
    batches.sort_unstable();
    batches.dedup();
    let database = if batches.is_empty() { None } else { Some(RawDatabase::open(&raw, &log)?) };
    let row = |batch| (batch, Row::new(format!("{} itself, {batch} a commit", kind.name())));
    let shape = |(in_flight, events)| {
        let each = if events == 1 { String::new() } else { format!(", {events} events each") };
        let row = Row::new(format!("{name}append, {in_flight} in flight{each}"));
        Shape { in_flight, events, row, appends: 0, work: DatabaseWork::default() }
    };
    Ok(AppendSubject {
        kind,
        log,
        database: database.map(|database| (database, batches.into_iter().map(row).collect())),
        stores: shapes.into_iter().map(shape).collect(),
        target,
        _database_target: raw,
    })
}

/// Runs `in_flight` callers, each of which appends `events` events repeatedly.
pub(crate) fn store_round(
    runtime: &Runtime,
    store: &Arc<dyn EventStore>,
    in_flight: usize,
    events: usize,
    time: Duration,
) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let callers =
        (0..in_flight).map(|_| runtime.spawn(caller(store.clone(), events, begin + time)));
    let joined = runtime.block_on(futures::future::try_join_all(callers.collect::<Vec<_>>()))?;
    let mut latencies = joined.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    latencies.sort_unstable();
    Ok(Outcome { count: latencies.len(), time: begin.elapsed(), latencies })
}

async fn caller(
    store: Arc<dyn EventStore>,
    events: usize,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let plan = "x".repeat(DATA_BYTES - r#"{"plan":""}"#.len());
    let event = Event::from(UserEvent::from(SubscriptionProvisioned { plan }));
    let (mut latencies, mut length) = (Vec::new(), 0);
    let mut stream = StreamId::User(random::new_user_id());
    let mut begin = Instant::now();
    while begin < end {
        if length >= EVENTS_OF_STREAM {
            (stream, length) = (StreamId::User(random::new_user_id()), 0);
        }
        let new = |_| {
            let metadata = Metadata {
                occurred_at: whence_events::Timestamp::from_micros(OCCURRED_AT),
                correlation_id: random::new_correlation_id(),
                causation_id: None,
                actor: Actor::Owner,
            };
            NewEvent::new(random::new_event_id(), event.clone(), metadata)
        };
        let append = Append {
            stream: stream.clone(),
            expected_length: length,
            events: (0..events).map(new).collect::<Result<_, _>>()?,
            new_key: None,
        };
        store.append(append).await?;
        length += events as u64;
        let now = Instant::now();
        latencies.push(now - begin);
        begin = now;
    }
    Ok(latencies)
}
