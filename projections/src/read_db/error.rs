//! Why read models were not written or read.

use std::path::PathBuf;

use deadpool_postgres::PoolError;
use whence_events::{Event, Position, Recorded};

use super::sqlite::error::SqliteError;

/// Why events were not applied to read models.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A newer version of whence wrote an event that this one does not know. Nothing is skipped.
    #[error("event {position} is of the unknown type {event_type}")]
    UnknownEvent {
        /// The position of the event.
        position: Position,
        /// Its stored type.
        event_type: String,
    },
    /// The SQLite file can no longer be read.
    #[error("the read models in {} are damaged: delete that file and start again", .0.display())]
    Damaged(PathBuf),
    /// SQLite refused.
    #[error("the read models cannot be written: {0}")]
    Sqlite(#[from] SqliteError),
    /// Postgres refused, or the connection to it broke.
    #[error("the read models cannot be written: {}", message(.0))]
    Postgres(tokio_postgres::Error),
    /// The database cannot be reached.
    #[error("the read models cannot be reached: {0}")]
    Pool(#[from] PoolError),
    /// The database does not answer. Whether something was applied is told by the positions.
    #[error("the read models did not answer in time")]
    TimedOut,
    /// The tables hold a value that this version cannot read.
    #[error("the read models hold a value that this version does not know")]
    Value,
    /// Another node writes the tables, or may do so by now.
    #[error("this node does not write the read models")]
    NotWriter,
    /// The tables of this projector are further, or not as far, as this node left them. It has to
    /// read the positions again.
    #[error("the tables of {0} are not where this node left them")]
    TablesMoved(&'static str),
    /// One rebuild or check runs at a time.
    #[error("another rebuild or check of these read models is under way")]
    RebuildUnderWay,
    /// Readers never release a table of this projector for long enough to replace it.
    #[error("the tables of {0} are in use all the time: try again when there is less to do")]
    InUse(&'static str),
    /// The file that is locked during a rebuild cannot be locked.
    #[error("{} cannot be locked: {source}", .path.display())]
    Lock {
        /// The path of the lock file.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
}

/// Why a query of read models has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// SQLite refused.
    #[error("the read models cannot be read: {0}")]
    Sqlite(#[from] SqliteError),
    /// Postgres refused, or the connection to it broke.
    #[error("the read models cannot be read: {}", message(.0))]
    Postgres(tokio_postgres::Error),
    /// The database cannot be reached.
    #[error("the read models cannot be reached: {0}")]
    Pool(#[from] PoolError),
    /// The database does not answer.
    #[error("the read models did not answer in time")]
    TimedOut,
    /// Another version wrote the tables.
    #[error("the read models hold a value that this version does not know")]
    Value,
}

// No sources, which would be logged: what the server adds to its messages has values of rows in it.
impl From<tokio_postgres::Error> for ProjectError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<tokio_postgres::Error> for QueryError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

/// A projector that reads its own tables before it writes them.
impl From<QueryError> for ProjectError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Sqlite(error) => Self::Sqlite(error),
            QueryError::Postgres(error) => Self::Postgres(error),
            QueryError::Pool(error) => Self::Pool(error),
            QueryError::TimedOut => Self::TimedOut,
            QueryError::Value => Self::Value,
        }
    }
}

/// Returns the message of the server, or what is wrong with the connection to it.
fn message(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(answer), _) => answer.message().to_owned(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// Returns the events before the first one that this version does not know, and the error that
/// names that one.
pub(super) fn known(events: &[Recorded]) -> (&[Recorded], Option<ProjectError>) {
    let unknown = events.iter().position(|event| matches!(event.event, Event::Unknown { .. }));
    let Some(end) = unknown else { return (events, None) };
    let (position, event_type) = (events[end].position, events[end].event.event_type().to_owned());
    (&events[..end], Some(ProjectError::UnknownEvent { position, event_type }))
}
