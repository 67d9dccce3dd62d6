//! What is found in a SQLite file of read models.

use std::path::Path;

use super::{connection, stored_positions};
use crate::read_db::position::StoredPosition;
use crate::read_db::sqlite::SqliteError;

/// Returns how far each projector in a file is.
pub(crate) fn stored_in_sqlite(path: &Path) -> Result<Vec<StoredPosition>, SqliteError> {
    Ok(stored_positions(&connection::read_only(path)?)?)
}
