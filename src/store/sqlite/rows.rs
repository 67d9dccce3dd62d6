//! The rows of the log and the vault: what is written into a transaction, and looked up in it.

use rusqlite::{OptionalExtension as _, Transaction, params};
use whence_events::{EventId, Position, Recorded, StreamId, Timestamp, Version};

use crate::store::{NewKey, StoredKey, clamped};

/// Returns the position of the first event of a stream, when the stream exists, and its length.
pub(super) fn stream_length(
    transaction: &Transaction<'_>,
    name: &str,
) -> rusqlite::Result<(Option<Position>, Version)> {
    let sql = "SELECT s.first, (SELECT max(version) + 1 FROM events WHERE stream = s.first)
               FROM streams s WHERE s.name = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let found = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map_or((None, 0), |(first, length)| (Some(first), length)))
}

/// Returns positions and ids of up to `limit` events of a stream from version `from` on.
pub(super) fn ids(
    transaction: &Transaction<'_>,
    first: Option<Position>,
    from: Version,
    limit: usize,
) -> rusqlite::Result<Vec<(Position, EventId)>> {
    let sql = "SELECT position, event_id FROM events
               WHERE stream = ?1 AND version >= ?2 ORDER BY version LIMIT ?3";
    transaction
        .prepare_cached(sql)?
        .query_map(params![first, clamped(from), limit], |row| {
            Ok((row.get(0)?, EventId(row.get(1)?)))
        })?
        .collect()
}

/// Inserts a stream whose first event gets the position `first`.
pub(super) fn write_stream(
    transaction: &Transaction<'_>,
    first: Position,
    name: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO streams (first, name) VALUES (?1, ?2)";
    transaction.prepare_cached(sql)?.execute(params![first, name]).map(drop)
}

/// Inserts an event of the stream whose first event is at `first`.
pub(super) fn write_event(
    transaction: &Transaction<'_>,
    first: Position,
    event: &Recorded,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO events (position, stream, version, event_id, type, data, occurred_at,
                 recorded_at, correlation_id, causation_id, actor)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    transaction.prepare_cached(sql)?.execute(params![
        event.position,
        first,
        event.version,
        event.event_id.0,
        event.event.event_type(),
        std::str::from_utf8(&event.data)?,
        event.metadata.occurred_at.as_micros(),
        event.recorded_at.as_micros(),
        event.metadata.correlation_id.0,
        event.metadata.causation_id.map(|id| id.0),
        event.metadata.actor.to_string(),
    ])?;
    Ok(())
}

/// Inserts a new key of a subject.
pub(super) fn write_key(
    transaction: &Transaction<'_>,
    subject: &str,
    key: &NewKey,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO subject_keys (subject, generation, wrapped, created_at)
               VALUES (?1, ?2, ?3, ?4)";
    let row = params![subject, key.generation, key.wrapped, at.as_micros()];
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Destroys the key of a subject up to a generation; one that never had a key has a destroyed one from then on.
pub(super) fn write_destroyed(
    transaction: &Transaction<'_>,
    subject: &StreamId,
    up_to: Option<u32>,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "UPDATE subject_keys SET wrapped = NULL, destroyed_at = ?2
               WHERE subject = ?1 AND wrapped IS NOT NULL AND generation <= ?3";
    let up_to = up_to.map_or(i64::MAX, i64::from);
    let values = params![subject.to_string(), at.as_micros(), up_to];
    transaction.prepare_cached(sql)?.execute(values)?;
    let sql = "INSERT INTO subject_keys (subject, generation, created_at, destroyed_at)
               VALUES (?1, 0, ?2, ?2) ON CONFLICT DO NOTHING";
    transaction.prepare_cached(sql)?.execute(params![subject.to_string(), at.as_micros()])?;
    Ok(())
}

/// Stores keys of another vault where this one has none, and destroys those that are destroyed there.
pub(super) fn write_imported_keys(
    transaction: &Transaction<'_>,
    keys: &[StoredKey],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO subject_keys (subject, generation, wrapped, created_at, destroyed_at)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (subject, generation) DO UPDATE
                 SET wrapped = NULL, destroyed_at = excluded.destroyed_at
                 WHERE excluded.wrapped IS NULL AND subject_keys.wrapped IS NOT NULL";
    let mut statement = transaction.prepare_cached(sql)?;
    for key in keys {
        statement.execute(params![
            key.subject.to_string(),
            key.generation,
            key.wrapped,
            key.created_at.as_micros(),
            key.destroyed_at.map(Timestamp::as_micros),
        ])?;
    }
    Ok(())
}
