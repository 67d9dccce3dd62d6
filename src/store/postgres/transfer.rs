//! Gives and takes a whole log for `whence copy`.

use async_trait::async_trait;
use postgres_types::ToSql;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Row, Transaction};
use whence_events::{Position, Recorded, Timestamp};

use super::PostgresStore;
use super::columns::EventColumns;
use super::open::SETTINGS;
use super::read::PostgresReadError;
use super::vault::PostgresVault;
use crate::infra::postgres::{
    ConnectError, ConnectionTask, PostgresUrl, TRANSACTION_POOLING, message,
};
use crate::store::{EventStore, KeyPlace, StoreError, StoredKey, Transfer, clamped};

/// The advisory lock that a copy into this database holds while its session lasts.
const COPY_LOCK: i64 = 0x7768_656e_6365_0003;

/// How often the lock is asked for, and how long between: the server takes a moment to notice that a
/// copy was killed.
const LOCK_TRIES: usize = 20;
const LOCK_INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);

/// The connection of a copy. For the target of a copy it holds a lock, so that no second copy runs.
pub(in crate::store) struct CopyLock {
    client: Mutex<Client>,
    _driver: ConnectionTask,
}

/// Why nothing can be copied into a database now.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum CopyLockError {
    /// There is no connection to the server.
    #[error("cannot connect to Postgres at {database}: {source}")]
    Connect {
        /// The hosts and the database.
        database: String,
        /// The cause.
        source: ConnectError,
    },
    /// Postgres refused a statement.
    #[error("cannot ask the Postgres at {database}: {}", message(.source))]
    Postgres {
        /// The hosts and the database.
        database: String,
        /// The cause.
        source: tokio_postgres::Error,
    },
    /// A pooler does not keep a session on one connection.
    #[error("the Postgres at {0} {TRANSACTION_POOLING}")]
    TransactionPooling(String),
    /// Another copy into the database runs.
    #[error("another copy into {0} is under way")]
    Taken(String),
    /// The database has no log to copy.
    #[error("there is no log in the database {0}")]
    NoLog(String),
}

impl CopyLock {
    /// Connects without taking the lock.
    async fn connect(url: &PostgresUrl) -> Result<Self, CopyLockError> {
        let connected = url.connect(&SETTINGS).await;
        let (client, driver) = connected
            .map_err(|source| CopyLockError::Connect { database: url.to_string(), source })?;
        match url.is_transaction_pooled(&client).await {
            Ok(false) => {}
            Ok(true) => {
                return Err(CopyLockError::TransactionPooling(url.to_string()));
            }
            Err(source) => {
                return Err(CopyLockError::Connect { database: url.to_string(), source });
            }
        }
        Ok(Self { client: Mutex::new(client), _driver: driver })
    }

    /// Takes the lock of a target: no other copy into it runs while this value lives.
    pub(in crate::store) async fn take(url: &PostgresUrl) -> Result<Self, CopyLockError> {
        let lock = Self::connect(url).await?;
        let sql = "SELECT pg_try_advisory_lock($1)";
        for _ in 0..LOCK_TRIES {
            let taken = lock.client.lock().await.query_one(sql, &[&COPY_LOCK]).await;
            if taken.map_err(|source| failed(url, source))?.get(0) {
                return Ok(lock);
            }
            tokio::time::sleep(LOCK_INTERVAL).await;
        }
        Err(CopyLockError::Taken(url.to_string()))
    }

    /// Connects to a source, and fails when it has no such table: opening the log would make it.
    pub(in crate::store) async fn of_source(
        url: &PostgresUrl,
        table: &str,
    ) -> Result<Self, CopyLockError> {
        let source = Self::connect(url).await?;
        let sql = "SELECT to_regclass($1) IS NOT NULL";
        let there = source.client.lock().await.query_one(sql, &[&table]).await;
        let there = there.map_err(|source| failed(url, source))?;
        if there.get(0) { Ok(source) } else { Err(CopyLockError::NoLog(url.to_string())) }
    }
}

fn failed(url: &PostgresUrl, source: tokio_postgres::Error) -> CopyLockError {
    CopyLockError::Postgres { database: url.to_string(), source }
}

/// A log in Postgres as one side of a copy.
pub(in crate::store) struct PostgresTransfer {
    store: PostgresStore,
    lock: CopyLock,
}

impl PostgresTransfer {
    /// Takes an open log, and the lock on its database.
    pub(in crate::store) fn new(store: PostgresStore, lock: CopyLock) -> Self {
        Self { store, lock }
    }
}

#[async_trait]
impl Transfer for PostgresTransfer {
    fn log(&self) -> &dyn EventStore {
        &self.store
    }

    // Runs on the connection that holds the lock: when that is lost, this fails.
    async fn import(&self, after: Position, events: &[Recorded]) -> Result<Position, StoreError> {
        let mut client = self.lock.client.lock().await;
        let transaction = client.transaction().await.map_err(unavailable)?;
        let sql = "SELECT position FROM log.head FOR UPDATE";
        let row = transaction.query_one(sql, &[]).await.map_err(unavailable)?;
        let head = row.get::<_, i64>(0).cast_unsigned();
        if head != after {
            return Err(StoreError::Conflict { length: head });
        }
        insert(&transaction, after, events).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(after + events.len() as u64)
    }

    async fn keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.store.vault.keys(after, limit).await
    }

    async fn import_keys(&self, keys: &[StoredKey]) -> Result<(), StoreError> {
        self.store.vault.import_keys(keys).await
    }
}

/// Inserts the events after the one at `after` and moves the head, in three statements.
async fn insert(
    transaction: &Transaction<'_>,
    after: Position,
    events: &[Recorded],
) -> Result<(), StoreError> {
    let columns = ImportColumns::of(after, events);
    let c = &columns;
    let sql = "INSERT INTO log.streams (first, name)
               SELECT e.position, e.name FROM unnest($1::bigint[], $2::text[], $3::bigint[])
                 AS e (position, name, version) WHERE e.version = 0";
    let streams: [&(dyn ToSql + Sync); 3] = [&c.positions, &c.names, &c.versions];
    transaction.execute(sql, &streams).await.map_err(unavailable)?;
    let sql = "INSERT INTO log.events (position, stream, version, occurred_at, recorded_at,
                 event_id, correlation_id, causation_id, actor, type, data)
               SELECT e.position, s.first, e.version, e.occurred_at, e.recorded_at, e.event_id,
                      e.correlation_id, e.causation_id, e.actor, e.type,
                      convert_from(e.data, 'UTF8')
                 FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
                             $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::text[],
                             $11::bytea[])
                   AS e (position, name, version, occurred_at, recorded_at, event_id,
                         correlation_id, causation_id, actor, type, data)
                 JOIN log.streams s ON s.name = e.name";
    let values: [&(dyn ToSql + Sync); 11] = [
        &c.positions,
        &c.names,
        &c.versions,
        &c.events.occurred,
        &c.recorded,
        &c.events.ids,
        &c.events.correlations,
        &c.events.causations,
        &c.events.actors,
        &c.events.types,
        &c.events.contents,
    ];
    let written = transaction.execute(sql, &values).await.map_err(unavailable)?;
    if written != events.len() as u64 {
        return Err(StoreError::unavailable(NoStream));
    }
    let sql = "UPDATE log.head SET position = $1, recorded_at = greatest(recorded_at, $2)";
    let latest = c.recorded.iter().max().copied().unwrap_or(0);
    let end = clamped(after + events.len() as u64);
    transaction.execute(sql, &[&end, &latest]).await.map_err(unavailable)?;
    Ok(())
}

/// Events of another log as the columns of the table.
#[derive(Default)]
struct ImportColumns<'a> {
    positions: Vec<i64>,
    names: Vec<String>,
    versions: Vec<i64>,
    recorded: Vec<i64>,
    events: EventColumns<'a>,
}

impl<'a> ImportColumns<'a> {
    fn of(after: Position, events: &'a [Recorded]) -> Self {
        let mut columns = Self::default();
        for (event, position) in events.iter().zip(after + 1..) {
            columns.positions.push(clamped(position));
            columns.names.push(event.stream.to_string());
            columns.versions.push(clamped(event.version));
            columns.recorded.push(event.recorded_at.as_micros());
            let Recorded { event_id, event, data, metadata, .. } = event;
            columns.events.push(*event_id, event, data, metadata);
        }
        columns
    }
}

impl PostgresVault {
    /// Returns keys as [`Transfer::keys`] does.
    pub(in crate::store) async fn keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let (subject, generation) = after.map_or(("", 0), |at| (&at.subject, at.generation));
        let sql = "SELECT subject, generation, wrapped, created_at, destroyed_at
                   FROM vault.subject_keys WHERE (subject, generation) > ($1, $2)
                   ORDER BY subject, generation LIMIT $3";
        let parameters: [&(dyn ToSql + Sync); 3] =
            [&subject, &i64::from(generation), &clamped(limit)];
        self.readers.query(sql, &parameters, stored_key).await
    }

    /// Stores keys as [`Transfer::import_keys`] does.
    pub(in crate::store) async fn import_keys(&self, keys: &[StoredKey]) -> Result<(), StoreError> {
        let subjects: Vec<_> = keys.iter().map(|key| key.subject.to_string()).collect();
        let generations: Vec<_> = keys.iter().map(|key| i64::from(key.generation)).collect();
        let wrapped: Vec<_> = keys.iter().map(|key| key.wrapped.as_deref()).collect();
        let created: Vec<_> = keys.iter().map(|key| key.created_at.as_micros()).collect();
        let destroyed: Vec<_> =
            keys.iter().map(|key| key.destroyed_at.map(Timestamp::as_micros)).collect();
        let sql = "INSERT INTO vault.subject_keys AS k
                     (subject, generation, wrapped, created_at, destroyed_at)
                   SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bigint[],
                                        $5::bigint[])
                   ON CONFLICT (subject, generation) DO UPDATE
                     SET wrapped = NULL, destroyed_at = excluded.destroyed_at
                     WHERE excluded.wrapped IS NULL AND k.wrapped IS NOT NULL";
        let values: [&(dyn ToSql + Sync); 5] =
            [&subjects, &generations, &wrapped, &created, &destroyed];
        self.readers.query(sql, &values, |_| Ok(())).await.map(drop)
    }
}

fn stored_key(row: &Row) -> Result<StoredKey, PostgresReadError> {
    Ok(StoredKey {
        subject: row.try_get::<_, &str>(0)?.parse()?,
        generation: u32::try_from(row.try_get::<_, i64>(1)?)?,
        wrapped: row.try_get(2)?,
        created_at: Timestamp::from_micros(row.try_get(3)?),
        destroyed_at: row.try_get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
    })
}

fn unavailable(error: tokio_postgres::Error) -> StoreError {
    StoreError::unavailable(PostgresReadError::from(error))
}

/// The source has an event whose stream does not begin before it.
#[derive(Debug, thiserror::Error)]
#[error("an event belongs to a stream that has no beginning")]
struct NoStream;
