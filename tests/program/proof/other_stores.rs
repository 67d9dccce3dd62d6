//! The same over stores in databases.

use tempfile::TempDir;
use whence::store::Location;

use crate::proof::log::{make, verify};
use whence_test_support::postgres::{database, execute};

/// The triggers that refuse changes, switched off.
const OPEN: &str = "ALTER TABLE log.events DISABLE TRIGGER USER;
    ALTER TABLE log.streams DISABLE TRIGGER USER;";

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_postgres_that_was_changed_by_hand() {
    for (sql, first) in [
        ("SELECT 1", "unaltered: 300 events, "),
        (
            "UPDATE log.events SET actor = 'nobody' WHERE position = 42",
            "altered: event 42, at position 42, is not as it was: CodeVerified.v1 at place 2 of user-",
        ),
        (
            "UPDATE log.events SET data = data || ' ' WHERE position = 257",
            "altered: event 257, at position 257, ",
        ),
        (
            "UPDATE log.events SET causation_id = NULL WHERE position = 300",
            "altered: event 300, at position 300, ",
        ),
        ("UPDATE log.streams SET name = 'user-x' WHERE first = 4", "altered: event 4, "),
        (
            "DELETE FROM log.events WHERE position = 42;
             UPDATE log.events SET position = -position WHERE position > 42;
             UPDATE log.events SET position = -position - 1 WHERE position < 0",
            "missing: event 42, which stood behind position 41, is gone",
        ),
        (
            "UPDATE log.events SET position = -1 WHERE position = 42;
             UPDATE log.events SET position = 42 WHERE position = 43;
             UPDATE log.events SET position = 43 WHERE position = -1",
            "reordered: what was event 42 stands at position 43: ",
        ),
        (
            "DELETE FROM log.events WHERE position > 298",
            "truncated: the log ends at position 298; events 299 to 300 are gone",
        ),
    ] {
        let (database, directory) = (database().await, TempDir::new().unwrap());
        let location = Location::parse(database.url(), None).unwrap();
        make(&location, &directory.path().join("notes")).await;
        execute(database.url(), &format!("{OPEN}{sql}")).await;
        let flags = ["--store", database.url(), "--checkpoint", "notes"];
        let (well, said) = verify(directory.path(), &flags);
        assert!(said.starts_with(first), "{sql}: {said}");
        assert_eq!(well, first.starts_with("unaltered"), "{sql}: {said}");
    }
}

/// Positions are no part of what is proved: a copy agrees with the checkpoints of its source. Its
/// server lets nobody change an event; it can lose some, or have others.
#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_copied_into_kurrentdb_keeps_its_checkpoints() {
    let log = crate::proof::log::sqlite().await;
    let double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
    let (url, beside) = (double.url(), database().await);
    let to = ["--to", &url, "--read-db", beside.url(), "--master-key", crate::proof::log::KEY];
    let mut copy = crate::support::whence(log.path());
    let output = copy.args(["copy", "--from", "sqlite:data"]).args(to).output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let flags = ["--store", &url, "--read-db", beside.url(), "--checkpoint", "data/checkpoints"];
    let (well, said) = verify(log.path(), &flags);
    assert!(well && said.contains("a tree of 0 leaves, 3 checkpoints"), "{said}");

    let location = Location::parse(&url, Some(beside.url())).unwrap();
    let fingerprint = crate::proof::log::keys().fingerprint();
    let store = location.open(fingerprint, whence::infra::clock::Clock::system()).await.unwrap();
    let reads = location.open_read_db().await.unwrap();
    let events = crate::proof::log::fold(&*store, &reads).await;
    let (well, said) = verify(log.path(), &flags);
    assert!(well && said.contains("a tree of 300 leaves, 3 checkpoints"), "{said}");

    // As when events of its streams were put there by other hands.
    let metadata = double.last_metadata(&format!("whence.{}", events[0].stream)).unwrap();
    let stream = whence_events::StreamId::User(whence::infra::random::new_user_id()).to_string();
    let named = format!("whence.{stream}");
    double.write(&named, "CodeVerified.v1", &metadata, r#"{"request_id":"0"}"#);
    let (well, said) = verify(log.path(), &flags);
    assert!(!well && said.contains("not of whence: ") && said.contains(&stream), "{said}");
}
