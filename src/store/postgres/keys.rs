//! Service keys, and the rotation of the master key, in Postgres.

use postgres_types::ToSql;
use tokio_postgres::Row;
use whence_events::{Mac, Timestamp};

use super::open::MASTER_KEYS;
use super::read::PostgresReadError;
use super::vault::PostgresVault;
use crate::infra::keys::{StoredServiceKey, VaultState};
use crate::store::keys::vault_state;
use crate::store::{KeyName, Rewrapped, StoreError, VaultChange};

impl PostgresVault {
    /// Returns what the vault says of its master key, and its service keys.
    pub(in crate::store) async fn state(&self) -> Result<VaultState, StoreError> {
        let fingerprints =
            |row: &Row| Ok::<_, PostgresReadError>((row.try_get(0)?, row.try_get(1)?));
        let found = self.readers.query(MASTER_KEYS, &[], fingerprints).await?.pop();
        let (master, next) = found.unwrap_or_default();
        let sql = "SELECT purpose, generation, wrapped, created_at, active_from, overlap
                   FROM vault.service_keys ORDER BY purpose, generation";
        let keys = self.readers.query(sql, &[], service_key).await?;
        vault_state(master, next, keys)
    }

    /// Changes the keys as a whole. Each change is one statement.
    pub(in crate::store) async fn change(&self, change: VaultChange) -> Result<(), StoreError> {
        match change {
            VaultChange::AddServiceKeys(keys) => self.add_service_keys(&keys, None).await,
            VaultChange::BeginMaster { next, derived } => {
                self.add_service_keys(&derived, Some(next)).await
            }
            VaultChange::Rewrap(keys) => self.rewrap(&keys).await,
            VaultChange::EndMaster { next } => {
                let sql = "WITH done AS (DELETE FROM vault.about
                             WHERE name = 'master_key_next' AND value = $1 RETURNING value)
                           UPDATE vault.about a SET value = done.value FROM done
                            WHERE a.name = 'master_key'";
                self.run(sql, &[&&next.0[..]]).await
            }
        }
    }

    async fn add_service_keys(
        &self,
        keys: &[StoredServiceKey],
        next: Option<Mac>,
    ) -> Result<(), StoreError> {
        let purposes: Vec<_> = keys.iter().map(|key| key.purpose.as_str()).collect();
        let generations: Vec<_> = keys.iter().map(|key| i64::from(key.generation)).collect();
        let wrapped: Vec<_> = keys.iter().map(|key| &key.wrapped[..]).collect();
        let created: Vec<_> = keys.iter().map(|key| key.created_at.as_micros()).collect();
        let active: Vec<_> = keys.iter().map(|key| key.active_from.as_micros()).collect();
        let overlaps: Vec<_> = keys.iter().map(|key| key.overlap).collect();
        let next = next.as_ref().map(|next| &next.0[..]);
        let sql = "WITH added AS (
                     INSERT INTO vault.service_keys
                       (purpose, generation, wrapped, created_at, active_from, overlap)
                     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bigint[],
                                          $5::bigint[], $6::bigint[])
                     ON CONFLICT DO NOTHING)
                   INSERT INTO vault.about (name, value)
                   SELECT 'master_key_next', $7::bytea WHERE $7::bytea IS NOT NULL
                   ON CONFLICT DO NOTHING";
        self.run(sql, &[&purposes, &generations, &wrapped, &created, &active, &overlaps, &next])
            .await
    }

    async fn rewrap(&self, keys: &[Rewrapped]) -> Result<(), StoreError> {
        let of = |wanted: bool| {
            let matches = move |key: &&Rewrapped| matches!(key.name, KeyName::Subject(_)) == wanted;
            keys.iter().filter(matches).collect::<Vec<_>>()
        };
        let tables =
            [("subject_keys", "subject", of(true)), ("service_keys", "purpose", of(false))];
        for (table, column, keys) in tables {
            if keys.is_empty() {
                continue;
            }
            let names: Vec<_> = keys.iter().map(|key| name(&key.name)).collect();
            let generations: Vec<_> = keys.iter().map(|key| i64::from(key.generation)).collect();
            let was: Vec<_> = keys.iter().map(|key| &key.was[..]).collect();
            let wrapped: Vec<_> = keys.iter().map(|key| &key.wrapped[..]).collect();
            let sql = format!(
                "UPDATE vault.{table} k SET wrapped = n.wrapped
                 FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[])
                   AS n (name, generation, was, wrapped)
                 WHERE k.{column} = n.name AND k.generation = n.generation AND k.wrapped = n.was"
            );
            self.run(&sql, &[&names, &generations, &was, &wrapped]).await?;
        }
        Ok(())
    }

    async fn run(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        self.readers.query(sql, parameters, |_| Ok(())).await.map(drop)
    }
}

fn name(name: &KeyName) -> String {
    match name {
        KeyName::Subject(subject) => subject.to_string(),
        KeyName::Service(purpose) => purpose.clone(),
    }
}

fn service_key(row: &Row) -> Result<StoredServiceKey, PostgresReadError> {
    Ok(StoredServiceKey {
        purpose: row.try_get(0)?,
        generation: u32::try_from(row.try_get::<_, i64>(1)?)?,
        wrapped: row.try_get(2)?,
        created_at: Timestamp::from_micros(row.try_get(3)?),
        active_from: Timestamp::from_micros(row.try_get(4)?),
        overlap: row.try_get(5)?,
    })
}
