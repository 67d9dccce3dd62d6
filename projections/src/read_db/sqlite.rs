//! Read models in a SQLite file.

pub(super) mod tiles;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};
use whence_events::{EventId, Position, Recorded};

use super::{Checkpoint, ProjectError, apply, known};
use crate::{Projector, projectors};

/// One writer, any number of readers.
pub struct SqliteReadDb {
    path: PathBuf,
    projectors: Vec<Box<dyn Projector>>,
    /// Connections of readers that are not reading now. Closed before the writer: the last one to
    /// close puts the WAL into the file, which a reader may not.
    idle: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl SqliteReadDb {
    pub(super) fn open(path: &Path) -> Result<Self, ProjectError> {
        let projectors = projectors();
        // The file is worth nothing by itself: one that cannot be read is made anew.
        if is_cut_short(path) {
            remove(path, "cut short");
        }
        let writer = match prepare(path, &projectors) {
            Err(error) if is_damaged(&error) => {
                remove(path, &error.to_string());
                prepare(path, &projectors)?
            }
            prepared => prepared?,
        };
        let (path, writer, idle) = (path.to_owned(), Mutex::new(writer), Mutex::default());
        Ok(Self { path, projectors, idle, writer })
    }

    pub(super) fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProjectError> {
        // Not by the writer's connection: requests ask, too, and would wait for a batch to be applied.
        Ok(self.read(|connection| {
            self.projectors.iter().map(|p| checkpoint(connection, p.as_ref())).collect()
        })?)
    }

    pub(super) fn reset(&self) -> Result<(), ProjectError> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        for projector in &self.projectors {
            make_tables(&transaction, projector.as_ref())?;
        }
        Ok(transaction.commit()?)
    }

    pub(super) fn apply(&self, after: Position, events: &[Recorded]) -> Result<(), ProjectError> {
        let (events, unknown) = known(events);
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        for projector in &self.projectors {
            run(&transaction, projector.as_ref(), after, events)?;
        }
        transaction.commit()?;
        unknown.map_or(Ok(()), Err)
    }

    /// Says what to do where the file itself is broken.
    pub(super) fn explain(&self, error: ProjectError) -> ProjectError {
        let damaged = matches!(&error, ProjectError::Sqlite(cause) if is_damaged(cause));
        if damaged { ProjectError::Damaged(self.path.clone()) } else { error }
    }

    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open_reader()?,
        };
        let result = query(&connection)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(result)
    }

    fn open_reader(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        keep_plans(&connection)?;
        Ok(connection)
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one projector over what lies behind its checkpoint.
fn run(
    transaction: &Transaction<'_>,
    projector: &dyn Projector,
    after: Position,
    events: &[Recorded],
) -> Result<(), ProjectError> {
    let done = checkpoint(transaction, projector)?.position;
    // What lies between is nowhere then: the tables are not those this run was cut for.
    if after > done {
        return Err(ProjectError::TablesMoved(projector.name()));
    }
    let new = &events[events.partition_point(|event| event.position <= done)..];
    if projector.is_log_tree() {
        tiles::grow(transaction, new)?;
    }
    let mut changes = Vec::new();
    for event in new {
        projector.project(event, &mut changes);
        for change in changes.drain(..) {
            apply::change(transaction, change)?;
        }
    }
    match events.last() {
        Some(last) if last.position > done => {
            let sql = "UPDATE checkpoints SET position = ?2, event_id = ?3 WHERE projector = ?1";
            let row = params![projector.name(), last.position, last.event_id.0];
            transaction.prepare_cached(sql)?.execute(row)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn checkpoint(connection: &Connection, projector: &dyn Projector) -> rusqlite::Result<Checkpoint> {
    let sql = "SELECT position, event_id FROM checkpoints WHERE projector = ?1";
    connection.prepare_cached(sql)?.query_row([projector.name()], |row| {
        let event_id = row.get::<_, Option<uuid::Uuid>>(1)?.map(EventId);
        Ok(Checkpoint { projector: projector.name(), position: row.get(0)?, event_id })
    })
}

/// The writer's connection, every projector's tables being of its version.
fn prepare(path: &Path, projectors: &[Box<dyn Projector>]) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(&connection)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;       -- what a crash takes, the log brings back
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA temp_store = MEMORY;",
    )?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS checkpoints (
           projector TEXT PRIMARY KEY,
           version   INTEGER NOT NULL,
           position  INTEGER NOT NULL,
           event_id  BLOB
         ) STRICT, WITHOUT ROWID",
    )?;
    for projector in projectors {
        let sql = "SELECT version FROM checkpoints WHERE projector = ?1";
        let version = transaction.query_row(sql, [projector.name()], |row| row.get::<_, u32>(0));
        if version.optional()? != Some(projector.version()) {
            make_tables(&transaction, projector.as_ref())?;
        }
    }
    transaction.commit()?;
    Ok(connection)
}

/// Keeps the plan of a cached statement whatever is bound to it. Otherwise SQLite, built with STAT4,
/// compiles a statement anew for every execution.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn make_tables(transaction: &Transaction<'_>, projector: &dyn Projector) -> rusqlite::Result<()> {
    for table in projector.tables() {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    transaction.execute_batch(match projector.name() {
        "identity" => include_str!("../../sql/sqlite/identity.sql"),
        "attribution" => include_str!("../../sql/sqlite/attribution.sql"),
        "duties" => include_str!("../../sql/sqlite/duties.sql"),
        "log-tree" => include_str!("../../sql/sqlite/log_tree.sql"),
        name => unreachable!("the projector {name} has no tables"),
    })?;
    let sql =
        "INSERT OR REPLACE INTO checkpoints (projector, version, position) VALUES (?1, ?2, 0)";
    transaction.execute(sql, params![projector.name(), projector.version()]).map(drop)
}

/// Removes the file and what stands beside it.
fn remove(path: &Path, why: &str) {
    tracing::warn!(why, "the read models are damaged and made anew");
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let _ = std::fs::remove_file(file);
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let short_read = error.sqlite_error().map(|e| e.extended_code)
        == Some(rusqlite::ffi::SQLITE_IOERR_SHORT_READ);
    short_read || matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Whether the file ends before its own header says it does. SQLite notices only once it reads what
/// is missing. With a WAL beside it, the file may be just about to be written whole.
fn is_cut_short(path: &Path) -> bool {
    let wal = path.with_extension("db-wal");
    if wal.metadata().is_ok_and(|wal| wal.len() > 0) {
        return false;
    }
    let mut header = [0; 32];
    let read = std::fs::File::open(path).and_then(|mut file| {
        std::io::Read::read_exact(&mut file, &mut header)?;
        file.metadata()
    });
    let Ok(file) = read else { return false };
    // The file format's own words: 16, two bytes, page size, 1 for 65 536; 28, four bytes, pages.
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    file.len() < page * pages
}

pub(super) fn dump(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut rows = Vec::new();
    for table in projectors().iter().flat_map(|projector| projector.tables()) {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = statement.column_count();
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let values: Vec<_> = (0..columns)
                .map(|i| row.get_ref(i).map(|v| format!("{v:?}")))
                .collect::<Result<_, _>>()?;
            rows.push(format!("{table}: {}", values.join(", ")));
        }
    }
    rows.sort();
    Ok(rows)
}
