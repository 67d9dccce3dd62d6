//! Several nodes on one Postgres.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use whence::infra::clock::Clock;
use whence::infra::postgres::PostgresUrl;
use whence::store::{Appended, Batch, EventStore, PostgresStore, StoreError};
use whence_events::{Recorded, Timestamp};

use crate::contract::postgres::{FINGERPRINT, Postgres, raw};
use crate::contract::{Backend as _, append, new_stream};

const ALL: usize = 1_000_000;

async fn two_nodes(log: &Postgres) -> [Arc<dyn EventStore>; 2] {
    let url = log.url().await.to_owned();
    assert!(!url.is_empty());
    // Both at once: one of them makes the tables, the other finds them.
    let (one, other) = tokio::join!(log.open(), log.open());
    [one, other]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_appends_that_race_over_two_nodes_one_wins() {
    let log = Postgres::default();
    let nodes = two_nodes(&log).await;
    let stream = new_stream();
    for length in 0..20 {
        let racers = (0..8).map(|n| nodes[n % 2].append(append(&stream, length, 1)));
        let results = join_all(racers).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        for lost in results.into_iter().filter(Result::is_err) {
            let Err(StoreError::Conflict { length: found }) = lost else {
                panic!("no conflict: {lost:?}")
            };
            assert_eq!(found, length + 1);
        }
    }
    for node in &nodes {
        assert_eq!(node.read_stream(&stream, 0, ALL).await.unwrap().len(), 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_append_on_two_nodes_is_written_once() {
    let log = Postgres::default();
    let nodes = two_nodes(&log).await;
    let stream = new_stream();
    for round in 0..10 {
        let same = append(&stream, round * 2, 2);
        let results = join_all((0..6).map(|n| nodes[n % 2].append(same.clone()))).await;
        let last = (round + 1) * 2;
        let count = |expected| results.iter().filter(|r| r.as_ref().unwrap() == &expected).count();
        assert_eq!(count(Appended::Now { last }), 1, "{results:?}");
        assert_eq!(count(Appended::Again { last }), 5, "{results:?}");
    }
    assert_eq!(nodes[0].head().await.unwrap(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_tail_of_each_node_tells_all_of_both_in_order_once() {
    const WRITERS: usize = 8;
    const APPENDS: u64 = 50;
    let log = Postgres::default();
    let nodes = two_nodes(&log).await;
    let tails: Vec<_> = nodes.iter().map(|node| node.tail()).collect();
    let writers = (0..WRITERS).map(|writer| {
        let (node, stream) = (nodes[writer % 2].clone(), new_stream());
        tokio::spawn(async move {
            for n in 0..APPENDS {
                node.append(append(&stream, n * 2, 2)).await.unwrap();
            }
        })
    });
    join_all(writers.collect::<Vec<_>>()).await.into_iter().for_each(|done| done.unwrap());
    let all = nodes[0].read_all(0, ALL).await.unwrap();
    assert_eq!(all.len(), WRITERS * 2 * usize::try_from(APPENDS).unwrap());
    for tail in tails {
        assert_eq!(told(tail, all.len()).await, all);
    }
}

/// So many events out of the tail, each batch beginning where the one before it ended.
async fn told(mut tail: Receiver<Batch>, events: usize) -> Vec<Recorded> {
    let mut told: Vec<Recorded> = vec![];
    while told.len() < events {
        match tail.recv().await {
            Ok(batch) => {
                assert_eq!(batch.after, told.last().map_or(0, |event| event.position));
                assert!(!batch.events.is_empty());
                told.extend(batch.events.iter().cloned());
            }
            Err(RecvError::Lagged(missed)) => panic!("{missed} batches were missed"),
            Err(RecvError::Closed) => panic!("the store is open"),
        }
    }
    told
}

/// Whoever is answered, whichever way, finds the caches of this node told of all before that.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_another_node_appended_is_told_before_an_append_here_is_answered() {
    let log = Postgres::default();
    let [one, other] = two_nodes(&log).await;
    let stream = new_stream();
    let mut seen = 0;
    let mut tail = one.tail();
    let mut told_by_now = || {
        while let Ok(batch) = tail.try_recv() {
            assert_eq!(batch.after, seen);
            seen = batch.events.last().unwrap().position;
        }
        seen
    };
    for round in 0..20 {
        let theirs = append(&stream, round, 1);
        let theirs_at = other.append(theirs.clone()).await.unwrap().last();
        match round % 3 {
            0 => {
                let last = one.append(append(&new_stream(), 0, 2)).await.unwrap().last();
                assert_eq!(told_by_now(), last);
            }
            1 => {
                assert!(one.append(append(&stream, round, 1)).await.is_err());
                assert_eq!(told_by_now(), theirs_at);
            }
            _ => {
                let again = one.append(theirs).await.unwrap();
                assert_eq!(again, Appended::Again { last: theirs_at });
                assert_eq!(told_by_now(), theirs_at);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pager_beside_writers_on_two_nodes_sees_100_000_events_once_in_order() {
    const WRITERS: usize = 8;
    const APPENDS: u64 = 250;
    const EVENTS: u64 = 50;
    let log = Postgres::default();
    let nodes = two_nodes(&log).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let node = nodes[writer % 2].clone();
            tokio::spawn(async move {
                let mut written = vec![];
                for _ in 0..APPENDS {
                    let append = append(&new_stream(), 0, usize::try_from(EVENTS).unwrap());
                    written.push((append.events[0].event_id, append.stream.clone()));
                    node.append(append).await.unwrap();
                }
                written
            })
        })
        .collect();
    let all = WRITERS as u64 * APPENDS * EVENTS;
    let mut seen: Vec<Recorded> = vec![];
    while (seen.len() as u64) < all {
        let after = seen.len() as u64;
        let page = nodes[0].read_all(after, 1777).await.unwrap();
        assert!(page.iter().map(|event| event.position).eq((after + 1..).take(page.len())));
        seen.extend(page);
        tokio::task::yield_now().await;
    }
    assert_eq!(nodes[1].head().await.unwrap(), all);
    let mut written: Vec<_> =
        join_all(writers).await.into_iter().flat_map(|writer| writer.unwrap()).collect();
    // Decision by decision, whole, each once.
    let mut found: Vec<_> = seen
        .chunks(usize::try_from(EVENTS).unwrap())
        .map(|chunk| {
            assert!(chunk.iter().map(|event| event.version).eq(0..EVENTS));
            assert!(chunk.iter().all(|event| event.stream == chunk[0].stream));
            (chunk[0].event_id, chunk[0].stream.clone())
        })
        .collect();
    found.sort_by_key(|(id, _)| id.0);
    written.sort_by_key(|(id, _)| id.0);
    assert_eq!(found, written);
    assert!(seen.is_sorted_by_key(|event| event.recorded_at));
}

/// Clocks of nodes differ; the log is sorted by when it took an event all the same.
#[tokio::test]
async fn recorded_at_never_falls_though_the_clocks_of_nodes_differ() {
    let log = Postgres::default();
    let url = PostgresUrl::parse(log.url().await).unwrap();
    let at = |micros| Clock::manual(Timestamp::from_micros(micros));
    let ahead = PostgresStore::open(&url, FINGERPRINT, at(9_000_000)).await.unwrap();
    let behind = PostgresStore::open(&url, FINGERPRINT, at(1_000_000)).await.unwrap();
    for _ in 0..2 {
        behind.append(append(&new_stream(), 0, 1)).await.unwrap();
        ahead.append(append(&new_stream(), 0, 1)).await.unwrap();
    }
    let log = ahead.read_all(0, ALL).await.unwrap();
    let times: Vec<_> = log.iter().map(|event| event.recorded_at.as_micros()).collect();
    assert_eq!(times, [1_000_000, 9_000_000, 9_000_000, 9_000_000]);
}

/// Somebody appends and nobody says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_notification_that_was_lost_costs_a_moment_only() {
    let log = Postgres::default();
    let store = log.open().await;
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    let tail = store.tail();
    let silently = "INSERT INTO log.events
          SELECT 2, stream, 1, occurred_at, recorded_at, event_id, correlation_id, causation_id,
                 actor, type, data FROM log.events;
        UPDATE log.head SET position = 2";
    raw(log.url().await).await.batch_execute(silently).await.unwrap();
    let mut tail = tail;
    let batch = tail.recv().await.unwrap();
    assert_eq!((batch.after, batch.events.len()), (1, 1));
    assert_eq!(batch.events[0], store.read_all(1, 10).await.unwrap()[0]);
    assert!(store.is_current());
}
