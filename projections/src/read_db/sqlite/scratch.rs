//! Scratch tables in a file of their own beside the live one.
//!
//! Both have the same tables, so all that writes and reads the one works on the other. The swap copies
//! rows from file to file in one transaction of the live one: readers go on with what they see until
//! it is committed, in this process and in others, and a kill leaves either all old or all new.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::{SqliteReadDb, checkpoint, differences, make_tables};
use crate::Projector;
use crate::read_db::{Checkpoint, Differences, ProjectError, Purpose};

/// How long a swap waits for whoever writes the live tables: far more than a batch takes.
const TURN: Duration = Duration::from_secs(30);

/// Where they are. Nobody else has them while this is there.
pub(in crate::read_db) struct SqliteScratch {
    live: PathBuf,
    path: PathBuf,
    _lock: File,
}

impl SqliteScratch {
    pub(in crate::read_db) fn open(
        live: &SqliteReadDb,
        purpose: Purpose,
        projectors: Vec<Box<dyn Projector>>,
    ) -> Result<(Self, SqliteReadDb), ProjectError> {
        let lock = lock(&live.path.with_extension("rebuild.lock"))?;
        let path = live.path.with_extension(match purpose {
            Purpose::Rebuild => "rebuild.db",
            Purpose::Check => "check.db",
        });
        let tables = SqliteReadDb::open(&path, projectors)?;
        {
            // Tables of another version are of an earlier rebuild, which nobody goes on with.
            let mut writer = tables.writer();
            let transaction = super::begin(&mut writer)?;
            for projector in &tables.projectors {
                if checkpoint(&transaction, projector.as_ref())?.version != projector.version() {
                    make_tables(&transaction, projector.as_ref())?;
                }
            }
            transaction.commit()?;
            writer.execute_batch(FOLDING)?;
        }
        Ok((Self { live: live.path.clone(), path, _lock: lock }, tables))
    }

    /// Removes the file. Its connections are closed.
    pub(in crate::read_db) fn clear(self) {
        remove(&self.path);
    }
}

/// Many events at once are worth more memory than those of a live service.
const FOLDING: &str = "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16000;";

fn lock(path: &Path) -> Result<File, ProjectError> {
    let wrong = |source| ProjectError::Lock { path: path.to_owned(), source };
    let file = File::create(path).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ProjectError::RebuildUnderWay),
        Err(TryLockError::Error(source)) => Err(wrong(source)),
    }
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let _ = std::fs::remove_file(file);
    }
}

/// A transaction that holds the lock to write the live file.
pub(in crate::read_db) struct SqliteHeld {
    connection: Connection,
    projector: Box<dyn Projector>,
}

impl SqliteHeld {
    pub(in crate::read_db) fn new(
        scratch: &SqliteScratch,
        projector: Box<dyn Projector>,
    ) -> Result<(Self, Checkpoint), ProjectError> {
        let connection = Connection::open(&scratch.live)?;
        connection.busy_timeout(TURN)?;
        connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536")?;
        connection.execute("ATTACH ?1 AS scratch", [scratch.path.display().to_string()])?;
        // A write of nothing locks this file alone: the scratch file is still written, by another
        // connection. BEGIN IMMEDIATE would lock both.
        connection.execute_batch("BEGIN; DELETE FROM main.checkpoints WHERE projector IS NULL")?;
        let live = checkpoint(&connection, projector.as_ref())?;
        Ok((Self { connection, projector }, live))
    }

    /// `version` is that of the live tables.
    pub(in crate::read_db) fn replace(&mut self, version: u32) -> rusqlite::Result<()> {
        let projector = self.projector.as_ref();
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

    pub(in crate::read_db) fn commit(self) -> rusqlite::Result<()> {
        self.connection.execute_batch("COMMIT")
    }
}

/// Two connections that each see one moment of their file.
pub struct SqliteComparison {
    live: Connection,
    scratch: Connection,
}

impl SqliteComparison {
    pub(in crate::read_db) fn new(scratch: &SqliteScratch) -> rusqlite::Result<Self> {
        Ok(Self { live: snapshot(&scratch.live)?, scratch: snapshot(&scratch.path)? })
    }

    pub(in crate::read_db) fn differences(
        &self,
        projector: &dyn Projector,
    ) -> rusqlite::Result<Differences> {
        let mut found = Differences::default();
        for table in projector.tables() {
            differences::compare(&self.live, &self.scratch, table, &mut found)?;
        }
        Ok(found)
    }
}

/// From its first statement on, a transaction sees one moment.
fn snapshot(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(TURN)?;
    connection.execute_batch("BEGIN; SELECT count(*) FROM checkpoints")?;
    Ok(connection)
}
