//! The vault in Postgres, of a log in the same database or in another store.

use deadpool_postgres::Pool;
use tokio_postgres::Row;
use whence_events::StreamId;

use super::open::{self, PostgresOpenError, SETTINGS};
use super::read::{PostgresReadError, PostgresReaders};
use crate::infra::clock::Clock;
use crate::infra::keys::Fingerprints;
use crate::infra::postgres::PostgresUrl;
#[cfg(feature = "kurrentdb")]
use crate::store::{ForeignEvent, clamped};
use crate::store::{KeyPut, KeyRecord, NewKey, StoreError};
#[cfg(feature = "kurrentdb")]
use whence_events::Timestamp;

/// Connections of a vault that has a pool of its own.
const VAULT_CONNECTIONS: usize = 8;

/// Subject keys in a Postgres database.
#[derive(Clone)]
pub struct PostgresVault {
    pub(super) readers: PostgresReaders,
    clock: Clock,
}

impl PostgresVault {
    /// Opens the vault in a database, or makes it there, without a log.
    pub async fn open(
        url: &PostgresUrl,
        fingerprint: impl Into<Fingerprints>,
        clock: Clock,
    ) -> Result<Self, PostgresOpenError> {
        open::vault(url, &fingerprint.into()).await?;
        Ok(Self::over(url.pool(VAULT_CONNECTIONS, &SETTINGS), clock))
    }

    /// Returns the vault that is reached through a pool whose commits are durable.
    pub(super) fn over(pool: Pool, clock: Clock) -> Self {
        Self { readers: PostgresReaders::new(pool), clock }
    }

    /// Stores a key of a subject, unless there is one of its generation already; durable on `Ok`. After
    /// [`StoreError::Unavailable`] the same key may be put again: it may have been stored.
    pub async fn put(&self, subject: &StreamId, key: &NewKey) -> Result<KeyPut, StoreError> {
        let (subject, generation) = (subject.to_string(), i64::from(key.generation));
        let now = self.clock.now().as_micros();
        let sql = "INSERT INTO vault.subject_keys (subject, generation, wrapped, created_at)
                   VALUES ($1, $2, $3, $4) ON CONFLICT (subject, generation) DO NOTHING";
        self.readers.query(sql, &[&subject, &generation, &key.wrapped, &now], |_| Ok(())).await?;
        // Which key the vault has now is asked in a later statement, which has to see what another node
        // committed.
        let sql = "SELECT wrapped = $3 FROM vault.subject_keys
                   WHERE subject = $1 AND generation = $2";
        let same = |row: &Row| Ok(row.try_get::<_, Option<bool>>(0)?);
        let found = self.readers.query(sql, &[&subject, &generation, &key.wrapped], same).await?;
        Ok(if found == [Some(true)] { KeyPut::Stored } else { KeyPut::Taken })
    }

    /// Returns what the clock of the server says.
    #[cfg(feature = "kurrentdb")]
    pub(in crate::store) async fn server_time(&self) -> Result<Timestamp, StoreError> {
        let sql = format!("SELECT {}", open::SERVER_TIME);
        let time = |row: &Row| Ok(Timestamp::from_micros(row.try_get(0)?));
        let answer = self.readers.query(&sql, &[], time).await?.pop();
        answer.ok_or_else(|| StoreError::unavailable(NoTime))
    }

    /// Returns the latest key of a subject.
    pub async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        let sql = "SELECT generation, wrapped FROM vault.subject_keys
                   WHERE subject = $1 ORDER BY generation DESC LIMIT 1";
        let record = |row: &Row| -> Result<KeyRecord, PostgresReadError> {
            let generation = u32::try_from(row.try_get::<_, i64>(0)?)?;
            Ok(KeyRecord { generation, wrapped: row.try_get(1)? })
        };
        Ok(self.readers.query(sql, &[&subject.to_string()], record).await?.pop())
    }

    /// Destroys the key of a subject up to a generation for good; done when it returns, also when there was none.
    pub async fn destroy_key(
        &self,
        subject: &StreamId,
        up_to: Option<u32>,
    ) -> Result<(), StoreError> {
        // Postgres keeps the old row on its pages until it vacuums them, and in archived WAL.
        let sql = "WITH destroyed AS (
                     UPDATE vault.subject_keys SET wrapped = NULL, destroyed_at = $2
                      WHERE subject = $1 AND wrapped IS NOT NULL AND generation <= $3)
                   INSERT INTO vault.subject_keys (subject, generation, created_at, destroyed_at)
                   VALUES ($1, 0, $2, $2) ON CONFLICT DO NOTHING";
        let now = self.clock.now().as_micros();
        let up_to = up_to.map_or(i64::MAX, i64::from);
        self.readers.query(sql, &[&subject.to_string(), &now, &up_to], |_| Ok(())).await?;
        Ok(())
    }

    /// Stores that another program wrote into a stream, or cut it, unless an earlier event of the stream
    /// is stored with its position.
    #[cfg(feature = "kurrentdb")]
    pub(in crate::store) async fn note_foreign(
        &self,
        event: &ForeignEvent,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO vault.foreign_events (stream, position, found)
                   VALUES ($1, $2, $3) ON CONFLICT (stream) DO UPDATE
                     SET position = excluded.position, found = excluded.found
                     WHERE foreign_events.position = 0";
        let (stream, position) = (event.stream.to_string(), clamped(event.position));
        self.readers.query(sql, &[&stream, &position, &event.found], |_| Ok(())).await?;
        Ok(())
    }

    /// Returns what [`PostgresVault::note_foreign`] has stored, in the order of the log.
    #[cfg(feature = "kurrentdb")]
    pub(in crate::store) async fn foreign_events(&self) -> Result<Vec<ForeignEvent>, StoreError> {
        let sql = "SELECT stream, position, found FROM vault.foreign_events ORDER BY position";
        let event = |row: &Row| -> Result<Option<ForeignEvent>, PostgresReadError> {
            let position = u64::try_from(row.try_get::<_, i64>(1)?)?;
            let stream = row.try_get::<_, &str>(0)?.parse().ok();
            let found = row.try_get(2)?;
            Ok(stream.map(|stream| ForeignEvent { stream, position, found }))
        };
        Ok(self.readers.query(sql, &[], event).await?.into_iter().flatten().collect())
    }
}

/// The server answered no row to a question that always has one.
#[cfg(feature = "kurrentdb")]
#[derive(Debug, thiserror::Error)]
#[error("the server does not say what time it is")]
struct NoTime;
