//! A log file that somebody edited by hand.

use tempfile::TempDir;

use crate::proof::log::{copied, sqlite, tamper, verify, verify_sqlite};

/// What `whence verify` says of a log after this, each line.
fn told(log: &TempDir, sql: &str) -> Vec<String> {
    let directory = copied(log);
    tamper(&directory, "log.db", sql);
    let (well, said) = verify_sqlite(&directory);
    assert!(!well, "{sql}: {said}");
    said.lines().map(str::to_owned).collect()
}

/// Moves an event, with all its columns, to another position.
fn moved(from: u64, to: &str) -> String {
    format!("UPDATE events SET position = {to} WHERE position = {from};")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_touched_is_unaltered() {
    let log = sqlite().await;
    let (well, said) = verify_sqlite(&log);
    assert!(well, "{said}");
    let [line] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert!(line.starts_with("unaltered: 300 events, root "), "{line}");
    let rest = "a tree of 300 leaves, 3 checkpoints, the last over 300 events; ";
    assert!(line.contains(rest) && line.ends_with(" events/s"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_named_whichever_of_its_columns_was_changed() {
    let log = sqlite().await;
    for (column, value) in [
        ("event_id", "randomblob(16)"),
        ("event_id", "x'00'"),
        ("stream", "4"),
        ("stream", "1000"),
        ("version", "version + 1000"),
        ("version", "-1"),
        ("type", "'LoginStarted.v1'"),
        ("data", "data || ' '"),
        ("data", "'{'"),
        ("data", "replace(data, '-4', '-5')"),
        ("occurred_at", "occurred_at + 1"),
        ("recorded_at", "recorded_at - 1"),
        ("correlation_id", "event_id"),
        ("causation_id", "NULL"),
        ("causation_id", "correlation_id"),
        ("actor", "'system'"),
        ("actor", "'nobody at all'"),
    ] {
        for position in [1, 42, 256, 257, 300] {
            // Versions of one stream are told apart.
            let apart = if column == "stream" { ", version = version + 7" } else { "" };
            let sql =
                format!("UPDATE events SET {column} = {value}{apart} WHERE position = {position}");
            let lines = told(&log, &sql);
            let first =
                format!("altered: event {position}, at position {position}, is not as it was: ");
            assert!(lines[0].starts_with(&first), "{sql}: {lines:#?}");
            let altered = lines.iter().filter(|line| line.starts_with("altered: ")).count();
            assert_eq!(altered, 1, "{sql}: {lines:#?}");
            let witness = "witness: the tree in the read models, as a checkpoint over 300 events";
            assert!(lines.last().unwrap().starts_with(witness), "{sql}: {lines:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_renamed_changes_all_its_events() {
    let log = sqlite().await;
    let lines = told(&log, "UPDATE streams SET name = upper(name) WHERE first = 4");
    for (line, number) in lines.iter().zip(4..=6) {
        assert!(line.starts_with(&format!("altered: event {number}, ")), "{lines:#?}");
    }
    let lines = told(&log, "DELETE FROM streams WHERE first = 4");
    assert!(lines[0].starts_with("altered: event 4, at position 4, "), "{lines:#?}");
    assert!(lines[0].ends_with("it cannot be read"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_deleted_is_missing() {
    let log = sqlite().await;
    let lines = told(&log, "DELETE FROM events WHERE position = 42");
    let gone = "missing: event 42, which stood behind position 41, is gone";
    assert_eq!(lines[0], gone);
    assert_eq!(lines[1], "missing: nothing stands at position 42 of the log");
    let lines = told(&log, "DELETE FROM events WHERE position BETWEEN 42 AND 44");
    assert_eq!(lines[2], "missing: event 44, which stood behind position 41, is gone");
    assert_eq!(lines[3], "missing: nothing stands at positions 42 to 44 of the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_deleted_is_missing_although_positions_were_closed_up() {
    let log = sqlite().await;
    let sql = "DELETE FROM events WHERE position = 42;
               UPDATE events SET position = position - 1 WHERE position > 42";
    let lines = told(&log, sql);
    assert_eq!(lines[0], "missing: event 42, which stood behind position 41, is gone");
    assert!(!lines.iter().any(|line| line.contains("nothing stands")), "{lines:#?}");
    let other = "truncated: the log ends with event 299 at position 299, and ";
    assert!(lines.iter().any(|line| line.starts_with(other)), "{lines:#?}");
    let other = "what was changed is among events 41 to 200, behind position 40 and up to 200";
    assert!(lines.iter().any(|line| line.ends_with(other)), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_swapped_are_told_with_their_places() {
    let log = sqlite().await;
    for (one, other) in [(42, 43), (10, 290)] {
        let sql = [moved(one, "-1"), moved(other, &one.to_string()), moved_back(other)].concat();
        let lines = told(&log, &sql);
        let reordered: Vec<_> = lines.iter().filter(|l| l.starts_with("reordered: ")).collect();
        let expected = format!("reordered: what was event {one} stands at position {other}: ");
        assert!(reordered[0].starts_with(&expected), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.starts_with("altered: ")), "{lines:#?}");
    }
}

fn moved_back(to: u64) -> String {
    format!("UPDATE events SET position = {to} WHERE position = -1")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_off_is_truncated() {
    let log = sqlite().await;
    let lines = told(&log, "DELETE FROM events WHERE position > 297");
    assert_eq!(lines[0], "truncated: the log ends at position 297; events 298 to 300 are gone");
    let signed = "truncated: the log ends with event 297 at position 297, and data/checkpoints/";
    assert!(lines[1].starts_with(signed), "{lines:#?}");
    // At the end of a tile.
    let lines = told(&log, "DELETE FROM events WHERE position > 256");
    assert_eq!(lines[0], "truncated: the log ends at position 256; events 257 to 300 are gone");
    let lines = told(&log, "DELETE FROM events");
    assert_eq!(lines[0], "truncated: the log ends at position 0; events 1 to 300 are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_put_in_between_is_told() {
    let log = sqlite().await;
    let sql = "UPDATE events SET position = -position - 1 WHERE position >= 42;
               UPDATE events SET position = -position WHERE position < 0;
               INSERT INTO events SELECT 42, 1, 77, randomblob(16), type, data, occurred_at,
                 recorded_at, correlation_id, causation_id, actor FROM events WHERE position = 1";
    let lines = told(&log, sql);
    let inserted =
        "inserted: the event at position 42 was not in the log: CodeVerified.v1 at place 77";
    assert!(lines[0].starts_with(inserted), "{lines:#?}");
    assert!(
        lines[1].starts_with("signed otherwise: the first 200 events are not those"),
        "{lines:#?}"
    );
}

/// Whoever can change one file can change the other.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_tree_was_made_anew_checkpoints_tell_between_which_two_it_was() {
    let log = sqlite().await;
    let directory = copied(&log);
    tamper(&directory, "log.db", "UPDATE events SET actor = 'system' WHERE position = 42");
    std::fs::remove_file(directory.path().join("data/read.db")).unwrap();
    let location = whence::store::Location::Sqlite(directory.path().join("data"));
    let store = location
        .open_to_read(
            crate::proof::log::keys().fingerprint(),
            whence::infra::clock::Clock::system(),
        )
        .await
        .unwrap();
    let reads = location.open_read_db().await.unwrap();
    crate::proof::log::fold(&*store, &reads).await;
    drop(reads);
    let (well, said) = verify_sqlite(&directory);
    assert!(!well);
    let lines: Vec<_> = said.lines().collect();
    let among = "what was changed is among events 41 to 200, behind position 40 and up to 200";
    assert!(lines[0].ends_with(among), "{said}");
    assert_eq!(
        lines.last(),
        Some(&"witness: the tree in the read models, as a checkpoint over 40 events signed it")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_was_changed_is_told_from_a_log_that_was() {
    let log = sqlite().await;
    let sql = "UPDATE log_tiles SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB)
               WHERE level = 0 AND tile = 0";
    let directory = copied(&log);
    tamper(&directory, "read.db", sql);
    let (well, said) = verify_sqlite(&directory);
    assert!(
        !well && said.starts_with("tree: the read models say something else of event 1"),
        "{said}"
    );
    for sql in ["DELETE FROM log_tiles WHERE tile = 0", "DELETE FROM log_tiles WHERE level = 1"] {
        let directory = copied(&log);
        tamper(&directory, "read.db", sql);
        let (well, said) = verify_sqlite(&directory);
        assert!(!said.contains("altered: event"), "{said}");
        assert!(well || said.starts_with("tree: "), "{sql}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_not_signed_by_the_key_is_told() {
    let log = sqlite().await;
    let latest = log.path().join("data/checkpoints/latest");
    let note = std::fs::read_to_string(&latest).unwrap();
    std::fs::write(&latest, note.replace("\n300\n", "\n301\n")).unwrap();
    let (well, said) = verify_sqlite(&log);
    assert!(!well, "{said}");
    assert!(
        said.starts_with("checkpoint data/checkpoints/latest: its signature is wrong\n"),
        "{said}"
    );

    std::fs::write(&latest, note).unwrap();
    let other = "log.example.com/whence+a9e7e0ea+AW6WVK2Ds9Nn5ZzhvIZWQtXH3RvvFCQYHGq7y5hY+8Nk";
    let (well, said) = verify(log.path(), &["--store", "sqlite:data", "--key", other]);
    assert!(!well && said.starts_with("whence: --key: not a verifier key"), "{said}");
    let elsewhere = whence::engine::proof::Verifier::new(crate::proof::log::ORIGIN, [7; 32])
        .unwrap()
        .to_string();
    let (well, said) = verify(log.path(), &["--store", "sqlite:data", "--key", &elsewhere]);
    assert!(
        !well && said.contains("it is not signed by the key of log.example.com/whence"),
        "{said}"
    );
    let ours = crate::proof::log::signer().verifier().to_string();
    let (well, said) = verify(log.path(), &["--store", "sqlite:data", "--key", &ours]);
    assert!(well, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_one_sentence() {
    let log = sqlite().await;
    let verify = |flags: &[&str]| verify(log.path(), flags).1;
    assert_eq!(verify(&["--store", "sqlite:none"]), "whence: there is no log in none");
    let none = verify(&["--store", "sqlite:data", "--checkpoint", "none"]);
    assert!(none.starts_with("whence: the checkpoint none: "), "{none}");
}

/// Written by a newer version of whence, it is read like any other: its bytes are all that counts.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_type_that_nobody_knows_here_is_no_alteration() {
    let log = sqlite().await;
    tamper(
        &log,
        "log.db",
        "INSERT INTO events
         SELECT 301, stream, 3, randomblob(16), 'FromTheFuture.v1', '{}', occurred_at, recorded_at,
                correlation_id, causation_id, actor
         FROM events WHERE position = 300",
    );
    let (well, said) = verify_sqlite(&log);
    assert!(well && said.starts_with("unaltered: 301 events, "), "{said}");
}
