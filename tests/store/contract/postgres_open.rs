//! Opening a log in Postgres: what cannot be opened is refused in one sentence and left as it was.

use futures::future::join_all;
use whence::infra::clock::Clock;
use whence::infra::postgres::PostgresUrl;
use whence::store::{PostgresOpenError as OpenError, PostgresStore, PostgresVault};
use whence_events::Mac;

use crate::contract::postgres::{FINGERPRINT, Postgres, open, raw};
use crate::contract::{Backend as _, append, new_stream};
use whence_test_support::postgres::{self as database, script};

#[tokio::test]
async fn another_master_key_is_refused() {
    let log = written_log().await;
    let refused = refused(log.url().await, Mac([8; 16])).await;
    assert!(matches!(refused, OpenError::WrongMasterKey(_)));
    assert_said(&log, &refused, "the database PLACE was made with another master key").await;
    let url = PostgresUrl::parse(log.url().await).unwrap();
    let vault = PostgresVault::open(&url, Mac([8; 16]), Clock::system()).await;
    assert!(matches!(vault.err(), Some(OpenError::WrongMasterKey(_))));
    assert_still_works(&log).await;
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_refused() {
    for (part, known) in [("log", 1), ("vault", 3)] {
        let log = written_log().await;
        let sql = format!("INSERT INTO vault.migrations VALUES ('{part}', 99)");
        database::execute(log.url().await, &sql).await;
        let refused = refused(log.url().await, FINGERPRINT).await;
        assert!(matches!(refused, OpenError::Newer { found: 99, .. }));
        let said = format!(
            "the database PLACE was written by a newer version of whence ({part} format 99, here {known})"
        );
        assert_said(&log, &refused, &said).await;
        database::execute(log.url().await, "DELETE FROM vault.migrations WHERE number = 99").await;
        assert_still_works(&log).await;
    }
}

#[tokio::test]
async fn schemas_of_somebody_else_are_refused_and_left_alone() {
    for schema in ["log", "vault"] {
        let log = Postgres::default();
        let theirs = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.events (name text)");
        database::execute(log.url().await, &theirs).await;
        let refused = refused(log.url().await, FINGERPRINT).await;
        assert!(matches!(refused, OpenError::NotOurs(_)));
        let said = "the database PLACE has a schema log or vault that is not of whence";
        assert_said(&log, &refused, said).await;
        assert_eq!(tables(&log).await, [format!("{schema}.events")]);
    }
}

#[tokio::test]
async fn a_log_comes_into_a_database_that_has_a_vault_and_other_things() {
    let log = Postgres::default();
    let url = PostgresUrl::parse(log.url().await).unwrap();
    PostgresVault::open(&url, FINGERPRINT, Clock::system()).await.unwrap();
    database::execute(log.url().await, "CREATE TABLE recipes (name text)").await;
    assert!(!tables(&log).await.iter().any(|table| table.starts_with("log.")));
    log.open().await.append(append(&new_stream(), 0, 1)).await.unwrap();
}

#[tokio::test]
async fn migrations_that_ran_do_not_run_again() {
    let log = written_log().await;
    let ran = async |log: &Postgres| -> Vec<String> {
        let sql = "SELECT m::text || xmin::text FROM vault.migrations m ORDER BY 1";
        let rows = raw(log.url().await).await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let (tables, migrations) = (tables(&log).await, ran(&log).await);
    assert_eq!(migrations.len(), 4);
    for _ in 0..2 {
        drop(log.open().await);
        assert_eq!(self::tables(&log).await, tables);
        assert_eq!(ran(&log).await, migrations);
    }
    assert_still_works(&log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_may_open_a_new_database_at_once() {
    let log = Postgres::default();
    let url = log.url().await;
    for store in join_all((0..8).map(|_| open(url, FINGERPRINT))).await {
        store.unwrap();
    }
    // Of different keys, one makes it and the others are refused.
    let log = Postgres::default();
    let url = log.url().await;
    let opened = join_all((0..8).map(|n| open(url, Mac([n; 16])))).await;
    assert_eq!(opened.iter().filter(|store| store.is_ok()).count(), 1);
    for refused in opened.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, OpenError::WrongMasterKey(_)), "{refused}");
    }
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let log = Postgres::default();
    let (server, name) = log.url().await.rsplit_once('/').unwrap();
    let (url, latin) = (log.url().await, format!("{name}_latin"));
    let make = format!("CREATE DATABASE {latin} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0");
    database::execute(url, &make).await;
    let refused = refused(&format!("{server}/{latin}"), FINGERPRINT).await;
    database::execute(url, &format!("DROP DATABASE {latin} WITH (FORCE)")).await;
    assert!(matches!(refused, OpenError::Encoding { .. }), "{refused}");
    assert!(one_sentence(&refused).ends_with("is encoded in LATIN1 and has to be in UTF8"));
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_refused() {
    let log = written_log().await;
    let (_, name) = log.url().await.rsplit_once('/').unwrap();
    let set = |to: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {to}");
    database::execute(log.url().await, &set("on")).await;
    let refused = refused(log.url().await, FINGERPRINT).await;
    assert!(matches!(refused, OpenError::ReadOnly(_)), "{refused}");
    assert_said(&log, &refused, "the Postgres at PLACE is read-only").await;
    let writable = format!("BEGIN READ WRITE; {}; COMMIT", set("off"));
    database::execute(log.url().await, &writable).await;
    assert_still_works(&log).await;
}

#[tokio::test]
async fn a_user_without_rights_is_refused_and_one_with_just_enough_is_not() {
    script(&["remove", "rights"]);
    let server = script(&["cluster", "rights"]);
    let (_, place) = server.split_once('@').unwrap();
    let visitor = format!("postgres://visitor:secret@{place}");
    database::execute(&server, "CREATE ROLE visitor LOGIN PASSWORD 'secret'").await;
    let new = refused(&visitor, FINGERPRINT).await;
    let made = open(&server, FINGERPRINT).await.map(drop);
    let old = refused(&visitor, FINGERPRINT).await;
    database::execute(
        &server,
        "GRANT USAGE ON SCHEMA log, vault TO visitor;
         GRANT SELECT ON ALL TABLES IN SCHEMA log, vault TO visitor;
         GRANT INSERT ON log.events, log.streams, vault.subject_keys TO visitor;
         GRANT UPDATE ON log.head, vault.subject_keys TO visitor",
    )
    .await;
    let opened = open(&visitor, FINGERPRINT).await;
    let appended = match &opened {
        Ok(store) => {
            use whence::store::EventStore as _;
            Some(store.append(append(&new_stream(), 0, 1)).await)
        }
        Err(_) => None,
    };
    drop(opened);
    let wrong = refused(&visitor.replace("secret", "hunter2"), FINGERPRINT).await;
    let nowhere = visitor.strip_suffix("postgres").unwrap().to_owned() + "nowhere";
    let nowhere = refused(&nowhere, FINGERPRINT).await;
    script(&["remove", "rights"]);
    let gone = refused(&visitor, FINGERPRINT).await;

    made.unwrap();
    for refused in [new, old] {
        assert!(matches!(refused, OpenError::NoRights { .. }), "{refused}");
        assert!(one_sentence(&refused).contains("has not the rights it needs: permission denied"));
    }
    appended.unwrap().unwrap();
    for (refused, why) in [
        (wrong, "password authentication failed for user \"visitor\""),
        (nowhere, "database \"nowhere\" does not exist"),
        (gone, "Connection refused"),
    ] {
        assert!(matches!(refused, OpenError::Unreachable { .. }), "{refused}");
        assert!(one_sentence(&refused).contains(why), "{refused}");
        assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_standby_is_refused() {
    script(&["remove", "standby"]);
    script(&["remove", "primary"]);
    let primary = script(&["cluster", "primary"]);
    open(&primary, FINGERPRINT).await.unwrap();
    let standby = script(&["standby", "standby", "primary"]);
    let refused = refused(&standby, FINGERPRINT).await;
    // Of several hosts the one that takes writes is found, whatever their order.
    let host = |url: &str| url.split(['@', '/']).nth(3).unwrap().to_owned();
    let both = standby.replace(&host(&standby), &format!("{},{}", host(&standby), host(&primary)));
    let found = open(&both, FINGERPRINT).await.map(drop);
    script(&["remove", "standby"]);
    script(&["remove", "primary"]);
    assert!(matches!(refused, OpenError::ReadOnly(_)), "{refused}");
    found.unwrap();
}

/// A log with two events.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no log, no test")]
async fn written_log() -> Postgres {
    let log = Postgres::default();
    log.open().await.append(append(&new_stream(), 0, 2)).await.unwrap();
    log
}

/// Why it cannot be opened.
async fn refused(url: &str, fingerprint: Mac) -> OpenError {
    let opened: Result<PostgresStore, OpenError> = open(url, fingerprint).await;
    opened.err().expect("it was opened")
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: no log, no test")]
async fn assert_still_works(log: &Postgres) {
    let store = log.open().await;
    let head = store.head().await.unwrap();
    assert!(head >= 2);
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    assert_eq!(store.head().await.unwrap(), head + 1);
}

async fn assert_said(log: &Postgres, refused: &OpenError, expected: &str) {
    let url = log.url().await;
    let (_, place) = url.split_once('@').expect("a user");
    assert_eq!(one_sentence(refused).replace(place, "PLACE"), expected);
    let password = url.split([':', '@']).nth(2).expect("a password");
    assert!(!format!("{refused:?}").contains(password), "{refused:?}");
}

fn one_sentence(refused: &OpenError) -> String {
    let said = refused.to_string();
    assert!(!said.contains('\n') && !said.ends_with('.'), "{said}");
    said
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: no database, no test")]
async fn tables(log: &Postgres) -> Vec<String> {
    let sql = "SELECT table_schema || '.' || table_name FROM information_schema.tables
               WHERE table_schema IN ('log', 'vault') ORDER BY 1";
    let rows = raw(log.url().await).await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
