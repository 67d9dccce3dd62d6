//! The log in Postgres: the contract.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::OnceCell;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, NoTls};
use whence::infra::clock::Clock;
use whence::infra::postgres::PostgresUrl;
use whence::store::{
    Append, EventStore, KeyPut, KeyRecord, NewKey, PostgresOpenError, PostgresStore, PostgresVault,
    StoreError,
};
use whence_events::{Mac, Timestamp};

use crate::contract::{Backend, append, contract, new_stream};
use whence_test_support::postgres::{self as database, Database};

/// A log in a database of its own.
#[derive(Default)]
pub(crate) struct Postgres {
    database: OnceCell<Database>,
}

pub(crate) const FINGERPRINT: Mac = Mac([7; 16]);

impl Postgres {
    pub(crate) async fn url(&self) -> &str {
        self.database.get_or_init(database::database).await.url()
    }

    pub(crate) async fn try_open(
        &self,
        fingerprint: Mac,
    ) -> Result<PostgresStore, PostgresOpenError> {
        open(self.url().await, fingerprint).await
    }
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: the URL is well formed")]
pub(crate) async fn open(url: &str, fingerprint: Mac) -> Result<PostgresStore, PostgresOpenError> {
    let url = PostgresUrl::parse(url).unwrap();
    PostgresStore::open(&url, fingerprint, Clock::system()).await
}

#[async_trait]
impl Backend for Postgres {
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no store, no test")]
    async fn open(&self) -> Arc<dyn EventStore> {
        Arc::new(self.try_open(FINGERPRINT).await.unwrap())
    }
}

contract!(Postgres::default());

/// A connection past the store.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no connection, no test")]
pub(crate) async fn raw(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn the_log_cannot_be_changed_past_the_store_either() {
    let log = Postgres::default();
    let store = log.open().await;
    store.append(append(&new_stream(), 0, 2)).await.unwrap();
    let before = store.read_all(0, 10).await.unwrap();
    let raw = raw(log.url().await).await;
    // Replication and restores run as a replica, for which ordinary triggers are off.
    for role in ["origin", "replica"] {
        raw.batch_execute(&format!("SET session_replication_role = {role}")).await.unwrap();
        for statement in [
            "UPDATE log.events SET data = '{}'",
            "UPDATE log.events SET position = position + 100",
            "DELETE FROM log.events",
            "DELETE FROM log.events WHERE position = 2",
            "TRUNCATE log.events",
            "UPDATE log.streams SET name = 'user-x'",
            "DELETE FROM log.streams",
            "TRUNCATE log.streams",
        ] {
            let error = raw.batch_execute(statement).await.unwrap_err();
            let said = error.as_db_error().unwrap().message();
            assert_eq!(said, "the log is immutable", "{statement} as {role}");
        }
    }
    assert_eq!(store.read_all(0, 10).await.unwrap(), before);
}

#[tokio::test]
async fn a_place_in_a_stream_is_taken_once_past_the_store_too() {
    let log = Postgres::default();
    log.open().await.append(append(&new_stream(), 0, 1)).await.unwrap();
    let copy =
        "INSERT INTO log.events SELECT 2, stream, version, occurred_at, recorded_at, event_id,
                  correlation_id, causation_id, actor, type, data FROM log.events";
    let error = raw(log.url().await).await.batch_execute(copy).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION));
}

#[tokio::test]
async fn the_bytes_of_an_event_are_kept_as_they_were_written() {
    let log = Postgres::default();
    let store = log.open().await;
    // What a type for JSON would change: spaces, order, a key twice, numbers, escapes.
    let said =
        r#"{ "b":1.0, "a" : 1e2,"request_id":"AAAAAAAAAAAAAAAAAAAAAA", "a":"\u0000ü\u00fc"}"#;
    let mut append = append(&new_stream(), 0, 1);
    append.events[0].data = said.as_bytes().into();
    store.append(append).await.unwrap();
    let sql = "SELECT data FROM log.events";
    let stored = raw(log.url().await).await.query_one(sql, &[]).await.unwrap();
    assert_eq!(stored.get::<_, String>(0), said);
}

/// Settings of the database, or of the user, must not weaken what an answer means.
#[tokio::test]
async fn a_commit_is_durable_whatever_the_database_is_set_to() {
    let log = Postgres::default();
    let url = log.url().await;
    for setting in [
        "synchronous_commit = off",
        "default_transaction_isolation = 'repeatable read'",
        "default_transaction_deferrable = on",
    ] {
        let name = url.rsplit('/').next().unwrap();
        database::execute(url, &format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    let store = log.open().await;
    let seen = "CREATE TABLE seen (place text, durable text, isolation text);
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO seen VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'),
            current_setting('transaction_isolation'));
          RETURN NULL;
        END $$;
        CREATE TRIGGER see AFTER INSERT ON log.events EXECUTE FUNCTION see();
        CREATE TRIGGER see AFTER UPDATE ON vault.subject_keys EXECUTE FUNCTION see();";
    database::execute(url, seen).await;
    let stream = new_stream();
    store.append(append(&stream, 0, 1)).await.unwrap();
    store.destroy_key(&stream, None).await.unwrap();
    let sql = "SELECT place || ' ' || durable || ' ' || isolation FROM seen ORDER BY place";
    let rows = raw(url).await.query(sql, &[]).await.unwrap();
    let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(rows[0], "events on read committed");
    assert!(rows[1].starts_with("subject_keys on "), "{}", rows[1]);
}

#[tokio::test]
async fn time_does_not_go_back_over_a_restart() {
    let log = Postgres::default();
    let url = PostgresUrl::parse(log.url().await).unwrap();
    let at = |micros| Clock::manual(Timestamp::from_micros(micros));
    let store = PostgresStore::open(&url, FINGERPRINT, at(2_000_000)).await.unwrap();
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    drop(store);
    let set_back = at(1_000_000);
    let store = PostgresStore::open(&url, FINGERPRINT, set_back.clone()).await.unwrap();
    assert_eq!(set_back.now(), Timestamp::from_micros(2_000_000));
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    let times: Vec<_> =
        store.read_all(0, 10).await.unwrap().iter().map(|e| e.recorded_at.as_micros()).collect();
    assert_eq!(times, [2_000_000, 2_000_000]);
}

/// Appends that wait together are one batch. Some of them cannot be stored at all.
#[tokio::test]
async fn an_append_that_cannot_be_stored_does_not_keep_others_from_it() {
    let log = Postgres::default();
    let store = log.open().await;
    let (taken, key) = (new_stream(), NewKey { generation: 0, wrapped: b"a key".to_vec() });
    let with_key = Append { new_key: Some(key), ..append(&taken, 0, 1) };
    store.append(with_key.clone()).await.unwrap();

    let mut appends: Vec<_> = (0..30).map(|_| append(&new_stream(), 0, 2)).collect();
    appends[3].events[1].data = (*b"{\"nul\":\"\0\"}").into();
    appends[11].events[0].data = (*b"{\"no utf-8\":\"\xff\"}").into();
    // The same generation once more, with other events.
    appends[20] = Append { expected_length: 1, ..append(&taken, 1, 2) };
    appends[20].new_key = with_key.new_key;
    let bad = [3, 11, 20];
    // Somebody holds the head row until all of them wait.
    let holder = raw(log.url().await).await;
    holder.batch_execute("BEGIN; SELECT FROM log.head FOR UPDATE").await.unwrap();
    let waiting = join_all(appends.iter().map(|append| store.append(append.clone())));
    let (results, released) = tokio::join!(waiting, holder.batch_execute("COMMIT"));
    released.unwrap();
    for (number, result) in results.iter().enumerate() {
        let refused = matches!(result, Err(StoreError::Unavailable(_)));
        assert_eq!(refused, bad.contains(&number), "{number}: {result:?}");
    }
    for (number, append) in appends.iter().enumerate().filter(|(number, _)| *number != 20) {
        let stored = store.read_stream(&append.stream, 0, 10).await.unwrap().len();
        assert_eq!(stored, if bad.contains(&number) { 0 } else { 2 }, "{number}");
    }
    assert_eq!(store.read_stream(&taken, 0, 10).await.unwrap().len(), 1);
    // And it goes on.
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    assert_eq!(store.head().await.unwrap(), 1 + 27 * 2 + 1);
}

/// Every transaction that notifies takes a lock of the whole server.
#[tokio::test]
async fn a_batch_is_one_notification() {
    let log = Postgres::default();
    let store = log.open().await;
    let (client, mut connection) = tokio_postgres::connect(log.url().await, NoTls).await.unwrap();
    let (heard, mut hear) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) =
            std::future::poll_fn(|context| connection.poll_message(context)).await
        {
            if let AsyncMessage::Notification(notification) = message {
                heard.send(notification.payload().to_owned()).unwrap();
            }
        }
    });
    client.batch_execute("LISTEN whence_log").await.unwrap();
    store.append(append(&new_stream(), 0, 50)).await.unwrap();
    store.append(append(&new_stream(), 0, 50)).await.unwrap();
    for head in ["50 ", "100 "] {
        assert!(hear.recv().await.unwrap().starts_with(head));
    }
    // A conflict has nothing to tell.
    assert!(store.append(append(&new_stream(), 1, 1)).await.is_err());
    client.batch_execute("NOTIFY whence_log, 'end'").await.unwrap();
    assert_eq!(hear.recv().await.unwrap(), "end");
}

#[tokio::test]
async fn of_two_keys_for_one_place_the_first_stays() {
    let log = Postgres::default();
    let url = PostgresUrl::parse(log.url().await).unwrap();
    // Alone, as beside a log that is kept elsewhere.
    let vault = PostgresVault::open(&url, FINGERPRINT, Clock::system()).await.unwrap();
    let again = PostgresVault::open(&url, FINGERPRINT, Clock::system()).await.unwrap();
    let key = |generation, bytes: &[u8]| NewKey { generation, wrapped: bytes.to_vec() };
    let stream = new_stream();
    let (one, other) = (key(0, b"one"), key(0, b"other"));
    assert_eq!(vault.put(&stream, &one).await.unwrap(), KeyPut::Stored);
    assert_eq!(again.put(&stream, &one).await.unwrap(), KeyPut::Stored);
    assert_eq!(again.put(&stream, &other).await.unwrap(), KeyPut::Taken);
    let record = |generation, wrapped: Option<&[u8]>| KeyRecord {
        generation,
        wrapped: wrapped.map(<[u8]>::to_vec),
    };
    assert_eq!(vault.read_key(&stream).await.unwrap(), Some(record(0, Some(b"one"))));
    // What was destroyed does not come back.
    again.destroy_key(&stream, None).await.unwrap();
    assert_eq!(vault.put(&stream, &one).await.unwrap(), KeyPut::Taken);
    assert_eq!(vault.read_key(&stream).await.unwrap(), Some(record(0, None)));
    assert_eq!(vault.put(&stream, &key(1, b"next")).await.unwrap(), KeyPut::Stored);
    assert_eq!(vault.read_key(&stream).await.unwrap(), Some(record(1, Some(b"next"))));
    let racers: Vec<_> = (0..8_u8).map(|n| key(0, &[n])).collect();
    let stream = new_stream();
    let put = join_all(racers.iter().map(|key| vault.put(&stream, key))).await;
    assert_eq!(put.iter().filter(|put| *put.as_ref().unwrap() == KeyPut::Stored).count(), 1);
    // A log in the same database uses that vault.
    let store = log.open().await;
    assert_eq!(store.read_key(&stream).await.unwrap().unwrap().generation, 0);
}
