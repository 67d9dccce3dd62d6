//! A log with its tree and with checkpoints of it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use whence::engine::proof::{Checkpoint, Signer, directory};
use whence::infra::clock::Clock;
use whence::infra::keys::{Keys, MasterKey};
use whence::infra::random::{new_correlation_id, new_event_id, new_request_id, new_user_id};
use whence::store::{Append, EventStore, Location, NewEvent};
use whence_events::{
    Actor, CodeVerified, Event, MailboxEvent, Metadata, Recorded, StreamId, Timestamp,
};
use whence_projections::ReadDb;

use crate::support::whence;

/// The master key of all logs here.
pub(crate) const KEY: &str = "abababababababababababababababababababababababababababababababab";

pub(crate) const ORIGIN: &str = "log.example.com/whence";

/// Events of a log: more than a tile holds.
pub(crate) const EVENTS: u64 = 300;

/// Those that a checkpoint signs.
pub(crate) const SIGNED: [u64; 3] = [40, 200, 300];

pub(crate) fn keys() -> Keys {
    Keys::derive(&MasterKey::parse(KEY).unwrap())
}

pub(crate) fn signer() -> Signer {
    Signer::new(&keys(), ORIGIN).unwrap()
}

/// A SQLite log in `data` below a directory, with its tree, and its checkpoints in `data/checkpoints`.
pub(crate) async fn sqlite() -> TempDir {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    make(&Location::Sqlite(data.clone()), &data.join("checkpoints")).await;
    directory
}

/// A copy of a log in files, to be changed.
pub(crate) fn copied(log: &TempDir) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in from.read_dir().unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            if path.is_dir() {
                copy(&path, &to.join(name));
            } else {
                std::fs::copy(&path, to.join(name)).unwrap();
            }
        }
    }
    let to = TempDir::new().unwrap();
    copy(log.path(), to.path());
    to
}

/// Fills a log, folds it, and signs some of it.
pub(crate) async fn make(location: &Location, checkpoints: &Path) {
    let store = location.open(keys().fingerprint(), Clock::system()).await.unwrap();
    for _ in 0..EVENTS / 3 {
        store.append(append(&StreamId::User(new_user_id()), 3)).await.unwrap();
    }
    let reads = location.open_read_db().await.unwrap();
    fold(&*store, &reads).await;
    for size in SIGNED {
        sign(&reads, size, checkpoints).await;
    }
}

fn append(stream: &StreamId, events: usize) -> Append {
    let event = || {
        let fact: Event = MailboxEvent::from(CodeVerified {
            request_id: new_request_id(),
            device_id: None,
            device_class: None,
        })
        .into();
        let metadata = Metadata {
            occurred_at: Timestamp::from_micros(1_773_500_966_535_897),
            correlation_id: new_correlation_id(),
            causation_id: Some(new_event_id()),
            actor: Actor::Visitor,
        };
        NewEvent::new(new_event_id(), fact, metadata).unwrap()
    };
    let events = (0..events).map(|_| event()).collect();
    Append { stream: stream.clone(), expected_length: 0, events, new_key: None }
}

/// Brings read models up to a log. Its events.
pub(crate) async fn fold(store: &dyn EventStore, reads: &ReadDb) -> Vec<Recorded> {
    assert!(reads.claim_writer().await.unwrap());
    let events = store.read_all(0, 10_000).await.unwrap();
    reads.apply_after(0, &events).await.unwrap();
    events
}

pub(crate) async fn checkpoint(reads: &ReadDb, size: u64) -> Checkpoint {
    let root = reads.tree_root(size).await.unwrap().unwrap();
    Checkpoint { origin: ORIGIN.to_owned(), size, root }
}

pub(crate) async fn sign(reads: &ReadDb, size: u64, checkpoints: &Path) {
    let checkpoint = checkpoint(reads, size).await;
    directory::store(checkpoints, &checkpoint, &checkpoint.sign(&signer())).unwrap();
}

/// `whence verify`: whether it ends well, and what it says on stdout.
pub(crate) fn verify(directory: &Path, flags: &[&str]) -> (bool, String) {
    let mut command = whence(directory);
    let output = command.args(["verify", "--master-key", KEY]).args(flags).output().unwrap();
    let (said, wrong) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    let (said, wrong) = (said.unwrap(), wrong.unwrap());
    let last = wrong.lines().last().unwrap_or_default().to_owned();
    match output.status.code() {
        Some(0) => (true, said),
        Some(1) if said.is_empty() => (false, last),
        Some(1) => {
            assert!(last.starts_with("whence: the log is not what it was"), "{wrong}");
            (false, said)
        }
        other => panic!("{other:?}: {wrong}"),
    }
}

/// `whence verify` of a log in files.
pub(crate) fn verify_sqlite(directory: &TempDir) -> (bool, String) {
    verify(directory.path(), &["--store", "sqlite:data"])
}

/// Runs statements on one of the files of a log, without the triggers that refuse them.
pub(crate) fn tamper(directory: &TempDir, file: &str, sql: &str) {
    let path: PathBuf = directory.path().join("data").join(file);
    let connection = rusqlite::Connection::open(path).unwrap();
    let triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger'";
    let mut statement = connection.prepare(triggers).unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for name in names.collect::<Result<Vec<_>, _>>().unwrap() {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    connection.execute_batch(sql).unwrap();
}
