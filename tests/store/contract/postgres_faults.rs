//! A Postgres that fails: what was acknowledged is there once, what was not is there wholly or not
//! at all, and the store recovers by itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests as well: no store, no test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::task::JoinHandle;
use whence::store::{Append, Appended, EventStore, StoreError};
use whence_events::{EventId, Position, StreamId};

use crate::contract::postgres::{FINGERPRINT, Postgres, open, raw};
use crate::contract::{Backend as _, append, ids, new_stream};
use whence_test_support::postgres::{self as database, script};

const ALL: usize = 1_000_000;
const EVENTS: usize = 3;

/// Callers that never give up, and what they were told.
struct Load {
    done: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    unavailable: Arc<AtomicU64>,
    callers: Vec<JoinHandle<Told>>,
}

/// A stream, the ids in it, and where its appends were said to end.
struct Told {
    stream: StreamId,
    ids: Vec<EventId>,
    ends: Vec<Position>,
}

impl Load {
    fn start(nodes: &[Arc<dyn EventStore>]) -> Self {
        let mut load = Self {
            done: Arc::default(),
            acknowledged: Arc::default(),
            unavailable: Arc::default(),
            callers: vec![],
        };
        for caller in 0..12 {
            let store = nodes[caller % nodes.len()].clone();
            let (done, acknowledged) = (load.done.clone(), load.acknowledged.clone());
            let unavailable = load.unavailable.clone();
            load.callers.push(tokio::spawn(async move {
                let mut told = Told { stream: new_stream(), ids: vec![], ends: vec![] };
                while !done.load(Ordering::SeqCst) {
                    let append = append(&told.stream, told.ids.len() as u64, EVENTS);
                    let appended = surely(&*store, &append, &unavailable).await;
                    told.ids.extend(ids(&append));
                    told.ends.push(appended.last());
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                told
            }));
        }
        load
    }

    /// Waits until so many more were acknowledged.
    async fn progress(&self, more: u64) {
        let goal = self.acknowledged.load(Ordering::SeqCst) + more;
        eventually(async || self.acknowledged.load(Ordering::SeqCst) >= goal).await;
    }

    /// Ends it, and holds what the callers were told against what is there.
    async fn check(self, store: &dyn EventStore) {
        self.done.store(true, Ordering::SeqCst);
        let told: Vec<_> =
            join_all(self.callers).await.into_iter().map(|caller| caller.unwrap()).collect();
        let log = store.read_all(0, ALL).await.unwrap();
        assert!(log.iter().map(|event| event.position).eq(1..=log.len() as u64));
        assert_eq!(log.len(), told.iter().map(|told| told.ids.len()).sum::<usize>());
        for told in told {
            let stream = store.read_stream(&told.stream, 0, ALL).await.unwrap();
            assert!(stream.iter().map(|event| event.event_id).eq(told.ids.iter().copied()));
            let ends = stream.chunks(EVENTS).map(|decision| decision[EVENTS - 1].position);
            assert!(ends.eq(told.ends.iter().copied()));
        }
    }
}

/// Asks until it is answered, and now and then looks first whether it was written after all.
async fn surely(store: &dyn EventStore, append: &Append, unavailable: &AtomicU64) -> Appended {
    loop {
        match store.append(append.clone()).await {
            Ok(appended) => return appended,
            Err(StoreError::Unavailable(_)) => unavailable.fetch_add(1, Ordering::SeqCst),
            Err(refused) => panic!("nobody else writes to this stream: {refused}"),
        };
        if let Ok(found) = store.read_stream(&append.stream, append.expected_length, ALL).await {
            assert!(found.is_empty() || found.len() == EVENTS, "a part of a decision is there");
            if !found.is_empty() {
                let again = store.append(append.clone()).await;
                match again {
                    Ok(again) => {
                        let last = found[EVENTS - 1].position;
                        assert_eq!(again, Appended::Again { last });
                        return again;
                    }
                    Err(StoreError::Unavailable(_)) => {}
                    Err(conflict) => panic!("{conflict}"),
                }
            }
        }
    }
}

pub(crate) async fn eventually(mut is: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), waiting).await.expect("it never came");
}

/// An answer in bounded time; which bound does not matter here.
pub(crate) async fn unavailable(append: impl Future<Output = Result<Appended, StoreError>>) {
    let result = tokio::time::timeout(Duration::from_mins(1), append).await;
    let result = result.expect("an append that is never answered");
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_are_cut_under_load_lose_and_double_nothing() {
    let log = Postgres::default();
    let nodes = [log.open().await, log.open().await];
    let (mut tail, operator) = (nodes[1].tail(), raw(log.url().await).await);
    let load = Load::start(&nodes);
    let mut cut = 0;
    for _ in 0..15 {
        load.progress(40).await;
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        cut += operator.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    }
    load.progress(40).await;
    assert!(cut > 15, "only {cut} were cut");
    assert!(load.unavailable.load(Ordering::SeqCst) > 0, "nobody noticed");
    load.check(&*nodes[0]).await;
    // The tail had to listen anew, and missed nothing.
    let log = nodes[0].read_all(0, ALL).await.unwrap();
    let mut told = 0;
    while told < log.len() {
        let batch = tail.recv().await.unwrap();
        let end = told + batch.events.len();
        assert_eq!(batch.after, told as u64);
        assert_eq!(batch.events[..], log[told..end]);
        told = end;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_restarts_under_load_loses_and_doubles_nothing() {
    let server = Server::new("restarted");
    let store: Arc<dyn EventStore> = Arc::new(open(&server.url, FINGERPRINT).await.unwrap());
    let load = Load::start(std::slice::from_ref(&store));
    for crash in [false, true, false] {
        load.progress(100).await;
        let name = server.name;
        let restarting = tokio::task::spawn_blocking(move || {
            if crash {
                script(&["kill", name]);
                script(&["up", name]);
            } else {
                script(&["restart", name]);
            }
        });
        restarting.await.unwrap();
    }
    load.progress(100).await;
    load.check(&*store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_gone_is_unavailable_until_it_is_back() {
    let server = Server::new("gone");
    let store = open(&server.url, FINGERPRINT).await.unwrap();
    let (stream, mut tail) = (new_stream(), store.tail());
    store.append(append(&stream, 0, 1)).await.unwrap();
    assert!(store.is_current());
    script(&["kill", server.name]);
    let lost = append(&stream, 1, 1);
    unavailable(store.append(lost.clone())).await;
    let no_answer = |error| assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    no_answer(store.head().await.unwrap_err());
    no_answer(store.read_all(0, 1).await.unwrap_err());
    no_answer(store.read_stream(&stream, 0, 1).await.unwrap_err());
    no_answer(store.read_key(&stream).await.unwrap_err());
    no_answer(store.destroy_key(&stream, None).await.unwrap_err());
    // What other nodes do is not heard of now, and the store knows that.
    eventually(async || !store.is_current()).await;

    script(&["up", server.name]);
    eventually(async || store.append(lost.clone()).await.is_ok()).await;
    eventually(async || store.is_current()).await;
    assert_eq!(store.read_stream(&stream, 0, 10).await.unwrap().len(), 2);
    let told = [tail.recv().await.unwrap(), tail.recv().await.unwrap()];
    assert_eq!(told.map(|batch| batch.after), [0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lock_that_somebody_else_holds_is_not_waited_for_for_ever() {
    let log = Postgres::default();
    let store = log.open().await;
    let stream = new_stream();
    store.append(append(&stream, 0, 1)).await.unwrap();
    let holder = raw(log.url().await).await;
    for lock in ["SELECT FROM log.head FOR UPDATE", "LOCK TABLE log.events"] {
        holder.batch_execute(&format!("BEGIN; {lock}")).await.unwrap();
        let waiting = append(&stream, 1, 2);
        unavailable(store.append(waiting)).await;
        if lock.starts_with("LOCK") {
            assert!(store.read_all(0, 1).await.is_err());
        }
        holder.batch_execute("COMMIT").await.unwrap();
        assert_eq!(store.read_stream(&stream, 0, 10).await.unwrap().len(), 1);
    }
    assert_eq!(store.append(append(&stream, 1, 1)).await.unwrap(), Appended::Now { last: 2 });
}

/// The server still works at it when the caller has been told that nobody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_takes_too_long_is_unavailable_and_leaves_no_lock_behind() {
    let log = Postgres::default();
    let store = log.open().await;
    let stall = "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          PERFORM pg_sleep(1000); RETURN NULL;
        END $$;
        CREATE TRIGGER stall AFTER INSERT ON log.events EXECUTE FUNCTION stall()";
    database::execute(log.url().await, stall).await;
    let stalled = append(&new_stream(), 0, 2);
    unavailable(store.append(stalled.clone())).await;
    eventually(async || {
        let operator = raw(log.url().await).await;
        let drop = "SET lock_timeout = 100; DROP TRIGGER stall ON log.events";
        operator.batch_execute(drop).await.is_ok()
    })
    .await;
    eventually(async || store.append(stalled.clone()).await.is_ok()).await;
    assert_eq!(store.head().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_without_room_for_connections_is_unavailable() {
    let server = Server::new("crowded");
    let user =
        "CREATE ROLE visitor LOGIN PASSWORD 'x'; GRANT CREATE ON DATABASE postgres TO visitor";
    database::execute(&server.url, user).await;
    let (_, place) = server.url.split_once('@').unwrap();
    let store = open(&format!("postgres://visitor:x@{place}"), FINGERPRINT).await.unwrap();
    let stream = new_stream();
    store.append(append(&stream, 0, 1)).await.unwrap();
    let operator = raw(&server.url).await;
    let cut = "ALTER ROLE visitor CONNECTION LIMIT 0;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'visitor'";
    operator.batch_execute(cut).await.unwrap();
    let lost = append(&stream, 1, 2);
    // The connections that it had break first.
    unavailable(store.append(lost.clone())).await;
    unavailable(store.append(lost.clone())).await;
    assert!(store.head().await.is_err());
    operator.batch_execute("ALTER ROLE visitor CONNECTION LIMIT -1").await.unwrap();
    eventually(async || store.append(lost.clone()).await.is_ok()).await;
    assert_eq!(store.read_stream(&stream, 0, 10).await.unwrap().len(), 3);
}

/// As a full disk does it: an error of the server in the middle of the transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_without_room_on_its_disk_is_unavailable_and_writes_nothing() {
    let log = Postgres::default();
    let store = log.open().await;
    let full = "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full';
        END $$;
        CREATE TRIGGER fill AFTER INSERT ON log.events EXECUTE FUNCTION fill()";
    database::execute(log.url().await, full).await;
    let lost = append(&new_stream(), 0, 2);
    unavailable(store.append(lost.clone())).await;
    assert_eq!(store.head().await.unwrap(), 0);
    assert!(store.read_all(0, 10).await.unwrap().is_empty());
    database::execute(log.url().await, "DROP TRIGGER fill ON log.events").await;
    assert_eq!(store.append(lost).await.unwrap(), Appended::Now { last: 2 });
}

/// A server of one test.
struct Server {
    name: &'static str,
    url: String,
}

impl Server {
    fn new(name: &'static str) -> Self {
        script(&["remove", name]);
        Self { name, url: script(&["cluster", name]) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        script(&["remove", self.name]);
    }
}
