//! Scratch tables in a file of their own, next to the live one.
//!
//! Both have the same tables, so all that writes and reads the one works on the other. The swap copies
//! rows from file to file in one transaction of the live one: readers keep seeing what they saw until
//! it is committed, in this process and in others, and a kill leaves either all old or all new.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::connection::WRITE_LOCK_TIMEOUT;
use super::{SqliteReadDb, begin, connection, differences, file, make_tables, positions};
use crate::projector::Projector;
use crate::read_db::differences::Differences;
use crate::read_db::error::ProjectError;
use crate::read_db::position::ProjectorPosition;
use crate::read_db::purpose::Purpose;

/// The scratch file. No other process has it while this value lives.
pub(crate) struct SqliteScratch {
    live: PathBuf,
    path: PathBuf,
    _lock: File,
}

impl SqliteScratch {
    pub(crate) fn open(
        live: &SqliteReadDb,
        purpose: Purpose,
        projectors: &[&'static dyn Projector],
    ) -> Result<(Self, SqliteReadDb), ProjectError> {
        let lock = lock(&live.path.with_extension("rebuild.lock"))?;
        let path = live.path.with_extension(match purpose {
            Purpose::Rebuild => "rebuild.db",
            Purpose::Check => "check.db",
        });
        let tables = SqliteReadDb::open(&path, projectors)?;
        {
            // Tables of another version are of an earlier rebuild, which cannot be continued.
            let mut writer = tables.writer();
            let transaction = begin(&mut writer)?;
            let rows = positions::stored(&transaction)?;
            for projector in &tables.projectors {
                let reached = ProjectorPosition::find(&rows, *projector);
                if reached.is_none_or(|reached| reached.version != projector.version()) {
                    make_tables(&transaction, *projector)?;
                }
            }
            transaction.commit()?;
            writer.execute_batch(FOLDING)?;
        }
        Ok((Self { live: live.path.clone(), path, _lock: lock }, tables))
    }

    /// Removes the file, of which no connection is open.
    pub(crate) fn clear(self) {
        file::remove(&self.path);
    }
}

/// Many events at once are worth more memory than those of a live service.
const FOLDING: &str = "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16000;";

fn lock(path: &Path) -> Result<File, ProjectError> {
    let wrong = |source| ProjectError::Lock { path: path.to_owned(), source };
    let file = file::private(path).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ProjectError::RebuildUnderWay),
        Err(TryLockError::Error(source)) => Err(wrong(source)),
    }
}

/// A transaction that holds the lock to write the live file.
pub(crate) struct SqliteHeld {
    connection: Connection,
    projector: &'static dyn Projector,
}

impl SqliteHeld {
    pub(crate) fn new(
        scratch: &SqliteScratch,
        projector: &'static dyn Projector,
    ) -> Result<(Self, ProjectorPosition), ProjectError> {
        let connection = Connection::open(&scratch.live)?;
        connection.busy_timeout(WRITE_LOCK_TIMEOUT)?;
        connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536")?;
        connection.execute("ATTACH ?1 AS scratch", [scratch.path.display().to_string()])?;
        // A write of nothing locks this file alone: the scratch file is still written, by another
        // connection. BEGIN IMMEDIATE would lock both.
        connection.execute_batch("BEGIN; DELETE FROM main.checkpoints WHERE projector IS NULL")?;
        let live = ProjectorPosition::find(&positions::stored(&connection)?, projector);
        let live = live.ok_or(ProjectError::TablesMoved(projector.name()))?;
        Ok((Self { connection, projector }, live))
    }

    /// Replaces the live tables, of which `version` is the version, by the scratch tables.
    pub(crate) fn replace(&mut self, version: u32) -> rusqlite::Result<()> {
        let projector = self.projector;
        if version != projector.version() {
            make_tables(&self.connection, projector)?;
        }
        // Tables of one definition: SQLite copies their rows without taking them apart.
        for table in projector.tables() {
            self.connection.execute_batch(&format!(
                "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM scratch.{table}"
            ))?;
        }
        let sql = "INSERT OR REPLACE INTO main.checkpoints (projector, version, position, event_id)
                   SELECT projector, version, position, event_id
                   FROM scratch.checkpoints WHERE projector = ?1";
        self.connection.execute(sql, params![projector.name()]).map(drop)
    }

    pub(crate) fn commit(self) -> rusqlite::Result<()> {
        self.connection.execute_batch("COMMIT")
    }
}

/// Two connections that each see one moment of their file.
pub struct SqliteComparison {
    live: Connection,
    scratch: Connection,
}

impl SqliteComparison {
    pub(crate) fn new(scratch: &SqliteScratch) -> rusqlite::Result<Self> {
        Ok(Self { live: snapshot(&scratch.live)?, scratch: snapshot(&scratch.path)? })
    }

    pub(crate) fn differences(&self, projector: &dyn Projector) -> rusqlite::Result<Differences> {
        let mut found = Differences::default();
        for table in projector.schema() {
            differences::compare(&self.live, &self.scratch, table, &mut found)?;
        }
        Ok(found)
    }
}

/// Opens a transaction that sees one moment from its first statement on.
fn snapshot(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connection::read_only(path)?;
    connection.busy_timeout(WRITE_LOCK_TIMEOUT)?;
    connection.execute_batch("BEGIN; SELECT count(*) FROM checkpoints")?;
    Ok(connection)
}
