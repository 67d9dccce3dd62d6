//! Connections to a SQLite file of read models.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::file::keep_private;
use super::read_only_media::open_sqlite_to_read;

/// How long a reader waits for a lock.
const READ_LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a writer waits for another one: as long as it takes another process to replace tables by
/// rebuilt ones, and far more than a batch takes.
pub(super) const WRITE_LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a file that is there, to read it.
pub(super) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open_sqlite_to_read(path, || true)?;
    connection.busy_timeout(READ_LOCK_TIMEOUT)?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// Opens a file to write it, or makes it.
pub(super) fn writer(path: &Path) -> rusqlite::Result<Connection> {
    keep_private(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(WRITE_LOCK_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(&connection)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;       -- what a crash takes, the log brings back
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA temp_store = MEMORY;
         PRAGMA secure_delete = ON;         -- rows of an erased user leave no bytes behind",
    )?;
    Ok(connection)
}

/// Keeps the plan of a cached statement whatever is bound to it. Otherwise SQLite, built with STAT4,
/// compiles a statement again for every execution.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}
