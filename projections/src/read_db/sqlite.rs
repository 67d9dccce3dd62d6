//! Read models in a SQLite file.

mod differences;
mod scratch;
pub(super) mod tiles;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use whence_events::{EventId, Position, Recorded};

use super::{Checkpoint, ProjectError, apply, known};
use crate::{Projector, projectors};
pub(super) use scratch::{SqliteComparison, SqliteHeld, SqliteScratch};

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
    pub(super) fn open(
        path: &Path,
        projectors: Vec<Box<dyn Projector>>,
    ) -> Result<Self, ProjectError> {
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
        Ok(Self::over(path, projectors, writer))
    }

    /// Somebody else may have the file open: it is not for this process to remove it.
    pub(super) fn open_beside(path: &Path) -> Result<Self, ProjectError> {
        let projectors = projectors();
        let damaged = || ProjectError::Damaged(path.to_owned());
        if is_cut_short(path) {
            return Err(damaged());
        }
        let writer = prepare(path, &projectors);
        let writer =
            writer.map_err(|error| if is_damaged(&error) { damaged() } else { error.into() })?;
        Ok(Self::over(path, projectors, writer))
    }

    fn over(path: &Path, projectors: Vec<Box<dyn Projector>>, writer: Connection) -> Self {
        let (path, writer, idle) = (path.to_owned(), Mutex::new(writer), Mutex::default());
        Self { path, projectors, idle, writer }
    }

    pub(super) fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProjectError> {
        // Not by the writer's connection: requests ask, too, and would wait for a batch to be applied.
        Ok(self.read(|connection| {
            self.projectors.iter().map(|p| checkpoint(connection, p.as_ref())).collect()
        })?)
    }

    pub(super) fn reset(&self) -> Result<(), ProjectError> {
        let mut connection = self.writer();
        let transaction = begin(&mut connection)?;
        for projector in &self.projectors {
            make_tables(&transaction, projector.as_ref())?;
        }
        Ok(transaction.commit()?)
    }

    pub(super) fn apply(&self, after: Position, events: &[Recorded]) -> Result<(), ProjectError> {
        let (events, unknown) = known(events);
        let mut connection = self.writer();
        let transaction = begin(&mut connection)?;
        for projector in &self.projectors {
            run(&transaction, projector.as_ref(), after, events)?;
        }
        transaction.commit()?;
        unknown.map_or(Ok(()), Err)
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.projectors.retain(|projector| projector.name() != name);
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
    let Checkpoint { version, position: done, .. } = checkpoint(transaction, projector)?;
    // What lies between is nowhere then: the tables are not those this run was cut for. Nor are they
    // when another version has put its own in their place.
    if after > done || version != projector.version() {
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
    let sql = "SELECT version, position, event_id FROM checkpoints WHERE projector = ?1";
    connection.prepare_cached(sql)?.query_row([projector.name()], |row| {
        let (version, position) = (row.get(0)?, row.get(1)?);
        let event_id = row.get::<_, Option<uuid::Uuid>>(2)?.map(EventId);
        Ok(Checkpoint { projector: projector.name(), version, position, event_id })
    })
}

/// A transaction that waits for its turn before it has read anything: one that began to read and
/// then writes fails at once where another process has written in between.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// The writer's connection, every projector having tables.
fn prepare(path: &Path, projectors: &[Box<dyn Projector>]) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    // As long as it takes another process to put rebuilt tables in their place.
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(&connection)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;       -- what a crash takes, the log brings back
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA temp_store = MEMORY;",
    )?;
    // Asked first, so that nobody who only looks waits for a writer.
    if has_all(&connection, projectors)? {
        return Ok(connection);
    }
    let transaction = begin(&mut connection)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS checkpoints (
           projector TEXT PRIMARY KEY,
           version   INTEGER NOT NULL,
           position  INTEGER NOT NULL,
           event_id  BLOB
         ) STRICT, WITHOUT ROWID",
    )?;
    for projector in projectors {
        if !has_tables(&transaction, projector.as_ref())? {
            make_tables(&transaction, projector.as_ref())?;
        }
    }
    transaction.commit()?;
    Ok(connection)
}

fn has_all(connection: &Connection, projectors: &[Box<dyn Projector>]) -> rusqlite::Result<bool> {
    if !connection.table_exists(None, "checkpoints")? {
        return Ok(false);
    }
    let mut there = projectors.iter().map(|projector| has_tables(connection, projector.as_ref()));
    there.try_fold(true, |all, there| Ok(all && there?))
}

/// Whether a projector has tables, of whatever version.
fn has_tables(connection: &Connection, projector: &dyn Projector) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM checkpoints WHERE projector = ?1")?
        .exists([projector.name()])
}

/// Keeps the plan of a cached statement whatever is bound to it. Otherwise SQLite, built with STAT4,
/// compiles a statement anew for every execution.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn make_tables(transaction: &Connection, projector: &dyn Projector) -> rusqlite::Result<()> {
    for table in projector.tables() {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS main.{table}"))?;
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
