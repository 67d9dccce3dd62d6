//! Service keys, and the rotation of the master key, in SQLite.

use rusqlite::{Connection, Row, Transaction, params};
use whence_events::Timestamp;

use super::open::master_keys;
use super::read::SqliteReaders;
use crate::infra::keys::{StoredServiceKey, VaultState};
use crate::store::keys::vault_state;
use crate::store::{KeyName, Rewrapped, StoreError, VaultChange};

impl SqliteReaders {
    /// Returns what the vault says of its master key, and its service keys.
    pub(super) fn vault_state(&self) -> Result<VaultState, StoreError> {
        let (master, next, keys) = self.with(|connection| {
            let (master, next) = master_keys(connection)?;
            Ok((master, next, service_keys(connection)?))
        })?;
        vault_state(master, next, keys)
    }
}

/// Returns the service keys; none of a log that an older version wrote, and that is only read.
fn service_keys(connection: &Connection) -> rusqlite::Result<Vec<StoredServiceKey>> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'service_keys'";
    if connection.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT purpose, generation, wrapped, created_at, active_from, overlap
               FROM service_keys ORDER BY purpose, generation";
    connection.prepare_cached(sql)?.query_map([], service_key)?.collect()
}

fn service_key(row: &Row<'_>) -> rusqlite::Result<StoredServiceKey> {
    Ok(StoredServiceKey {
        purpose: row.get(0)?,
        generation: row.get(1)?,
        wrapped: row.get(2)?,
        created_at: Timestamp::from_micros(row.get(3)?),
        active_from: Timestamp::from_micros(row.get(4)?),
        overlap: row.get(5)?,
    })
}

/// Writes a change of the keys.
pub(super) fn write_change(
    transaction: &Transaction<'_>,
    change: &VaultChange,
) -> rusqlite::Result<()> {
    match change {
        VaultChange::AddServiceKeys(keys) => write_service_keys(transaction, keys),
        VaultChange::BeginMaster { next, derived } => {
            write_service_keys(transaction, derived)?;
            let sql = "INSERT INTO about (name, value) VALUES ('master_key_next', ?1)
                       ON CONFLICT DO NOTHING";
            transaction.execute(sql, [&next.0[..]]).map(drop)
        }
        VaultChange::Rewrap(keys) => keys.iter().try_for_each(|key| rewrap(transaction, key)),
        VaultChange::EndMaster { next } => {
            let sql = "UPDATE about SET value = ?1 WHERE name = 'master_key' AND EXISTS
                         (SELECT 1 FROM about WHERE name = 'master_key_next' AND value = ?1)";
            transaction.execute(sql, [&next.0[..]])?;
            let sql = "DELETE FROM about WHERE name = 'master_key_next' AND value = ?1";
            transaction.execute(sql, [&next.0[..]]).map(drop)
        }
    }
}

fn write_service_keys(
    transaction: &Transaction<'_>,
    keys: &[StoredServiceKey],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO service_keys
                 (purpose, generation, wrapped, created_at, active_from, overlap)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let mut statement = transaction.prepare_cached(sql)?;
    for key in keys {
        statement.execute(params![
            key.purpose,
            key.generation,
            key.wrapped,
            key.created_at.as_micros(),
            key.active_from.as_micros(),
            key.overlap,
        ])?;
    }
    Ok(())
}

fn rewrap(transaction: &Transaction<'_>, key: &Rewrapped) -> rusqlite::Result<()> {
    let Rewrapped { name, generation, was, wrapped } = key;
    let (sql, name) = match name {
        KeyName::Subject(subject) => (
            "UPDATE subject_keys SET wrapped = ?4
             WHERE subject = ?1 AND generation = ?2 AND wrapped = ?3",
            subject.to_string(),
        ),
        KeyName::Service(purpose) => (
            "UPDATE service_keys SET wrapped = ?4
             WHERE purpose = ?1 AND generation = ?2 AND wrapped = ?3",
            purpose.clone(),
        ),
    };
    transaction.prepare_cached(sql)?.execute(params![name, generation, was, wrapped])?;
    Ok(())
}
