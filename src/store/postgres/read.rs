//! Reads the log through a pool of connections.

use std::pin::pin;
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use futures::TryStreamExt as _;
use postgres_types::ToSql;
use tokio::time::timeout;
use tokio_postgres::Row;
use uuid::Uuid;
use whence_events::codec::{self, CodecError};
use whence_events::{
    Actor, CorrelationId, EventId, InvalidId, Leaf, Metadata, Position, Recorded, StreamId,
    Timestamp, Version,
};

use crate::infra::postgres::message;
use crate::store::{Leaves, StoreError, clamped};

/// How long a statement may take to begin to answer, and then for each further row.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// A pool of connections, and the deadlines of what is asked through it.
#[derive(Clone)]
pub(super) struct PostgresReaders {
    pool: Pool,
}

impl PostgresReaders {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Returns up to `limit` events of a stream from version `from` on.
    pub(super) async fn stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let sql = "SELECT e.position, s.name, e.version, e.event_id, e.type, e.data, e.occurred_at,
                          e.recorded_at, e.correlation_id, e.causation_id, e.actor
                   FROM log.streams s JOIN log.events e ON e.stream = s.first
                   WHERE s.name = $1 AND e.version >= $2 ORDER BY e.version LIMIT $3";
        let name = stream.to_string();
        self.query(sql, &[&name, &clamped(from), &clamped(limit)], recorded).await
    }

    /// Returns up to `limit` events after position `after`.
    pub(super) async fn all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let sql = "SELECT e.position, s.name, e.version, e.event_id, e.type, e.data, e.occurred_at,
                          e.recorded_at, e.correlation_id, e.causation_id, e.actor
                   FROM log.events e JOIN log.streams s ON s.first = e.stream
                   WHERE e.position > $1 ORDER BY e.position LIMIT $2";
        self.query(sql, &[&clamped(after), &clamped(limit)], recorded).await
    }

    /// Returns the same events as [`PostgresReaders::all`], as leaves.
    pub(super) async fn leaves(&self, after: Position, limit: usize) -> Result<Leaves, StoreError> {
        // Includes events whose stream is gone.
        let sql = "SELECT e.position, s.name, e.version, e.event_id, e.type, e.data, e.occurred_at,
                          e.recorded_at, e.correlation_id, e.causation_id, e.actor
                   FROM log.events e LEFT JOIN log.streams s ON s.first = e.stream
                   WHERE e.position > $1 ORDER BY e.position LIMIT $2";
        let row = |row: &Row| {
            let mut bytes = Vec::new();
            // An event that cannot be read has no bytes.
            let _ = leaf(row).map(|leaf| leaf.write(&mut bytes));
            Ok((number(row, 0)?, bytes))
        };
        let rows = self.query(sql, &[&clamped(after), &clamped(limit)], row).await?;
        let mut leaves = Leaves::default();
        for (position, bytes) in &rows {
            leaves.add(*position, |out| out.extend_from_slice(bytes));
        }
        Ok(leaves)
    }

    /// Returns the position of the last event; 0 when there is none.
    pub(super) async fn head(&self) -> Result<Position, StoreError> {
        let sql = "SELECT position FROM log.head";
        let found = self.query(sql, &[], |row| number(row, 0)).await?;
        Ok(found.first().copied().unwrap_or(0))
    }

    /// Returns positions and ids of up to `limit` events of a stream from version `from` on.
    pub(super) async fn ids(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, StoreError> {
        let sql = "SELECT e.position, e.event_id
                   FROM log.streams s JOIN log.events e ON e.stream = s.first
                   WHERE s.name = $1 AND e.version >= $2 ORDER BY e.version LIMIT $3";
        let name = stream.to_string();
        let parameters: [&(dyn ToSql + Sync); 3] = [&name, &clamped(from), &clamped(limit)];
        self.query(sql, &parameters, |row| Ok((number(row, 0)?, EventId(row.try_get(1)?)))).await
    }

    /// Returns all rows of a statement, which is run a second time when the connection was broken.
    pub(super) async fn query<T>(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Result<T, PostgresReadError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut again = true;
        loop {
            let client = self.pool.get().await.map_err(|error| unavailable(error.into()))?;
            match rows(&client, sql, parameters, &read).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    // A connection that was found broken is not given to the next caller.
                    let closed = client.is_closed();
                    if closed || matches!(error, PostgresReadError::TimedOut) {
                        drop(Object::take(client));
                    }
                    if !(closed && again) {
                        return Err(unavailable(error));
                    }
                    // It may have been broken for long, by a restart of the server.
                    again = false;
                }
            }
        }
    }
}

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostgresReadError {
    #[error("{}", message(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("no connection to Postgres: {0}")]
    Pool(#[from] PoolError),
    #[error("Postgres did not answer in time")]
    TimedOut,
    #[error("an event cannot be read: {0}")]
    Event(#[from] CodecError),
    #[error("an event cannot be read: {0}")]
    Id(#[from] InvalidId),
    #[error("a number below zero")]
    Number(#[from] std::num::TryFromIntError),
}

fn unavailable(error: PostgresReadError) -> StoreError {
    StoreError::unavailable(error)
}

async fn rows<T>(
    client: &Object,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
    read: impl Fn(&Row) -> Result<T, PostgresReadError>,
) -> Result<Vec<T>, PostgresReadError> {
    let late = |_| PostgresReadError::TimedOut;
    let statement = timeout(READ_TIMEOUT, client.prepare_cached(sql)).await.map_err(late)??;
    let parameters = parameters.iter().copied();
    let rows =
        timeout(READ_TIMEOUT, client.query_raw(&statement, parameters)).await.map_err(late)??;
    let mut rows = pin!(rows);
    let mut found = Vec::new();
    while let Some(row) = timeout(READ_TIMEOUT, rows.try_next()).await.map_err(late)?? {
        found.push(read(&row)?);
    }
    Ok(found)
}

fn number(row: &Row, column: usize) -> Result<u64, PostgresReadError> {
    Ok(row.try_get::<_, i64>(column)?.try_into()?)
}

fn leaf(row: &Row) -> Result<Leaf<'_>, tokio_postgres::Error> {
    Ok(Leaf {
        event_id: row.try_get(3)?,
        stream: row.try_get(1)?,
        version: row.try_get::<_, i64>(2)?.cast_unsigned(),
        event_type: row.try_get(4)?,
        occurred_at: row.try_get(6)?,
        correlation_id: row.try_get(8)?,
        causation_id: row.try_get(9)?,
        actor: row.try_get(10)?,
        recorded_at: row.try_get(7)?,
        data: row.try_get::<_, &str>(5)?.as_bytes(),
    })
}

fn recorded(row: &Row) -> Result<Recorded, PostgresReadError> {
    let data: &str = row.try_get(5)?;
    Ok(Recorded {
        position: number(row, 0)?,
        stream: row.try_get::<_, &str>(1)?.parse()?,
        version: number(row, 2)?,
        event_id: EventId(row.try_get(3)?),
        event: codec::decode(row.try_get(4)?, data.as_bytes())?,
        data: data.as_bytes().into(),
        metadata: Metadata {
            occurred_at: Timestamp::from_micros(row.try_get(6)?),
            correlation_id: CorrelationId(row.try_get(8)?),
            causation_id: row.try_get::<_, Option<Uuid>>(9)?.map(EventId),
            actor: row.try_get::<_, &str>(10)?.parse::<Actor>()?,
        },
        recorded_at: Timestamp::from_micros(row.try_get(7)?),
    })
}
