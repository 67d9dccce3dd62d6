//! How far the projectors of a Postgres database are, and which process writes.

use tokio_postgres::{Client, Row};

use super::locks::PROJECTING;
use crate::read_db::position::{POSITIONS, StoredPosition};
use crate::read_db::sql::SchemaName;

/// Returns how far each projector in a database is.
pub(crate) async fn stored_in_postgres(
    client: &Client,
) -> Result<Vec<StoredPosition>, tokio_postgres::Error> {
    let there = "SELECT to_regclass('read.checkpoints') IS NOT NULL";
    if !client.query_one(there, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(vec![]);
    }
    stored(&client.query(POSITIONS.for_postgres(SchemaName::Live), &[]).await?)
}

/// Reads the rows of [`POSITIONS`].
pub(super) fn stored(rows: &[Row]) -> Result<Vec<StoredPosition>, tokio_postgres::Error> {
    let position = |row: &Row| {
        Ok(StoredPosition {
            projector: row.try_get(0)?,
            version: row.try_get(1)?,
            position: row.try_get(2)?,
            event_id: row.try_get(3)?,
        })
    };
    rows.iter().map(position).collect()
}

/// Returns which process writes the tables now: its name, address and server process id.
pub(crate) async fn writer_in_postgres(
    client: &Client,
) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = "SELECT format('%s at %s, server process %s, since %s', a.application_name,
                      coalesce(host(a.client_addr), 'a local socket'), a.pid,
                      to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))
               FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
               WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND l.classid = ($1::bigint >> 32)::int8::oid
                 AND l.objid = ($1::bigint & 4294967295)::int8::oid";
    let row = client.query_opt(sql, &[&PROJECTING]).await?;
    row.map(|row| row.try_get(0)).transpose()
}
