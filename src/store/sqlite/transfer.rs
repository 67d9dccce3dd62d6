//! Gives and takes a whole log for `whence copy`.

use async_trait::async_trait;
use rusqlite::{Row, params};
use whence_events::{Position, Recorded, Timestamp};

use super::SqliteStore;
use super::read::{SqliteReaders, parsed};
use super::work::{Import, Work};
use crate::store::{Appended, EventStore, KeyPlace, StoreError, StoredKey, Transfer, clamped};

#[async_trait]
impl Transfer for SqliteStore {
    fn log(&self) -> &dyn EventStore {
        self
    }

    async fn import(&self, after: Position, events: &[Recorded]) -> Result<Position, StoreError> {
        let import = Import { after, events: events.to_vec() };
        self.submit(Work::Import(import)).await.map(Appended::last)
    }

    async fn keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.readers.keys(after, limit)
    }

    async fn import_keys(&self, keys: &[StoredKey]) -> Result<(), StoreError> {
        self.submit(Work::ImportKeys(keys.to_vec())).await.map(drop)
    }
}

impl SqliteReaders {
    pub(super) fn keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
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
