//! The databases that hold read models.

mod differences;
mod dump;
mod error;
mod position;
mod postgres;
mod purpose;
pub(crate) mod select;
mod sql;
mod sqlite;
pub(crate) mod tiles;

use tokio::runtime::{Handle, RuntimeFlavor};
use whence_events::{Position, Recorded};

use crate::projector::Projector;
pub use differences::Differences;
pub use error::{ProjectError, QueryError};
pub(crate) use position::StoredPosition;
pub use position::{CoveredPosition, ProjectorPosition};
pub(crate) use postgres::PostgresReadDb;
pub(crate) use postgres::positions::{stored_in_postgres, writer_in_postgres};
pub(crate) use postgres::scratch::{PostgresComparison, PostgresHeld, PostgresScratch};
pub use purpose::Purpose;
use select::{Select, Value};
pub(crate) use sqlite::SqliteReadDb;
pub use sqlite::error::SqliteError;
pub(crate) use sqlite::positions::stored_in_sqlite;
pub use sqlite::read_only_media::{has_wal, needs_writing, open_sqlite_to_read};
pub(crate) use sqlite::scratch::{SqliteComparison, SqliteHeld, SqliteScratch};

/// A database of read models: disposable.
pub enum ReadDb {
    /// A SQLite file.
    Sqlite(SqliteReadDb),
    /// A schema of a Postgres database.
    Postgres(PostgresReadDb),
}

impl ReadDb {
    /// Returns whether this process writes the tables: of those that share a database, one does. It
    /// becomes the writer where there is none. Asked regularly, it notices when it no longer is.
    /// Only the writer may call [`ReadDb::reset`] and [`ReadDb::apply`].
    pub async fn claim_writer(&self) -> Result<bool, ProjectError> {
        match self {
            // The lock file of the log has made sure that no other process is here.
            Self::Sqlite(_) => Ok(true),
            Self::Postgres(db) => db.claim_writer().await,
        }
    }

    /// Returns how far each projector is.
    pub async fn positions(&self) -> Result<Vec<ProjectorPosition>, ProjectError> {
        match self {
            Self::Sqlite(db) => db.positions(),
            Self::Postgres(db) => db.positions().await,
        }
    }

    /// Returns the place in the log up to which all events are in the tables, when that is a later one
    /// than the position of the projectors.
    pub async fn covered(&self) -> Result<Option<CoveredPosition>, ProjectError> {
        match self {
            // Nobody else writes to a log in a file.
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(db) => db.covered().await,
        }
    }

    /// Notes the place that [`ReadDb::covered`] returns. Only the writer may.
    pub async fn note_covered(&self, covered: CoveredPosition) -> Result<(), ProjectError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(db) => db.note_covered(covered).await,
        }
    }

    /// Returns the projectors whose tables are of another version. Nothing can be applied to those:
    /// they answer as they are until [`crate::Scratch`] tables replace them.
    pub async fn outdated(&self) -> Result<Vec<&'static str>, ProjectError> {
        let positions = self.positions().await?;
        let is_outdated = |projector: &&&'static dyn Projector| {
            let there = positions.iter().find(|reached| reached.projector == projector.name());
            there.is_some_and(|reached| reached.version != projector.version())
        };
        Ok(self.projectors().iter().filter(is_outdated).map(|projector| projector.name()).collect())
    }

    /// Empties all tables: the next batch starts at the beginning of the log.
    pub async fn reset(&self) -> Result<(), ProjectError> {
        match self {
            Self::Sqlite(db) => blocking(|| db.reset()),
            Self::Postgres(db) => db.reset().await,
        }
    }

    /// Applies a run of the log that begins right after the position `after`: rows and positions in
    /// one transaction. Each projector takes what comes after its own position, so a run that was
    /// applied before changes nothing.
    ///
    /// After [`ProjectError::UnknownEvent`], all before that event was applied. After any other error
    /// nothing was, and [`ReadDb::positions`] tell where to continue.
    pub async fn apply_after(
        &self,
        after: Position,
        events: &[Recorded],
    ) -> Result<(), ProjectError> {
        match self {
            Self::Sqlite(db) => {
                blocking(|| db.apply(after, events)).map_err(|error| db.explain(error))
            }
            Self::Postgres(db) => db.apply(after, events).await,
        }
    }

    /// Applies a run of a log whose positions have no gaps, so that the first event tells where the
    /// run begins. Tests and benchmarks fold with it; a service folds logs with gaps too, by
    /// [`ReadDb::apply_after`].
    pub async fn apply(&self, events: &[Recorded]) -> Result<(), ProjectError> {
        let after = events.first().map_or(0, |event| event.position.saturating_sub(1));
        self.apply_after(after, events).await
    }

    /// Returns every row of every table as text, in the same order and in the same words from each
    /// database. Tests compare databases by it; the program compares by [`crate::Scratch::compare`],
    /// which takes no more memory for more rows.
    pub async fn dump(&self) -> Result<Vec<String>, QueryError> {
        let mut rows = match self {
            Self::Sqlite(db) => db.dump()?,
            Self::Postgres(db) => db.dump().await?,
        };
        rows.sort();
        Ok(rows)
    }

    /// Returns the projectors whose tables are in this database.
    pub(crate) fn projectors(&self) -> &[&'static dyn Projector] {
        match self {
            Self::Sqlite(db) => db.projectors(),
            Self::Postgres(db) => db.projectors(),
        }
    }

    /// Returns the first row of an answer.
    pub(crate) async fn first<T>(
        &self,
        select: &Select<T>,
        values: &[Value<'_>],
    ) -> Result<Option<T>, QueryError> {
        match self {
            Self::Sqlite(db) => db.first(select, values),
            Self::Postgres(db) => db.first(select, values).await,
        }
    }

    /// Returns all rows of an answer.
    pub(crate) async fn all<T>(
        &self,
        select: &Select<T>,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, QueryError> {
        match self {
            Self::Sqlite(db) => db.all(select, values),
            Self::Postgres(db) => db.all(select, values).await,
        }
    }
}

/// Runs what writes a file where it does not keep other tasks from running.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
