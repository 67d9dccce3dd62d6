//! The databases themselves, with the schema of the log and no store around them, as the reference
//! for stores.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::{Connection, params};
use tokio_postgres::{Client, Statement};
use whence::infra::random;
use whence_events::StreamId;

use crate::numbers::rate;
use crate::service::Log;
use crate::stores::{self, Target};

/// The number of events in a stream: about three streams for a login of ten events.
pub(crate) const EVENTS_OF_STREAM: u64 = 4;

/// The size of the data of an event, in bytes.
pub(crate) const DATA_BYTES: usize = 300;

/// The time of all events, in microseconds since 1970.
pub(crate) const OCCURRED_AT: i64 = 1_767_225_600_000_000;

/// A database that batches are committed to.
pub(crate) enum RawDatabase {
    Sqlite(RawSqlite),
    Postgres(RawPostgres),
}

impl RawDatabase {
    /// Opens the database in an empty store of its own.
    pub(crate) fn open(target: &Target, log: &Log) -> anyhow::Result<Self> {
        match &target.url {
            None => Ok(Self::Sqlite(RawSqlite::open(target)?)),
            Some(url) => Ok(Self::Postgres(log.runtime.block_on(RawPostgres::open(url))?)),
        }
    }

    /// Commits batches one after the other for some time; returns the events per second.
    pub(crate) fn round(&mut self, log: &Log, batch: usize, time: Duration) -> anyhow::Result<f64> {
        match self {
            Self::Sqlite(database) => Ok(database.round(batch, time)?),
            Self::Postgres(database) => log.runtime.block_on(database.round(batch, time)),
        }
    }
}

/// SQLite with the settings of the log.
pub(crate) struct RawSqlite {
    connection: Connection,
    position: u64,
    data: String,
}

impl RawSqlite {
    fn open(target: &Target) -> rusqlite::Result<Self> {
        let connection = Connection::open(target.directory().join("raw.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -16384;
             PRAGMA wal_autocheckpoint = 4000;",
        )?;
        connection.execute_batch(include_str!("../../../migrations/sqlite/0001_log.sql"))?;
        Ok(Self { connection, position: 0, data: "x".repeat(DATA_BYTES) })
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
                    let name = StreamId::User(random::new_user_id()).to_string();
                    let sql = "INSERT INTO streams (first, name) VALUES (?1, ?2)";
                    transaction.prepare_cached(sql)?.execute(params![first, name])?;
                }
                let sql = "INSERT INTO events (position, stream, version, event_id, type, data,
                             occurred_at, recorded_at, correlation_id, causation_id, actor)
                           VALUES (?1, ?2, ?3, ?4, 'SubscriptionProvisioned.v1', ?5, ?6, ?6, ?4,
                             NULL, 'owner')";
                let id = random::new_event_id();
                let row =
                    params![self.position, first, version, id.0.as_bytes(), self.data, OCCURRED_AT];
                transaction.prepare_cached(sql)?.execute(row)?;
            }
            transaction.commit()?;
            count += batch;
        }
        Ok(rate(count, begin.elapsed()))
    }
}

/// Postgres with one statement of many rows per transaction, from arrays, without lock or check.
pub(crate) struct RawPostgres {
    client: Client,
    insert: Statement,
    position: i64,
    data: String,
}

impl RawPostgres {
    const INSERT: &str = "WITH streams AS (
          INSERT INTO log.streams (first, name) SELECT * FROM unnest($1::bigint[], $2::text[])
        )
        INSERT INTO log.events (position, stream, version, occurred_at, recorded_at, event_id,
            correlation_id, causation_id, actor, type, data)
          SELECT position, stream, version, $7, $7, id, id, NULL, 'owner',
              'SubscriptionProvisioned.v1', data
            FROM unnest($3::bigint[], $4::bigint[], $5::uuid[], $6::text[])
              AS e (position, stream, id, data), LATERAL (SELECT e.position - e.stream) v (version)";

    async fn open(url: &str) -> anyhow::Result<Self> {
        let client = stores::connect(url).await?;
        for sql in [
            include_str!("../../../migrations/postgres/vault_0001.sql"),
            include_str!("../../../migrations/postgres/log_0001.sql"),
        ] {
            client.batch_execute(sql).await.context("the schema of the log")?;
        }
        let insert = client.prepare(Self::INSERT).await?;
        Ok(Self { client, insert, position: 0, data: "x".repeat(DATA_BYTES) })
    }

    async fn round(&mut self, batch: usize, time: Duration) -> anyhow::Result<f64> {
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < time {
            let (mut firsts, mut names) = (Vec::new(), Vec::new());
            let (mut positions, mut streams, mut ids) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..batch {
                self.position += 1;
                let version = (self.position - 1) % EVENTS_OF_STREAM.cast_signed();
                if version == 0 {
                    firsts.push(self.position);
                    names.push(StreamId::User(random::new_user_id()).to_string());
                }
                positions.push(self.position);
                streams.push(self.position - version);
                ids.push(random::new_event_id().0);
            }
            let data = vec![&self.data[..]; batch];
            self.client
                .execute(
                    &self.insert,
                    &[&firsts, &names, &positions, &streams, &ids, &data, &OCCURRED_AT],
                )
                .await?;
            count += batch;
        }
        Ok(rate(count, begin.elapsed()))
    }
}
