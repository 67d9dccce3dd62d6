//! Opening the embedded log: what cannot be opened is refused in one sentence and left as it was.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use whence::infra::clock::Clock;
use whence::infra::hash::sha256;
use whence::store::{EventStore as _, SqliteOpenError, SqliteStore, StoreError};
use whence_events::Mac;

use crate::contract::sqlite::{FINGERPRINT, Sqlite};
use crate::contract::{Backend as _, append, new_stream};

#[tokio::test]
async fn another_master_key_is_refused() {
    let log = written_log().await;
    let refused = refused(&log, Mac([8; 16]));
    assert!(matches!(refused, SqliteOpenError::WrongMasterKey(_)));
    assert_eq!(said(&log, &refused), "the log LOG was made with another master key");
    assert_still_works(&log).await;
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_refused() {
    let log = written_log().await;
    log.raw().pragma_update(None, "user_version", 99).unwrap();
    let refused = refused(&log, FINGERPRINT);
    assert!(matches!(refused, SqliteOpenError::Newer { found: 99, .. }));
    let newest: u32 = 2;
    assert_eq!(
        said(&log, &refused),
        format!("the log LOG was written by a newer version of whence (format 99, here {newest})")
    );
    log.raw().pragma_update(None, "user_version", newest).unwrap();
    assert_still_works(&log).await;
}

#[test]
fn a_database_of_something_else_is_refused() {
    let log = Sqlite::new();
    log.raw().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let refused = refused(&log, FINGERPRINT);
    assert!(matches!(refused, SqliteOpenError::NotALog(_)));
    assert_eq!(said(&log, &refused), "LOG is not a whence log");
    let marked = Sqlite::new();
    marked.raw().execute_batch("PRAGMA application_id = 1; CREATE TABLE x (y)").unwrap();
    assert!(matches!(self::refused(&marked, FINGERPRINT), SqliteOpenError::NotALog(_)));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    for content in ["xy", "Dear diary,\n", &"lorem ipsum ".repeat(1000)] {
        let log = Sqlite::new();
        std::fs::write(log.path(), content).unwrap();
        let refused = refused(&log, FINGERPRINT);
        assert!(matches!(refused, SqliteOpenError::NotALog(_)));
        assert_eq!(said(&log, &refused), "LOG is not a whence log");
    }
}

#[tokio::test]
async fn a_log_that_is_open_is_refused_until_it_is_closed() {
    let log = written_log().await;
    let store = log.open().await;
    let refused = log.try_open(FINGERPRINT).err().unwrap();
    assert!(matches!(refused, SqliteOpenError::InUse(_)));
    assert_eq!(said(&log, &refused), "the log LOG is in use by another whence process");
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    drop(store);
    assert_still_works(&log).await;
}

#[test]
fn a_folder_that_is_not_there_is_refused_and_not_made() {
    let log = Sqlite::new();
    let missing = log.folder.path().join("missing");
    let opened = SqliteStore::open(&missing.join("log.db"), FINGERPRINT, Clock::system());
    let refused = opened.err().unwrap();
    assert!(matches!(refused, SqliteOpenError::Io { .. }));
    let expected = format!("cannot open the log {}: No such", missing.join("log.db").display());
    assert!(one_sentence(&refused).starts_with(&expected), "{refused}");
    assert!(!missing.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let log = written_log().await;
    let permit = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(log.folder.path(), permissions).unwrap();
    };
    let lock = log.path().with_extension("lock");
    std::fs::remove_file(&lock).unwrap();
    permit(0o500);
    // Root may write everywhere, but not over a folder.
    let probe = log.folder.path().join("probe");
    let is_root = std::fs::write(&probe, "").is_ok();
    if is_root {
        std::fs::remove_file(probe).unwrap();
        std::fs::create_dir(&lock).unwrap();
    }
    let refused = refused(&log, FINGERPRINT);
    permit(0o700);
    if is_root {
        std::fs::remove_dir(&lock).unwrap();
    }
    assert!(matches!(refused, SqliteOpenError::Io { .. }));
    assert!(one_sentence(&refused).starts_with("cannot open the log /"), "{refused}");
    assert_still_works(&log).await;
}

#[tokio::test]
async fn migrations_that_ran_do_not_run_again() {
    let log = written_log().await;
    let shape = |log: &Sqlite| -> Vec<String> {
        let raw = log.raw();
        let mut statement =
            raw.prepare("SELECT name || coalesce(sql, '') FROM sqlite_schema").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let (files, tables) = (files(log.folder.path()), shape(&log));
    for _ in 0..2 {
        drop(log.open().await);
        assert_eq!(shape(&log), tables);
        assert_eq!(self::files(log.folder.path()), files);
    }
    assert_still_works(&log).await;
}

#[tokio::test]
async fn an_empty_file_becomes_a_log() {
    let log = Sqlite::new();
    std::fs::write(log.path(), "").unwrap();
    log.open().await.append(append(&new_stream(), 0, 1)).await.unwrap();
    let raw = log.raw();
    let id: u32 = raw.query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
    assert_eq!(id.to_be_bytes(), *b"whnc");
}

/// A log with two events.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no log, no test")]
async fn written_log() -> Sqlite {
    let log = Sqlite::new();
    log.open().await.append(append(&new_stream(), 0, 2)).await.unwrap();
    assert!(Connection::open(log.path()).is_ok());
    log
}

/// Why it cannot be opened; that no file changed by trying.
#[expect(clippy::unwrap_used, reason = "a helper of tests: opened is as bad as panicked")]
#[track_caller]
fn refused(log: &Sqlite, fingerprint: Mac) -> SqliteOpenError {
    let before = files(log.folder.path());
    let refused = log.try_open(fingerprint).err().unwrap();
    assert_eq!(files(log.folder.path()), before, "a refused file changed");
    refused
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: no store, no test")]
async fn assert_still_works(log: &Sqlite) {
    let store = log.open().await;
    let head = store.head().await.unwrap();
    let last = store.append(append(&new_stream(), 0, 1)).await.unwrap().last();
    assert_eq!(last, head + 1);
    assert!(head >= 2, "what was written is there");
}

/// Every file of a folder, by the hash of its bytes; not the lock, which says nothing.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no folder, no test")]
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| name != "log.lock")
        .map(|(name, path)| (name, sha256(&std::fs::read(path).unwrap()).to_string()))
        .collect()
}

/// What an operator reads, with the path taken out.
fn said(log: &Sqlite, error: &SqliteOpenError) -> String {
    one_sentence(error).replace(&log.path().display().to_string(), "LOG")
}

#[track_caller]
fn one_sentence(error: &SqliteOpenError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 300, "{text}");
    text
}

#[tokio::test]
async fn a_log_is_read_beside_whoever_appends_to_it() {
    let log = written_log().await;
    let path = log.path();
    let service = SqliteStore::open(&path, FINGERPRINT, Clock::system()).unwrap();
    let beside = SqliteStore::open_to_read(&path, FINGERPRINT).unwrap();
    let before = beside.head().await.unwrap();
    let wanted = append(&new_stream(), 0, 2);
    service.append(wanted.clone()).await.unwrap();
    assert_eq!(beside.head().await.unwrap(), before + 2);
    let refused = beside.append(append(&new_stream(), 0, 1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(service.head().await.unwrap(), before + 2);
    drop(service);
    let read = beside.read_stream(&wanted.stream, 0, 10).await.unwrap();
    assert_eq!(read.len(), 2);
}

#[tokio::test]
async fn nothing_is_made_where_there_is_no_log_to_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SqliteStore::open_to_read(&folder.path().join("log.db"), FINGERPRINT).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let log = written_log().await;
    let refused = SqliteStore::open_to_read(&log.path(), Mac([8; 16])).map(drop).unwrap_err();
    assert!(matches!(refused, SqliteOpenError::WrongMasterKey(_)));
}
