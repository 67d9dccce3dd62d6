//! Giving and taking a whole log: `whence copy`.

use async_trait::async_trait;
use rusqlite::{Row, Transaction, params};
use whence_events::{Position, Recorded, Timestamp};

use super::SqliteStore;
use super::read::{Readers, clamped, parsed};
use super::write::{Work, stream_length, write_event};
use crate::store::{Appended, EventStore, KeyPlace, StoreError, StoredKey, Transfer};

/// Events of another log, and the event of this one that they come behind.
pub(super) struct Import {
    pub(super) after: Position,
    pub(super) events: Vec<Recorded>,
}

#[async_trait]
impl Transfer for SqliteStore {
    fn log(&self) -> &dyn EventStore {
        self
    }

    async fn import(&self, after: Position, events: &[Recorded]) -> Result<Position, StoreError> {
        let import = Import { after, events: events.to_vec() };
        self.ask(Work::Import(import)).await.map(Appended::last)
    }

    async fn keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.readers.keys(after, limit)
    }

    async fn import_keys(&self, keys: &[StoredKey]) -> Result<(), StoreError> {
        self.ask(Work::ImportKeys(keys.to_vec())).await.map(drop)
    }
}

impl Readers {
    fn keys(&self, after: Option<&KeyPlace>, limit: usize) -> Result<Vec<StoredKey>, StoreError> {
        // No subject has an empty name.
        let (subject, generation) = after.map_or(("", 0), |at| (&at.subject, at.generation));
        let sql = "SELECT subject, generation, wrapped, created_at, destroyed_at FROM subject_keys
                   WHERE (subject, generation) > (?1, ?2) ORDER BY subject, generation LIMIT ?3";
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_map(params![subject, generation, clamped(limit)], key)?.collect()
        })
    }
}

fn key(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    Ok(StoredKey {
        subject: parsed(row, 0)?,
        generation: row.get(1)?,
        wrapped: row.get(2)?,
        created_at: Timestamp::from_micros(row.get(3)?),
        destroyed_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
    })
}

/// Inserts all events, or says that the log or a stream ends elsewhere and inserts none: the
/// transaction goes on with other jobs. `head` is where the log ended before it.
pub(super) fn write_import(
    transaction: &Transaction<'_>,
    import: Import,
    head: Position,
    recorded: &mut Vec<Recorded>,
) -> rusqlite::Result<Result<Appended, StoreError>> {
    let end = head + recorded.len() as u64;
    if import.after != end {
        return Ok(Err(StoreError::Conflict { length: end }));
    }
    transaction.execute_batch("SAVEPOINT import")?;
    let before = recorded.len();
    for (mut event, position) in import.events.into_iter().zip(end + 1..) {
        let name = event.stream.to_string();
        let (first, length) = stream_length(transaction, &name)?;
        if length != event.version {
            recorded.truncate(before);
            transaction.execute_batch("ROLLBACK TO import; RELEASE import")?;
            return Ok(Err(StoreError::Conflict { length }));
        }
        let first = first.unwrap_or(position);
        if length == 0 {
            let sql = "INSERT INTO streams (first, name) VALUES (?1, ?2)";
            transaction.prepare_cached(sql)?.execute(params![first, name])?;
        }
        event.position = position;
        write_event(transaction, first, &event)?;
        recorded.push(event);
    }
    transaction.execute_batch("RELEASE import")?;
    Ok(Ok(Appended::Now { last: head + recorded.len() as u64 }))
}

/// Whether keys on their way in destroy some that may be here.
pub(super) fn destroys(keys: &[StoredKey]) -> bool {
    keys.iter().any(|key| key.wrapped.is_none())
}

/// Stores keys where there are none, and destroys what is destroyed.
pub(super) fn write_keys(
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
