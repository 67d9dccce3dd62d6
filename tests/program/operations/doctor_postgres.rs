//! `whence doctor` on a log in Postgres, and on one in KurrentDB.

use tempfile::TempDir;

use crate::operations::doctor::{bad, doctor};
use crate::operations::logs::KEY;
use crate::support::Service;
use whence_test_support::postgres::{Database, database, execute, script};

/// Flags for a database.
fn flags(url: &str) -> Vec<&str> {
    vec!["--store", url, "--master-key", KEY]
}

/// A database in which a service has been.
async fn used() -> (TempDir, Database) {
    let (directory, database) = (TempDir::new().unwrap(), database().await);
    let log = ["--log", "whence::cli=info"];
    let service = Service::start(directory.path(), &[&flags(database.url())[..], &log].concat());
    // It waits until the tables are up with the log.
    assert!(news(&directory, &flags(database.url())).is_empty());
    assert_eq!(service.stop().0, Some(0));
    (directory, database)
}

/// Bad news, but for the throw-away server's, which flushes nothing.
fn news(directory: &TempDir, flags: &[&str]) -> Vec<String> {
    let (_, lines) = doctor(directory.path(), flags);
    let news = bad(&lines).into_iter().filter(|line| !line.contains(" durability: "));
    news.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_log_is_well_while_it_is_served_too() {
    let (directory, database) = used().await;
    assert!(news(&directory, &flags(database.url())).is_empty());
    let log = ["--log", "whence::cli=info"];
    let flags = flags(database.url());
    let service = Service::start(directory.path(), &[&flags[..], &log].concat());
    let (_, lines) = doctor(directory.path(), &flags);
    let leads = "ok   service: the node that writes the read models: whence at 127.0.0.1";
    assert!(lines.iter().any(|line| line.starts_with(leads)), "{lines:#?}");
    assert!(news(&directory, &flags).is_empty());
    assert_eq!(service.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_flushes_nothing_and_one_that_does() {
    let (directory, database) = used().await;
    let (well, lines) = doctor(directory.path(), &flags(database.url()));
    let durability: Vec<_> = bad(&lines);
    assert!(!well);
    assert_eq!(
        durability,
        [
            "FAIL durability: fsync is off: a crash of the machine takes what was acknowledged: \
             set fsync = on and restart Postgres",
            "warn durability: full_page_writes is off: a crash may leave half a page: set it to \
             on, unless the file system writes pages whole"
        ]
    );
    let name = format!("doctor_{}", std::process::id());
    let url = script(&["cluster", &name, "--durable"]);
    let (well, lines) = doctor(directory.path(), &flags(&url));
    script(&["remove", &name]);
    let on = "ok   durability: synchronous_commit is on: a commit is on disk at this server";
    assert!(well && lines.iter().any(|line| line == on), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_made() {
    let (directory, database) = (TempDir::new().unwrap(), database().await);
    let said = news(&directory, &flags(database.url()));
    let [line] = &said[..] else { panic!("{said:#?}") };
    assert!(line.starts_with("warn log: there is no log at 127.0.0.1:"), "{line}");
    execute(database.url(), "CREATE SCHEMA log").await;
    let said = news(&directory, &flags(database.url()));
    assert_eq!(
        said,
        [
            "FAIL log: there is a schema log or vault that is not of whence: use a database of its own"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there() {
    let directory = TempDir::new().unwrap();
    let said = news(&directory, &flags("postgres://ada:hunter2@127.0.0.1:1/x"));
    assert_eq!(
        said,
        ["FAIL connection: cannot connect to Postgres at 127.0.0.1:1/x: error connecting to \
          server: Connection refused (os error 111): see that the server runs there and lets this \
          user in"]
    );
}

/// What is done to a database, how bad that is and where, and what is said of it.
const WRONG: [(&str, &str, &str); 13] = [
    (
        "ALTER TABLE log.events DISABLE TRIGGER events_never_change",
        "FAIL immutability",
        "log.events can be changed",
    ),
    (
        "DROP TRIGGER streams_never_change ON log.streams",
        "FAIL immutability",
        "log.streams can be changed",
    ),
    (
        "ALTER TABLE log.events ENABLE TRIGGER events_never_change",
        "warn immutability",
        "log.events refuses changes, but not those of a replica",
    ),
    (
        "CREATE OR REPLACE FUNCTION log.refuse() RETURNS trigger LANGUAGE plpgsql
           AS 'BEGIN RETURN NULL; END'",
        "FAIL immutability",
        "log.events can be changed",
    ),
    (
        "UPDATE vault.about SET value = '\\x00'",
        "FAIL master key",
        "the database was made with another master key",
    ),
    (
        "INSERT INTO vault.subject_keys
           VALUES ('user-018f0000-0000-7000-8000-000000000001', 0, '\\x00', 1)",
        "FAIL master key",
        "it is that of the vault, but 1 of 1 keys do not open",
    ),
    (
        "UPDATE vault.migrations SET number = 4000 WHERE part = 'log'",
        "FAIL migrations",
        "the log has format 4000, this whence knows 1",
    ),
    (
        "UPDATE log.head SET position = 7",
        "FAIL positions",
        "the head is said to be 7, and the last event is 1",
    ),
    (
        "UPDATE log.head SET recorded_at = recorded_at + 9000000000",
        "warn clock",
        "the last event of the log is 2 h ",
    ),
    (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',
           current_database()); END $$",
        "FAIL server",
        "the server is read-only",
    ),
    (
        "UPDATE read.checkpoints SET position = 0",
        "warn read models",
        "is 1 events behind the log, at 0: see /readyz",
    ),
    ("UPDATE read.checkpoints SET version = 4000", "warn read models", "is of another version"),
    (
        "UPDATE read.checkpoints SET event_id = gen_random_uuid()",
        "warn read models",
        "is of another log",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_can_be_wrong_in_a_database() {
    for (change, level, found) in WRONG {
        let (directory, database) = used().await;
        execute(database.url(), change).await;
        let said = news(&directory, &flags(database.url()));
        let there = |line: &String| line.starts_with(level) && line.contains(found);
        assert!(said.iter().any(there), "{change}: {said:#?}");
    }
}

#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_kurrentdb() {
    let (directory, vault) = (TempDir::new().unwrap(), database().await);
    let mut double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
    let url = double.url();
    let mut flags = flags(&url);
    flags.extend(["--read-db", vault.url()]);
    let said = news(&directory, &flags);
    assert!(
        said[0].starts_with("warn log: there is no event of whence at 127.0.0.1:"),
        "{said:#?}"
    );
    let log = ["--log", "whence::cli=info"];
    let service = Service::start(directory.path(), &[&flags[..], &log].concat());
    let said = news(&directory, &flags);
    assert!(said.is_empty(), "{said:#?}");
    assert_eq!(service.stop().0, Some(0));
    execute(vault.url(), "UPDATE read.checkpoints SET position = 0 WHERE projector = 'duties'")
        .await;
    let said = news(&directory, &flags);
    assert!(said[0].contains("duties is 1 events behind the log"), "{said:#?}");
    double.kill(0).await;
    let said = news(&directory, &flags);
    assert!(
        said[0].starts_with("FAIL connection: cannot reach KurrentDB at 127.0.0.1:"),
        "{said:#?}"
    );
}
