//! Reads the log and the vault.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;
use whence_events::{
    Actor, CorrelationId, EventId, Leaf, Metadata, Position, Recorded, StreamId, Timestamp,
    Version, codec,
};

use super::connection;
use crate::store::{KeyRecord, Leaves, StoreError, clamped};

/// Connections for readers: as many as ever read at the same time, kept for reuse.
pub(super) struct SqliteReaders {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteReaders {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::default() }
    }

    /// Returns up to `limit` events of a stream from version `from` on.
    pub(super) fn stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let sql = "SELECT e.position, s.name, e.version, e.event_id, e.type, e.data, e.occurred_at,
                          e.recorded_at, e.correlation_id, e.causation_id, e.actor
                   FROM streams s JOIN events e ON e.stream = s.first
                   WHERE s.name = ?1 AND e.version >= ?2 ORDER BY e.version LIMIT ?3";
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement
                .query_map(params![stream.to_string(), clamped(from), clamped(limit)], recorded)?
                .collect()
        })
    }

    /// Returns up to `limit` events after position `after`.
    pub(super) fn all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        let sql = "SELECT e.position, s.name, e.version, e.event_id, e.type, e.data, e.occurred_at,
                          e.recorded_at, e.correlation_id, e.causation_id, e.actor
                   FROM events e JOIN streams s ON s.first = e.stream
                   WHERE e.position > ?1 ORDER BY e.position LIMIT ?2";
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_map(params![clamped(after), clamped(limit)], recorded)?.collect()
        })
    }

    /// Returns the same events as [`SqliteReaders::all`], as leaves.
    pub(super) fn leaves(&self, after: Position, limit: usize) -> Result<Leaves, StoreError> {
        // Includes events whose stream is gone.
        let sql = "SELECT e.position, s.name, e.version, e.event_id, e.type, e.data, e.occurred_at,
                          e.recorded_at, e.correlation_id, e.causation_id, e.actor
                   FROM events e LEFT JOIN streams s ON s.first = e.stream
                   WHERE e.position > ?1 ORDER BY e.position LIMIT ?2";
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![clamped(after), clamped(limit)])?;
            let mut leaves = Leaves::default();
            while let Some(row) = rows.next()? {
                leaves.try_add(row.get(0)?, |out| leaf(row).map(|leaf| leaf.write(out)));
            }
            Ok(leaves)
        })
    }

    /// Returns the position of the last event; 0 when there is none.
    pub(super) fn head(&self) -> Result<Position, StoreError> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT max(position) FROM events")?;
            statement.query_row([], |row| row.get(0)).map(|head: Option<u64>| head.unwrap_or(0))
        })
    }

    /// Returns the latest key of a subject.
    pub(super) fn key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        let sql = "SELECT generation, wrapped FROM subject_keys
                   WHERE subject = ?1 ORDER BY generation DESC LIMIT 1";
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let record = statement.query_row([subject.to_string()], |row| {
                Ok(KeyRecord { generation: row.get(0)?, wrapped: row.get(1)? })
            });
            record.optional()
        })
    }

    /// Closes the connections that are kept. None is in use any more.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns what `read` gets through a connection of the pool.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::read_only(&self.path).map_err(StoreError::unavailable)?,
        };
        let result = read(&connection).map_err(StoreError::unavailable)?;
        // Only a connection that worked goes back.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(result)
    }
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let data = row.get_ref(5)?.as_bytes()?;
    Ok(Recorded {
        position: row.get(0)?,
        stream: parsed(row, 1)?,
        version: row.get(2)?,
        event_id: EventId(row.get(3)?),
        event: codec::decode(row.get_ref(4)?.as_str()?, data).map_err(|e| unreadable(5, e))?,
        data: data.into(),
        metadata: Metadata {
            occurred_at: Timestamp::from_micros(row.get(6)?),
            correlation_id: CorrelationId(row.get(8)?),
            causation_id: row.get::<_, Option<Uuid>>(9)?.map(EventId),
            actor: parsed::<Actor>(row, 10)?,
        },
        recorded_at: Timestamp::from_micros(row.get(7)?),
    })
}

fn leaf<'a>(row: &'a Row<'_>) -> rusqlite::Result<Leaf<'a>> {
    Ok(Leaf {
        event_id: row.get(3)?,
        stream: row.get_ref(1)?.as_str()?,
        version: row.get::<_, i64>(2)?.cast_unsigned(),
        event_type: row.get_ref(4)?.as_str()?,
        occurred_at: row.get(6)?,
        correlation_id: row.get(8)?,
        causation_id: row.get(9)?,
        actor: row.get_ref(10)?.as_str()?,
        recorded_at: row.get(7)?,
        data: row.get_ref(5)?.as_bytes()?,
    })
}

/// Returns a column of text as a value that has one text form.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| unreadable(column, error))
}

fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
