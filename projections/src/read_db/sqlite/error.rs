//! What SQLite answers when it refuses.

use super::read_only_media::needs_writing;

/// An answer of SQLite, or of its driver.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SqliteError(rusqlite::Error);

impl SqliteError {
    /// Returns whether the file itself is broken.
    pub(super) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let extended = self.0.sqlite_error().map(|error| error.extended_code);
        let short_read = extended == Some(rusqlite::ffi::SQLITE_IOERR_SHORT_READ);
        short_read || matches!(self.0.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }

    /// Returns whether SQLite failed because it may not write.
    pub(super) fn needs_writing(&self) -> bool {
        needs_writing(&self.0)
    }
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl From<SqliteError> for rusqlite::Error {
    fn from(error: SqliteError) -> Self {
        error.0
    }
}
