//! `whence replay`, as the real program: beside a service, with a full disk, killed at any moment.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use whence::infra::clock::Clock;
use whence::infra::random::{new_correlation_id, new_event_id, new_request_id};
use whence::store::{Append, Location, NewEvent};
use whence_events::{
    Actor, EmailKey, LoginStarted, Mac, MailboxEvent, Metadata, Pii, Sealed, StreamId, Timestamp,
};
use whence_projections::ReadDb;

use crate::operations::logs::{KEY, keys, run};
use crate::support::{Service, contents, send_signal, whence};
use whence_test_support::postgres::{database, execute};

/// A directory with a log of so many open logins, and read models that are up with it.
async fn seeded(logins: usize) -> TempDir {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    seed(&Location::Sqlite(data), logins).await;
    directory
}

async fn seed(location: &Location, logins: usize) {
    let store = location.open(keys().fingerprint(), Clock::system()).await.unwrap();
    let event = |n: usize| {
        let started = LoginStarted {
            request_id: new_request_id(),
            email: Pii::Sealed(Sealed(Box::new([]))),
            code_mac: Mac([0; 16]),
            expires_at: Timestamp::from_micros(1_900_000_000_000_000),
            known_device: false,
            client: Pii::Sealed(Sealed(Box::new([]))),
            device_id: None,
            network: None,
            change_of: None,
            touch_id: None,
        };
        let metadata = Metadata {
            occurred_at: Timestamp::from_micros(1_773_500_966_535_897 + i64::try_from(n).unwrap()),
            correlation_id: new_correlation_id(),
            causation_id: None,
            actor: Actor::System,
        };
        NewEvent::new(new_event_id(), MailboxEvent::from(started).into(), metadata).unwrap()
    };
    let stream = StreamId::Mailbox(EmailKey([5; 16]));
    let events: Vec<_> = (0..logins).map(event).collect();
    let mut expected_length = 0;
    for events in events.chunks(1000) {
        let (stream, events) = (stream.clone(), events.to_vec());
        store.append(Append { stream, expected_length, events, new_key: None }).await.unwrap();
        expected_length += 1000;
    }
    let reads = location.open_read_db().await.unwrap();
    assert!(reads.claim_writer().await.unwrap());
    reads.apply(&store.read_all(0, logins).await.unwrap()).await.unwrap();
}

fn replay(directory: &Path, more: &[&str]) -> Result<String, String> {
    let flags = ["replay", "--store", "sqlite:data", "--master-key", KEY];
    run(directory, &[&flags[..], more].concat())
}

/// The addresses of the history are long out of date, and are to stay all the same.
const KEEP: [&str; 2] = ["--keep-unverified-days", "0"];

fn serve(directory: &Path) -> Service {
    let flags = ["--store", "sqlite:data", "--master-key", KEY, "--log", "whence::cli=info"];
    Service::start(directory, &[&flags[..], &KEEP].concat())
}

/// All rows that tell of users.
async fn rows(directory: &Path) -> Vec<String> {
    of_users(&ReadDb::sqlite_beside(&directory.join("data/read.db")).unwrap()).await
}

/// Not those of the log's tree, in which each event shows, also that a service has adopted its rules.
async fn of_users(reads: &ReadDb) -> Vec<String> {
    let mut rows = reads.dump().await.unwrap();
    rows.retain(|row| !row.starts_with("log_tiles"));
    rows
}

fn change(directory: &Path, sql: &str) {
    let file = rusqlite::Connection::open(directory.join("data/read.db")).unwrap();
    file.busy_timeout(Duration::from_secs(5)).unwrap();
    file.execute_batch(sql).unwrap();
}

/// Begins a login, and gives what `/readyz` says then.
async fn log_in(service: &Service, address: &str) -> Value {
    let (url, client) = (format!("http://{}", service.address), Client::new());
    let start = client.post(format!("{url}/v1/auth/email/start"));
    let started = start.json(&json!({ "email": address })).send().await.unwrap();
    assert_eq!(started.status(), 200);
    let ready = client.get(format!("{url}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    ready.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_rebuilt_and_checked_beside_a_service() {
    let directory = seeded(500).await;
    let path = directory.path();
    let service = serve(path);
    log_in(&service, "ada@example.com").await;
    let before = rows(path).await;
    let said = replay(path, &[]).unwrap();
    assert!(
        said.contains("identity     rebuilt up to 502: 501 rows compared, 0 differed"),
        "{said}"
    );
    assert_eq!(rows(path).await, before);
    let ready = log_in(&service, "bob@example.com").await;
    assert_eq!(ready["projected"], ready["head"], "the service goes on in the new tables");
    // Bob's login and his mailbox.
    assert_eq!(rows(path).await.len(), before.len() + 2);

    change(
        path,
        "DELETE FROM login_requests WHERE request_id = (SELECT min(request_id) FROM login_requests)",
    );
    let drifted = rows(path).await;
    let wrong = replay(path, &["--check", "identity"]).unwrap_err();
    assert_eq!(wrong, "whence: rows that differ from the log: 1; `whence replay` rebuilds them");
    assert_eq!(rows(path).await, drifted, "a check changes nothing");
    let output = whence(path)
        .args(["replay", "--store", "sqlite:data", "--master-key", KEY, "--check", "identity"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("identity     checked at 503: 502 rows compared, 1 differed\n"),
        "{said}"
    );
    assert!(said.contains("  login_requests ") && said.contains(" is missing in the tables\n"));
    let said = replay(path, &["identity"]).unwrap();
    assert!(said.contains("502 rows compared, 1 differed"), "{said}");
    let said = replay(path, &["--check"]).unwrap();
    assert!(said.contains("502 rows compared, 0 differed"), "{said}");
    log_in(&service, "eve@example.com").await;
    assert_eq!(service.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_one_sentence_and_changes_nothing() {
    let directory = seeded(10).await;
    let path = directory.path();
    // SQLite puts the WAL into the file when it is opened.
    replay(path, &[]).unwrap();
    let before = contents(path);
    let unknown = replay(path, &["identity", "nonsense"]).unwrap_err();
    let known = "whence: there is no projection nonsense: the ones there are: identity, ";
    assert!(unknown.starts_with(known), "{unknown}");
    let lock = File::open(path.join("data/read.rebuild.lock")).unwrap();
    lock.lock().unwrap();
    for more in [&[][..], &["--check"]] {
        let refused = replay(path, more).unwrap_err();
        let expected = "whence: another rebuild or check of these read models is under way";
        assert_eq!(refused, expected);
    }
    drop(lock);
    assert_eq!(contents(path), before);
    let nowhere = run(path, &["replay", "--store", "sqlite:nowhere"]).unwrap_err();
    assert_eq!(nowhere, "whence: there is no log in nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_closes_the_pipe_is_told_no_more() {
    let directory = seeded(10).await;
    let mut command = whence(directory.path());
    command.args(["replay", "--store", "sqlite:data", "--master-key", KEY]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("panicked") && !said.contains("whence:"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_changes_nothing_and_the_rebuild_goes_on_later() {
    let directory = seeded(20_000).await;
    let path = directory.path();
    let before = rows(path).await;
    let service = serve(path);
    // Files may not grow beyond some 500 KB, for the rebuild alone.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 1000; exec {} replay --store sqlite:data --master-key {KEY}",
        env!("CARGO_BIN_EXE_whence")
    );
    let output = Command::new("sh").args(["-c", &limited]).current_dir(path).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("whence: the read models cannot be written: "), "{said}");
    let end = "; the tables in use are as they were, and the same command goes on from here";
    assert!(last.ends_with(end), "{said}");
    assert_eq!(rows(path).await, before);
    log_in(&service, "ada@example.com").await;
    let said = replay(path, &[]).unwrap();
    assert!(said.contains("20001 rows compared, 0 differed"), "{said}");
    assert_eq!(service.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_is_run_again() {
    let directory = seeded(20_000).await;
    let path = directory.path();
    let before = rows(path).await;
    let mut killed = 0;
    for round in 1..8 {
        let mut command = whence(path);
        command.args(["replay", "--store", "sqlite:data", "--master-key", KEY]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(60 * round)).await;
        if child.try_wait().unwrap().is_none() {
            send_signal(child.id(), "KILL");
            killed += 1;
        }
        child.wait().unwrap();
        assert_eq!(rows(path).await, before, "round {round}");
    }
    assert!(killed > 0, "it was always done before it was killed");
    replay(path, &[]).unwrap();
    assert_eq!(rows(path).await, before);
    let said = replay(path, &["--check"]).unwrap();
    assert!(said.contains("20000 rows compared, 0 differed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_rebuilds_tables_of_another_version_also_when_it_is_killed_meanwhile() {
    let directory = seeded(20_000).await;
    let path = directory.path();
    let before = rows(path).await;
    // As an earlier version might have left them.
    let earlier = "UPDATE checkpoints SET version = 0 WHERE projector = 'identity';
                   DROP INDEX login_requests_by_end; ALTER TABLE users ADD COLUMN old TEXT";
    change(path, earlier);
    // Somebody else is at it: until then the old tables answer, and it says that it is not ready.
    let lock = File::create(path.join("data/read.rebuild.lock")).unwrap();
    lock.lock().unwrap();
    let service = serve(path);
    let url = format!("http://{}/readyz", service.address);
    let answer = Client::new().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let answer: Value = answer.json().await.unwrap();
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.starts_with("the read models do not move on: "), "{reason}");
    assert_eq!(rows(path).await, before);
    drop(lock);
    // Killed in the middle of it.
    while !path.join("data/read.rebuild.db").exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(service);
    let service = serve(path);
    service.until_ready().await;
    let ready = log_in(&service, "ada@example.com").await;
    assert_eq!(ready["projected"], ready["head"]);
    let said = replay(path, &["--check"]).unwrap();
    assert!(said.contains("20001 rows compared, 0 differed"), "{said}");
    assert_eq!(service.stop().0, Some(0));
    let file = rusqlite::Connection::open(path.join("data/read.db")).unwrap();
    let there = "SELECT count(*) FROM sqlite_schema WHERE name = 'login_requests_by_end'";
    assert_eq!(file.query_row(there, [], |row| row.get::<_, u32>(0)).unwrap(), 1);
}

/// All nodes serve from the old tables meanwhile; the one that leads rebuilds them.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_nodes_one_rebuilds_tables_of_another_version() {
    let (directory, database) = (TempDir::new().unwrap(), database().await);
    let path = directory.path();
    let location = Location::parse(database.url(), None).unwrap();
    seed(&location, 3000).await;
    let reads = location.open_read_db().await.unwrap();
    let before = of_users(&reads).await;
    let earlier = "UPDATE read.checkpoints SET version = 0 WHERE projector = 'identity';
                   DROP INDEX read.login_requests_by_end";
    execute(database.url(), earlier).await;
    let flags = ["--store", database.url(), "--master-key", KEY, "--mail", "directory:mail"];
    let flags = [&flags[..], &["--log", "whence::cli=info"]].concat();
    let flags = [&flags[..], &KEEP].concat();
    let nodes = [Service::start(path, &flags), Service::start(path, &flags)];
    for node in &nodes {
        node.until_ready().await;
    }
    assert_eq!(reads.outdated().await.unwrap(), Vec::<&str>::new());
    assert_eq!(of_users(&reads).await, before);

    // And the command, beside them.
    let replay = ["replay", "--store", database.url(), "--master-key", KEY];
    let said = run(path, &replay).unwrap();
    let expected = "identity     rebuilt up to 3001: 3000 rows compared, 0 differed";
    assert!(said.contains(expected), "{said}");
    for (node, address) in nodes.iter().zip(["ada@example.com", "bob@example.com"]) {
        log_in(node, address).await;
        node.until_ready().await;
    }
    let wrong = "DELETE FROM read.login_requests WHERE ctid IN
                 (SELECT ctid FROM read.login_requests LIMIT 25)";
    execute(database.url(), wrong).await;
    let check = [&replay[..], &["--check", "identity"]].concat();
    let output = whence(path).args(&check).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().filter(|line| line.ends_with("missing in the tables")).count(), 20);
    assert!(said.ends_with("  and 5 more\n"), "{said}");
    run(path, &replay).unwrap();
    run(path, &check).unwrap();
    for node in nodes {
        assert_eq!(node.stop().0, Some(0));
    }
}
