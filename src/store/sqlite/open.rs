//! Opens a log: lock, checks, migrations.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _};
use whence_events::Timestamp;
use whence_projections::{has_wal, needs_writing};

use super::connection;
use crate::infra::keys::{Fingerprints, MadeWith};

/// Marks the file as a log of ours (`PRAGMA application_id`): "whnc".
pub(super) const APPLICATION_ID: i32 = 0x7768_6e63;

/// First release without the WAL-reset corruption.
pub(super) const OLDEST_SQLITE: i32 = 3_051_003;

/// The migrations, which only go forward; the number of those that ran is the file's `user_version`.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_log.sql"),
    include_str!("../../../migrations/sqlite/0002_service_keys.sql"),
];

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SqliteOpenError {
    /// The file cannot be opened, or its directory does not exist.
    #[error("cannot open the log {}: {source}", path.display())]
    Io {
        /// The file of the log.
        path: PathBuf,
        /// What the operating system reported.
        source: std::io::Error,
    },
    /// SQLite refused, or the file is damaged.
    #[error("cannot open the log: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Another process has it open.
    #[error("the log {} is in use by another whence process", .0.display())]
    InUse(PathBuf),
    /// The file belongs to another program.
    #[error("{} is not a whence log", .0.display())]
    NotALog(PathBuf),
    /// A newer version of whence has changed it.
    #[error(
        "the log {path} was written by a newer version of whence (format {found}, here {known})",
        path = path.display()
    )]
    Newer {
        /// The file of the log.
        path: PathBuf,
        /// The format of the log.
        found: usize,
        /// The newest format that this version knows.
        known: usize,
    },
    /// Another master key made it: nothing in it could be opened or verified with this one.
    #[error("the log {} was made with another master key", .0.display())]
    WrongMasterKey(PathBuf),
    /// The master key is being rotated, and one of the two was not given.
    #[error(
        "the master key of the log {} is being rotated: give the new key and the old one, in this \
         order, until whence keys rotate master says that it is done",
        .0.display()
    )]
    Rotating(PathBuf),
    /// A part of it is in a WAL that can only be read where it can be written.
    #[error(
        "the log {} was not closed, and the rest of it in log.db-wal cannot be read where nothing can \
         be written: copy both files into a directory of your own",
        .0.display()
    )]
    Unclosed(PathBuf),
    /// The SQLite that was compiled in can corrupt a log.
    #[error("SQLite {0} is too old to be safe; 3.51.3 is the oldest that is")]
    OldSqlite(&'static str),
}

/// Locks the lock file of the log, and releases it when the returned file is dropped.
pub(super) fn lock(path: &Path) -> Result<File, SqliteOpenError> {
    let failed = |source| SqliteOpenError::Io { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    // Anybody who can open the file can lock it.
    let options = options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(path.with_extension("lock")).map_err(failed)?;
    keep_private(&file).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SqliteOpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Checks a log, brings it up to date, and returns the connection of its writer.
pub(super) fn writer(
    path: &Path,
    fingerprint: &Fingerprints,
) -> Result<Connection, SqliteOpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(SqliteOpenError::OldSqlite(rusqlite::version()));
    }
    let wal = path.with_extension("db-wal");
    let crashed = wal.metadata().is_ok_and(|wal| wal.len() > 0);
    make_private(path)?;
    let mut connection = Connection::open(path)?;
    // A log that is refused stays as it is: closing it would fold into it what a crash has left in
    // its WAL. An empty WAL, which these checks make, is removed by the same close.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, crashed)?;
    let format = check(&connection, path, fingerprint)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection::prepare_writer(&connection)?;
    migrate(&mut connection, format, fingerprint)?;
    Ok(connection)
}

/// Checks that the log at `path` may be read here, and changes nothing.
pub(super) fn reader(path: &Path, fingerprint: &Fingerprints) -> Result<(), SqliteOpenError> {
    let connection = connection::read_only(path).map_err(|error| {
        let unclosed = needs_writing(&error) && has_wal(path);
        if unclosed { SqliteOpenError::Unclosed(path.to_owned()) } else { error.into() }
    })?;
    match check(&connection, path, fingerprint)? {
        0 => Err(SqliteOpenError::NotALog(path.to_owned())),
        _ => Ok(()),
    }
}

/// Takes the rights of others away from a file that an earlier version made. That of another user, which
/// this one may write, stays as it is.
fn keep_private(file: &File) -> std::io::Result<()> {
    let mode = file.metadata()?.permissions().mode();
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    match file.set_permissions(Permissions::from_mode(0o600)) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        set => set,
    }
}

/// Makes the file, unless it exists, readable by this user only; SQLite gives the WAL the same mode.
fn make_private(path: &Path) -> Result<(), SqliteOpenError> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => {
            made.map(drop).map_err(|source| SqliteOpenError::Io { path: path.to_owned(), source })
        }
    }
}

/// Returns when the last event was recorded: no clock here may show an earlier moment.
pub(super) fn latest_time(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT recorded_at FROM events ORDER BY position DESC LIMIT 1";
    connection.query_row(sql, [], |row| row.get(0).map(Timestamp::from_micros)).optional()
}

/// Checks that the file is a log that this version and this key may open, and returns its format; 0
/// for a new file. Changes nothing.
fn check(
    connection: &Connection,
    path: &Path,
    fingerprint: &Fingerprints,
) -> Result<usize, SqliteOpenError> {
    let pragma = |name| connection.query_row(name, [], |row| row.get::<_, i64>(0));
    let id = pragma("PRAGMA application_id").map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => SqliteOpenError::NotALog(path.to_owned()),
        _ => error.into(),
    })?;
    let format = usize::try_from(pragma("PRAGMA user_version")?).unwrap_or(usize::MAX);
    let empty = pragma("SELECT count(*) FROM sqlite_schema")? == 0;
    if id == 0 && empty {
        return Ok(0);
    }
    if id != i64::from(APPLICATION_ID) {
        return Err(SqliteOpenError::NotALog(path.to_owned()));
    }
    let known = MIGRATIONS.len();
    if format > known {
        return Err(SqliteOpenError::Newer { path: path.to_owned(), found: format, known });
    }
    match made_with(connection, fingerprint)? {
        MadeWith::Known => Ok(format),
        MadeWith::Rotating => Err(SqliteOpenError::Rotating(path.to_owned())),
        MadeWith::Another => Err(SqliteOpenError::WrongMasterKey(path.to_owned())),
    }
}

/// Returns whether a log was made with the master keys that have these fingerprints.
pub(super) fn made_with(
    connection: &Connection,
    fingerprint: &Fingerprints,
) -> rusqlite::Result<MadeWith> {
    let (master, next) = master_keys(connection)?;
    Ok(fingerprint.hold(master.as_deref(), next.as_deref()))
}

/// The fingerprint of the master key, and of the one that is to take its place.
type MasterKeyColumns = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Returns the fingerprint of the master key, and of the one that is to take its place.
pub(super) fn master_keys(connection: &Connection) -> rusqlite::Result<MasterKeyColumns> {
    let sql = "SELECT (SELECT value FROM about WHERE name = 'master_key'),
                      (SELECT value FROM about WHERE name = 'master_key_next')";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Runs the migrations that have not run, all or none.
fn migrate(
    connection: &mut Connection,
    done: usize,
    fingerprint: &Fingerprints,
) -> rusqlite::Result<()> {
    if done == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if done == 0 {
        let sql = "INSERT INTO about (name, value) VALUES ('master_key', ?1)";
        transaction.execute(sql, [&fingerprint.current().0[..]])?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    transaction.commit()
}
