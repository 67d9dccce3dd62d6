//! How far the projectors of a SQLite file are.

use std::path::Path;

use rusqlite::Connection;

use super::connection;
use super::error::SqliteError;
use crate::read_db::position::{POSITIONS, StoredPosition};

/// Returns how far each projector in a file is.
pub(crate) fn stored_in_sqlite(path: &Path) -> Result<Vec<StoredPosition>, SqliteError> {
    Ok(stored(&connection::read_only(path)?)?)
}

/// Returns how far each projector is, as a connection sees it.
pub(super) fn stored(connection: &Connection) -> rusqlite::Result<Vec<StoredPosition>> {
    let mut statement = connection.prepare_cached(POSITIONS.for_sqlite())?;
    let rows = statement.query_map([], |row| {
        Ok(StoredPosition {
            projector: row.get(0)?,
            version: row.get(1)?,
            position: row.get(2)?,
            event_id: row.get(3)?,
        })
    })?;
    rows.collect()
}
