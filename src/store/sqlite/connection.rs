//! Connections to the SQLite file of a log.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use whence_projections::open_sqlite_to_read;

/// How long a connection waits for a lock that another one holds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a log that exists, for reading, also on read-only media.
pub(super) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open_sqlite_to_read(path, || !is_served(path))?;
    connection.busy_timeout(LOCK_TIMEOUT)?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// Returns whether a service runs on the log.
pub(super) fn is_served(path: &Path) -> bool {
    // Shared, and only for an instant: nothing is written.
    File::open(path.with_extension("lock"))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Sets up the connection of the writer, to a log that was checked.
pub(super) fn prepare_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    keep_plans(connection)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;         -- what was acknowledged is on disk
         PRAGMA secure_delete = ON;         -- a destroyed key leaves no bytes behind
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 4000;  -- pages: fewer, longer checkpoints
         PRAGMA temp_store = MEMORY;",
    )
}

/// Keeps the plan of a cached statement whatever is bound to it. Otherwise SQLite, built with STAT4,
/// compiles a statement again for every execution.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}
