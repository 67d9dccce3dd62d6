//! Read models in a SQLite file.

mod apply;
mod connection;
mod differences;
pub(super) mod error;
mod file;
pub(super) mod positions;
mod query;
pub(super) mod read_only_media;
mod schema;
pub(super) mod scratch;
mod tiles;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use whence_events::{Position, Recorded};

use super::dump::{self, Dumped};
use super::error::{ProjectError, QueryError, known};
use super::position::{ProjectorPosition, StoredPosition};
use super::select::{Select, Value};
use crate::projector::Projector;
use error::SqliteError;

impl From<rusqlite::Error> for ProjectError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

/// The number of empty read models that were made in memory.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A SQLite file of read models, with one writer and any number of readers.
pub struct SqliteReadDb {
    path: PathBuf,
    projectors: Vec<&'static dyn Projector>,
    /// Connections of readers that are not reading now. Closed before the writer: the last one to
    /// close puts the WAL into the file, which a reader may not.
    idle: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl SqliteReadDb {
    /// Opens a file that is this process's alone, or makes it.
    pub(crate) fn open(
        path: &Path,
        projectors: &[&'static dyn Projector],
    ) -> Result<Self, ProjectError> {
        // The file alone is worth nothing: one that cannot be read is replaced by a new one.
        if file::is_cut_short(path) {
            replace(path, "cut short");
        }
        let writer = match prepare(path, projectors) {
            Err(error) if error.is_damage() => {
                replace(path, &error.to_string());
                prepare(path, projectors)?
            }
            prepared => prepared?,
        };
        Ok(Self::over(path, projectors, writer))
    }

    /// Opens a file that another process may have open: it is not for this one to remove it.
    pub(crate) fn open_shared(
        path: &Path,
        projectors: &[&'static dyn Projector],
    ) -> Result<Self, ProjectError> {
        let damaged = || ProjectError::Damaged(path.to_owned());
        if file::is_cut_short(path) {
            return Err(damaged());
        }
        let writer = prepare(path, projectors);
        let writer =
            writer.map_err(|error| if error.is_damage() { damaged() } else { error.into() })?;
        Ok(Self::over(path, projectors, writer))
    }

    /// Opens a file to read it, also where nothing can be written. Where it is missing or of another
    /// version, the read models are empty ones in memory.
    pub(crate) fn open_to_read(
        path: &Path,
        projectors: &[&'static dyn Projector],
    ) -> Result<Self, ProjectError> {
        match Self::open_shared(path, projectors) {
            Err(ProjectError::Sqlite(error)) if error.needs_writing() => {}
            opened => return opened,
        }
        if let Ok(connection) = connection::read_only(path)
            && has_all(&connection, projectors).unwrap_or(false)
        {
            return Ok(Self::over(path, projectors, connection));
        }
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let memory = format!("file:whence-read-{number}?mode=memory&cache=shared");
        let memory = Path::new(&memory);
        let writer = prepare(memory, projectors)?;
        Ok(Self::over(memory, projectors, writer))
    }

    fn over(path: &Path, projectors: &[&'static dyn Projector], writer: Connection) -> Self {
        let (path, projectors) = (path.to_owned(), projectors.to_vec());
        Self { path, projectors, idle: Mutex::default(), writer: Mutex::new(writer) }
    }

    pub(super) fn projectors(&self) -> &[&'static dyn Projector] {
        &self.projectors
    }

    pub(super) fn positions(&self) -> Result<Vec<ProjectorPosition>, ProjectError> {
        // Not by the writer's connection: requests ask, too, and would wait for a batch to be applied.
        let rows = self.read(positions::stored)?;
        ProjectorPosition::all(&rows, &self.projectors)
    }

    pub(super) fn reset(&self) -> Result<(), ProjectError> {
        let mut connection = self.writer();
        let transaction = begin(&mut connection)?;
        for projector in &self.projectors {
            make_tables(&transaction, *projector)?;
        }
        Ok(transaction.commit()?)
    }

    pub(super) fn apply(&self, after: Position, events: &[Recorded]) -> Result<(), ProjectError> {
        let (events, unknown) = known(events);
        let mut connection = self.writer();
        let transaction = begin(&mut connection)?;
        let positions = positions::stored(&transaction)?;
        for projector in &self.projectors {
            run(&transaction, *projector, &positions, after, events)?;
        }
        transaction.commit()?;
        unknown.map_or(Ok(()), Err)
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.projectors.retain(|projector| projector.name() != name);
    }

    /// Turns an error of a file that is itself broken into one that says what to do.
    pub(super) fn explain(&self, error: ProjectError) -> ProjectError {
        let damaged = matches!(&error, ProjectError::Sqlite(cause) if cause.is_damage());
        if damaged { ProjectError::Damaged(self.path.clone()) } else { error }
    }

    pub(super) fn first<T>(
        &self,
        select: &Select<T>,
        values: &[Value<'_>],
    ) -> Result<Option<T>, QueryError> {
        self.read(|connection| query::first(connection, select, values))
    }

    pub(super) fn all<T>(
        &self,
        select: &Select<T>,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, QueryError> {
        self.read(|connection| query::all(connection, select, values))
    }

    pub(super) fn dump(&self) -> Result<Vec<String>, QueryError> {
        self.read(|connection| {
            let mut lines = Vec::new();
            for table in self.projectors.iter().flat_map(|projector| projector.tables()) {
                dump_table(connection, table, &mut lines)?;
            }
            Ok(lines)
        })
    }

    /// Reads with a connection of its own. One that fails is closed.
    fn read<T, E: From<rusqlite::Error>>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::read_only(&self.path)?,
        };
        let result = query(&connection)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(result)
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one projector over the events after its position.
fn run(
    transaction: &Transaction<'_>,
    projector: &'static dyn Projector,
    positions: &[StoredPosition],
    after: Position,
    events: &[Recorded],
) -> Result<(), ProjectError> {
    let moved = ProjectError::TablesMoved(projector.name());
    let Some(ProjectorPosition { version, position: done, .. }) =
        ProjectorPosition::find(positions, projector)
    else {
        return Err(moved);
    };
    // The events in between are in no batch then: the tables are not those this run was cut for. Nor
    // are they when another version has replaced them by its own.
    if after > done || version != projector.version() {
        return Err(moved);
    }
    let new = &events[events.partition_point(|event| event.position <= done)..];
    let (mut changes, mut leaves) = (Vec::new(), Vec::new());
    for event in new {
        projector.project(event, &mut changes);
        for change in changes.drain(..) {
            leaves.extend(apply::change(transaction, change)?);
        }
    }
    tiles::grow(transaction, &leaves)?;
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

/// Begins a transaction that waits for other writers before it has read anything: one that began to
/// read and then writes fails at once where another process has written in between.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Returns the connection of the writer, with tables of every projector.
fn prepare(path: &Path, projectors: &[&'static dyn Projector]) -> Result<Connection, SqliteError> {
    let mut connection = connection::writer(path)?;
    // Asked first, so that a process that only reads never waits for a writer.
    if has_all(&connection, projectors)? {
        return Ok(connection);
    }
    let transaction = begin(&mut connection)?;
    transaction.execute_batch(schema::CHECKPOINTS)?;
    for projector in projectors {
        if !has_tables(&transaction, *projector)? {
            make_tables(&transaction, *projector)?;
        }
    }
    transaction.commit()?;
    Ok(connection)
}

fn has_all(
    connection: &Connection,
    projectors: &[&'static dyn Projector],
) -> rusqlite::Result<bool> {
    if !connection.table_exists(None, "checkpoints")? {
        return Ok(false);
    }
    let mut there = projectors.iter().map(|projector| has_tables(connection, *projector));
    there.try_fold(true, |all, there| Ok(all && there?))
}

/// Returns whether a projector has tables, of whatever version.
fn has_tables(connection: &Connection, projector: &dyn Projector) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM checkpoints WHERE projector = ?1")?
        .exists([projector.name()])
}

/// Replaces the tables of a projector by empty ones.
fn make_tables(transaction: &Connection, projector: &dyn Projector) -> rusqlite::Result<()> {
    for table in projector.schema() {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS main.{}", table.name))?;
        transaction.execute_batch(&schema::create(table))?;
    }
    let sql =
        "INSERT OR REPLACE INTO checkpoints (projector, version, position) VALUES (?1, ?2, 0)";
    transaction.execute(sql, params![projector.name(), projector.version()]).map(drop)
}

fn replace(path: &Path, why: &str) {
    tracing::warn!(why, "the read models are damaged and are built again");
    file::remove(path);
}

fn dump_table(
    connection: &Connection,
    table: &str,
    lines: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| {
            Ok(match row.get_ref(column)? {
                ValueRef::Null | ValueRef::Real(_) => Dumped::Null,
                ValueRef::Integer(number) => Dumped::Integer(number),
                ValueRef::Text(text) => Dumped::Text(std::str::from_utf8(text)?),
                ValueRef::Blob(bytes) => Dumped::Blob(bytes),
            })
        });
        lines.push(dump::line(table, &values.collect::<rusqlite::Result<Vec<_>>>()?));
    }
    Ok(())
}
