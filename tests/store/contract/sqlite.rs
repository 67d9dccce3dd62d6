//! The embedded log.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use tempfile::TempDir;
use whence::infra::clock::Clock;
use whence::store::{Append, EventStore, NewKey, SqliteOpenError, SqliteStore};
use whence_events::{Mac, Timestamp};

use crate::contract::{Backend, append, contract, new_stream};

/// A log in a folder of its own.
pub(crate) struct Sqlite {
    pub(crate) folder: TempDir,
}

pub(crate) const FINGERPRINT: Mac = Mac([7; 16]);

impl Sqlite {
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no folder, no test")]
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("log.db")
    }

    pub(crate) fn try_open(&self, fingerprint: Mac) -> Result<SqliteStore, SqliteOpenError> {
        SqliteStore::open(&self.path(), fingerprint, Clock::system())
    }

    /// A connection past the store.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no connection, no test")]
    pub(crate) fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

#[async_trait]
impl Backend for Sqlite {
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no store, no test")]
    async fn open(&self) -> Arc<dyn EventStore> {
        Arc::new(self.try_open(FINGERPRINT).unwrap())
    }
}

contract!(Sqlite::new());

#[tokio::test]
async fn the_log_cannot_be_changed_past_the_store_either() {
    let log = Sqlite::new();
    let store = log.open().await;
    store.append(append(&new_stream(), 0, 2)).await.unwrap();
    let before = store.read_all(0, 10).await.unwrap();
    for statement in [
        "UPDATE events SET data = '{}'",
        "UPDATE events SET position = position + 100",
        "DELETE FROM events",
        "DELETE FROM events WHERE position = 2",
        "UPDATE streams SET name = 'user-x'",
        "DELETE FROM streams",
    ] {
        let error = log.raw().execute_batch(statement).unwrap_err();
        assert_eq!(error.to_string(), "the log is immutable", "{statement}");
    }
    assert_eq!(store.read_all(0, 10).await.unwrap(), before);
}

#[tokio::test]
async fn a_place_in_a_stream_is_taken_once_past_the_store_too() {
    let log = Sqlite::new();
    log.open().await.append(append(&new_stream(), 0, 1)).await.unwrap();
    let copy = "INSERT INTO events SELECT 2, stream, version, event_id, type, data, occurred_at,
                  recorded_at, correlation_id, causation_id, actor FROM events";
    let error = log.raw().execute_batch(copy).unwrap_err();
    assert!(error.to_string().contains("UNIQUE constraint failed"), "{error}");
}

/// Erasure has to hold for whoever gets hold of the files, so it is looked for in all of them.
#[tokio::test]
async fn a_destroyed_key_leaves_no_bytes_behind() {
    let log = Sqlite::new();
    let store = log.open().await;
    let (stream, secret) =
        (new_stream(), b"sixty-four bytes that stand for a wrapped key of a subject ....");
    let new_key = Some(NewKey { generation: 0, wrapped: secret.to_vec() });
    store.append(Append { new_key, ..append(&stream, 0, 1) }).await.unwrap();
    assert_ne!(files_with(&log, secret), Vec::<String>::new(), "the search finds nothing at all");
    // Somebody else has the log open, who would keep the WAL from being put away by closing it.
    let reading = log.raw();
    reading.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, u64>(0)).unwrap();
    store.destroy_key(&stream, None).await.unwrap();
    assert_eq!(files_with(&log, secret), Vec::<String>::new());
    // And the log goes on.
    store.append(append(&stream, 1, 1)).await.unwrap();
    assert_eq!(store.head().await.unwrap(), 2);
}

#[tokio::test]
async fn time_does_not_go_back_over_a_restart() {
    let log = Sqlite::new();
    let at = |micros| Clock::manual(Timestamp::from_micros(micros));
    let store = SqliteStore::open(&log.path(), FINGERPRINT, at(2_000_000)).unwrap();
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    drop(store);
    let set_back = at(1_000_000);
    let store = SqliteStore::open(&log.path(), FINGERPRINT, set_back.clone()).unwrap();
    assert_eq!(set_back.now(), Timestamp::from_micros(2_000_000));
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    let times: Vec<_> =
        store.read_all(0, 10).await.unwrap().iter().map(|e| e.recorded_at.as_micros()).collect();
    assert_eq!(times, [2_000_000, 2_000_000]);
}

/// Files of the log's folder that hold `bytes`.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no folder, no test")]
fn files_with(log: &Sqlite, bytes: &[u8]) -> Vec<String> {
    let entries = std::fs::read_dir(log.folder.path()).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| {
            let content = std::fs::read(entry.path()).unwrap();
            content.windows(bytes.len()).any(|window| window == bytes)
        })
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}
