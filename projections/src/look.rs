//! Looking at read models without touching them: for `whence doctor`.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use tokio_postgres::Client;
use whence_events::EventId;

use crate::read_db::PROJECTING;
use crate::{Checkpoint, Projector, projectors};

/// A projector's tables as they are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How far they are.
    pub checkpoint: Checkpoint,
    /// Whether they are of the version that this program makes.
    pub current: bool,
}

/// The tables of each projector in a file, those that are there.
///
/// # Errors
/// When the file cannot be read.
pub fn look_sqlite(path: &Path) -> rusqlite::Result<Vec<Found>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let sql = "SELECT projector, version, position, event_id FROM checkpoints";
    let mut statement = connection.prepare(sql)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(found(&rows))
}

/// The tables of each projector in a database, those that are there.
///
/// # Errors
/// When the database does not answer.
pub async fn look_postgres(client: &Client) -> Result<Vec<Found>, tokio_postgres::Error> {
    let there = "SELECT to_regclass('read.checkpoints') IS NOT NULL";
    if !client.query_one(there, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(vec![]);
    }
    let sql = "SELECT projector, version, position, event_id FROM read.checkpoints";
    let rows = client.query(sql, &[]).await?;
    let rows = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)));
    Ok(found(&rows.collect::<Result<Vec<_>, tokio_postgres::Error>>()?))
}

/// Which process writes the tables now: its server process id, address and name.
///
/// # Errors
/// When the database does not answer.
pub async fn look_who_leads(client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
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

type Row = (String, i64, i64, Option<uuid::Uuid>);

fn found(rows: &[Row]) -> Vec<Found> {
    let of = |projector: &dyn Projector| {
        let row = rows.iter().find(|(name, ..)| name == projector.name())?;
        let (_, version, position, event_id) = row;
        let checkpoint = Checkpoint {
            projector: projector.name(),
            version: u32::try_from(*version).unwrap_or(0),
            position: position.cast_unsigned(),
            event_id: event_id.map(EventId),
        };
        Some(Found { checkpoint, current: *version == i64::from(projector.version()) })
    };
    projectors().iter().filter_map(|projector| of(projector.as_ref())).collect()
}
