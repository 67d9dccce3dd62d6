//! Copies that are refused: one sentence, no password, and nothing written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;
use whence::store::Side;

use crate::operations::logs::{KEY, append, copy, fill, open, run};
use crate::support::{Service, contents};
use whence_test_support::postgres::{database, execute};

#[track_caller]
fn refused(done: Result<String, String>, sentence: &str) {
    assert_eq!(done.unwrap_err(), format!("whence: {sentence}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_holds_something_else() {
    let directory = TempDir::new().unwrap();
    for name in ["one", "two"] {
        fill(&directory.path().join(name), 3).await;
    }
    let before = contents(&directory.path().join("two"));
    let said = copy(directory.path(), "sqlite:one", "sqlite:two", &[]).unwrap_err();
    assert!(said.starts_with("whence: the target holds something else: "), "{said}");
    assert!(contents(&directory.path().join("two")) == after_key(before, &directory));
}

/// Of what was there, and the key file that a copy puts beside a log without one.
fn after_key(
    mut before: BTreeMap<PathBuf, Vec<u8>>,
    directory: &TempDir,
) -> BTreeMap<PathBuf, Vec<u8>> {
    before.insert(directory.path().join("two/master.key"), format!("{KEY}\n").into_bytes());
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_one_changed_byte() {
    let directory = TempDir::new().unwrap();
    fill(&directory.path().join("one"), 3).await;
    for (change, name) in [
        ("UPDATE events SET data = replace(data, '1e2', '1e3') WHERE position = 4", "data"),
        ("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 4", "recorded_at"),
        ("UPDATE events SET actor = 'system' WHERE position = 4", "actor"),
    ] {
        copy(directory.path(), "sqlite:one", &format!("sqlite:{name}"), &[]).unwrap();
        let log = rusqlite::Connection::open(directory.path().join(name).join("log.db")).unwrap();
        log.execute_batch("DROP TRIGGER events_never_change").unwrap();
        log.execute_batch(change).unwrap();
        drop(log);
        let done = copy(directory.path(), "sqlite:one", &format!("sqlite:{name}"), &[]);
        let said = done.unwrap_err();
        assert!(said.contains("something else: event 4, Strange"), "{name}: {said}");
        assert!(said.ends_with("has other bytes than in the source"), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_ahead() {
    let directory = TempDir::new().unwrap();
    fill(&directory.path().join("one"), 3).await;
    let database = database().await;
    copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap();
    let target = open(database.url(), None, Side::Target).await;
    let stream = target.keys(None, 1).await.unwrap().remove(0).subject;
    target.log().append(append(&stream, 3, 1)).await.unwrap();
    drop(target);
    let said = copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap_err();
    assert!(said.contains("something else: event 10 is Strange0.v9 at place 3 of user-"), "{said}");
    assert!(said.ends_with("and the source ends before it"), "{said}");
}

/// What was destroyed does not come back by a copy of an older state.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_destroyed_a_key() {
    let directory = TempDir::new().unwrap();
    fill(&directory.path().join("one"), 3).await;
    let database = database().await;
    copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap();
    let target = open(database.url(), None, Side::Target).await;
    let live = target.keys(None, 9).await.unwrap();
    let live = live.into_iter().find(|key| key.wrapped.is_some()).unwrap();
    target.log().destroy_key(&live.subject, None).await.unwrap();
    drop(target);
    let done = copy(directory.path(), "sqlite:one", database.url(), &[]);
    let place = live.place();
    refused(
        done,
        &format!(
            "the target holds something else: {place} is destroyed in it, and not in the source"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key() {
    let directory = TempDir::new().unwrap();
    let other = "cd".repeat(32);
    fill(&directory.path().join("one"), 1).await;
    let from = ["copy", "--from", "sqlite:one", "--to", "sqlite:two", "--master-key"];
    let sentence = "the log one/log.db was made with another master key";
    refused(run(directory.path(), &[&from[..], &[&other]].concat()), sentence);
    assert!(!directory.path().join("two").exists());
    // A log that is there, without its key file: it gets none that is wrong.
    drop(Service::start(directory.path(), &["--store", "sqlite:three", "--master-key", &other]));
    let done = copy(directory.path(), "sqlite:one", "sqlite:three", &[]);
    refused(done, "the log three/log.db was made with another master key");
    assert!(!directory.path().join("three/master.key").exists());
    // A target that has its own.
    std::fs::create_dir(directory.path().join("two")).unwrap();
    std::fs::write(directory.path().join("two/master.key"), &other).unwrap();
    let done = run(directory.path(), &[&from[..], &[KEY]].concat());
    refused(done, "two holds another master key");
    refused(
        run(directory.path(), &from[..5]),
        "there is no master.key in one: --master-key has to be given",
    );
}

#[test]
fn stores_that_are_not_there() {
    let directory = TempDir::new().unwrap();
    let copy = |from: &str, to: &str| copy(directory.path(), from, to, &[]);
    refused(copy("sqlite:none", "sqlite:two"), "there is no log in none");
    refused(copy("sqlite:one", "sqlite:one"), "--from and --to are the same store");
    refused(
        copy("data", "sqlite:one"),
        "--from: the ways to write it are sqlite:DIR, postgres://... and kurrentdb://...",
    );
    refused(
        copy("sqlite:one", "kurrentdb://localhost"),
        "--to kurrentdb://... needs --read-db postgres://..., for the read models and for keys \
         that can be destroyed",
    );
    refused(
        copy("postgres://ada:hunter2@127.0.0.1:1/x", "sqlite:one"),
        "cannot connect to Postgres at 127.0.0.1:1/x: error connecting to server: Connection \
         refused (os error 111)",
    );
    assert!(contents(directory.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_log() {
    let (directory, database) = (TempDir::new().unwrap(), database().await);
    let said = copy(directory.path(), database.url(), "sqlite:one", &[]).unwrap_err();
    assert!(said.starts_with("whence: there is no log in the database 127.0.0.1:"), "{said}");
    // And none was made.
    execute(database.url(), "CREATE SCHEMA vault; CREATE SCHEMA log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_are_in_use() {
    let directory = TempDir::new().unwrap();
    fill(&directory.path().join("one"), 1).await;
    let served = ["--store", "sqlite:two", "--master-key", KEY];
    let service = Service::start(directory.path(), &served);
    refused(
        copy(directory.path(), "sqlite:one", "sqlite:two", &[]),
        "the log two/log.db is in use by another whence process",
    );
    refused(
        copy(directory.path(), "sqlite:two", "sqlite:three", &[]),
        "the log two/log.db is in use by another whence process",
    );
    drop(service);
    // Two copies into one database.
    let database = database().await;
    let first = open(database.url(), None, Side::Target).await;
    let said = copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap_err();
    assert!(said.starts_with("whence: another copy into 127.0.0.1:"), "{said}");
    drop(first);
}
