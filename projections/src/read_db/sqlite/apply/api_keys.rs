//! Changes to the keys of back-ends.

use rusqlite::{ToSql, Transaction, params};
use whence_events::Timestamp;

use super::run;
use crate::change::ApiKeyChange;

pub(super) fn apply(transaction: &Transaction<'_>, change: ApiKeyChange) -> rusqlite::Result<()> {
    let run = |sql, values: &[&dyn ToSql]| run(transaction, sql, values);
    match change {
        ApiKeyChange::Issued { api_key_id, key, at } => run(
            "INSERT INTO api_keys (api_key_id, name, scopes, issued_by, issued_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                api_key_id.0,
                key.name,
                key.scopes,
                key.issued_by,
                at.as_micros(),
                key.expires_at.map(Timestamp::as_micros)
            ],
        ),
        ApiKeyChange::Rotated { api_key_id, previous_until, at } => run(
            "UPDATE api_keys SET rotated_at = ?2, previous_until = ?3 WHERE api_key_id = ?1",
            params![api_key_id.0, at.as_micros(), previous_until.as_micros()],
        ),
        ApiKeyChange::GraceEnded { api_key_id, previous_until } => run(
            "UPDATE api_keys SET previous_until = ?2 WHERE api_key_id = ?1",
            params![api_key_id.0, previous_until.as_micros()],
        ),
        ApiKeyChange::Revoked { api_key_id, at } => run(
            "UPDATE api_keys SET revoked_at = ?2 WHERE api_key_id = ?1",
            params![api_key_id.0, at.as_micros()],
        ),
        ApiKeyChange::Used { api_key_id, day } => run(
            "UPDATE api_keys SET last_used_day = ?2 WHERE api_key_id = ?1",
            params![api_key_id.0, day],
        ),
    }
}
