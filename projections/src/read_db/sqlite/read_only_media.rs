//! Reads SQLite files where nothing can be written: read-only media, and directories of other users.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Opens a file that is there, to read it.
///
/// In WAL mode that takes a file of shared memory next to it. Where none can be made, the file is read
/// as one that does not change, if there is no WAL with a part of it and `is_at_rest` says that no
/// other process writes to it.
pub fn open_sqlite_to_read(
    path: &Path,
    is_at_rest: impl FnOnce() -> bool,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_URI)?;
    let probed = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    match probed {
        Err(error) if needs_writing(&error) && !has_wal(path) && is_at_rest() => {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("file:{}?immutable=1", escaped(path)), flags)
        }
        Err(error) if needs_writing(&error) => Err(error),
        // Whatever else is wrong with the file comes up again for who reads it.
        Ok(()) | Err(_) => Ok(connection),
    }
}

/// Returns whether SQLite failed because it may not write.
#[must_use]
pub fn needs_writing(error: &rusqlite::Error) -> bool {
    use ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | PermissionDenied | ReadOnly))
}

/// Returns whether a part of a SQLite file is in a WAL next to it.
#[must_use]
pub fn has_wal(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    Path::new(&wal).metadata().is_ok_and(|wal| wal.len() > 0)
}

/// Returns a path as it stands in a URI of SQLite.
fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}
