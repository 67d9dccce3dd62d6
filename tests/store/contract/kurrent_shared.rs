//! The log in KurrentDB on a server that others use, too: what they write costs nothing here, and what
//! they do to streams of whence stops nobody else.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails in them fails the test")]

use std::sync::Arc;

use tokio::time::timeout;

use whence::infra::clock::Clock;
use whence::store::{Append, EventStore, KurrentOpenError, NewKey, StoreError};
use whence_events::{EventId, Position, StreamId};

use crate::contract::kurrent::{Kurrent, LIMIT, heard, named, until};
use crate::contract::{Backend as _, append, ids, new_stream};
use whence_test_support::kurrentdb_double::{Call, Code, End, Examined};

const ALL: usize = 1_000_000;

/// Events of another application: more than any read may look at.
const MILLIONS: u64 = 5_000_000;

/// The events that are looked at by filters anyway: a checkpoint comes after each thousand, and counts
/// when the next one has come.
const FEW: u64 = 4_000;

/// Appends one event to a new stream.
async fn one(store: &Arc<dyn EventStore>) -> (StreamId, Position, Vec<EventId>) {
    let append = append(&new_stream(), 0, 1);
    let last = store.append(append.clone()).await.unwrap().last();
    (append.stream.clone(), last, ids(&append))
}

/// What reads looked at; subscriptions look at every event there is.
fn read(examined: Examined) -> u64 {
    examined.forwards + examined.backwards
}

#[tokio::test]
async fn millions_of_foreign_events_cost_a_log_nothing() {
    let mut log = Kurrent::single().await;
    log.double().write_foreign("orders-1", MILLIONS, 100);
    let store = log.open().await;
    assert_eq!(store.read_all(0, ALL).await.unwrap(), []);
    let (_, first, _) = one(&store).await;
    let page = store.read_page(0, ALL).await.unwrap();
    assert_eq!((page.events.len(), page.upto), (1, first));
    assert_eq!(log.double().examined().backwards, 0);
    assert!(read(log.double().examined()) < FEW, "{:?}", log.double().examined());

    // They come while the tail is there.
    let mut tail = store.tail();
    let mut covered = first;
    for _ in 0..50 {
        log.double().write_foreign("orders-1", MILLIONS / 50, 100);
        let batch = timeout(LIMIT, tail.recv()).await.unwrap().unwrap();
        assert_eq!((batch.after, batch.events.len()), (covered, 0));
        covered = batch.upto;
    }
    until(async || store.is_current()).await;
    while let Ok(batch) = tail.try_recv() {
        covered = batch.upto;
    }
    log.double().reset_counts();
    assert_eq!(store.head().await.unwrap(), first);
    let (_, last, _) = one(&store).await;
    assert_eq!(store.head().await.unwrap(), last);
    // A reader that was there goes on where it is.
    let page = store.read_page(covered, ALL).await.unwrap();
    assert_eq!((page.events.len(), page.upto), (1, last));
    assert!(read(log.double().examined()) < FEW, "{:?}", log.double().examined());
}

#[tokio::test]
async fn an_idle_store_asks_little_however_much_others_write() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    one(&store).await;
    until(async || store.is_current()).await;
    log.double().reset_counts();
    let before = log.double().calls().all_reads;
    // Twenty of these looks, one a second in the field, among ten thousand events each.
    until(async || {
        log.double.as_ref().unwrap().write_foreign("orders-1", 50, 100);
        log.double.as_ref().unwrap().calls().all_reads >= before + 4
    })
    .await;
    let (calls, examined) = (log.double().calls(), log.double().examined());
    assert_eq!(examined.backwards, 0);
    assert!(examined.forwards < calls.all_reads * FEW, "{examined:?} in {calls:?}");
    assert_eq!(calls.waited_for(), calls.all_reads, "{calls:?}");
}

/// While the server is away, each of them fails by itself, and none waits for the others.
#[tokio::test]
async fn many_first_appends_to_a_log_do_not_wait_for_each_other() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    log.double().kill(0).await;
    let appends = (0..64).map(|_| store.append(append(&new_stream(), 0, 1)));
    let answers = timeout(LIMIT, futures::future::join_all(appends)).await.unwrap();
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    // And when it is back, one of them begins the log, for all.
    log.double().revive(0).await.unwrap();
    until(async || store.is_current()).await;
    let appends = (0..64).map(|_| store.append(append(&new_stream(), 0, 1)));
    for answer in futures::future::join_all(appends).await {
        answer.unwrap();
    }
    assert_eq!(log.open().await.read_all(0, ALL).await.unwrap().len(), 64);
}

/// The checkpoint of a subscription may carry the position that the next event is then given.
#[tokio::test]
async fn an_event_at_the_very_position_of_a_checkpoint_is_not_missed() {
    let mut log = Kurrent::single().await;
    log.double().run_checkpoints_ahead();
    let store = log.open().await;
    let mut tail = store.tail();
    let mut written = Vec::new();
    for round in 0..6 {
        log.double().write_foreign("orders-1", 2_000, 100);
        if round % 2 == 0 {
            let begun = log.double().subscriptions();
            until(async || store.is_current()).await;
            log.double().end_subscriptions(End::WithError);
            until(async || log.double.as_ref().unwrap().subscriptions() > begun).await;
        }
        written.extend(one(&store).await.2);
    }
    let told = heard(&mut tail, written.len()).await;
    let told: Vec<_> = told.into_iter().map(|event| event.event_id).collect();
    assert_eq!(told, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_was_dropped_as_too_slow_goes_on_and_nobody_else_notices() {
    let mut log = Kurrent::single().await;
    log.double().set_live_buffer(3);
    let store = log.open().await;
    let mut tail = store.tail();
    let begun = log.double().subscriptions();
    let appends = (0..400).map(|_| {
        let store = store.clone();
        async move { one(&store).await.2 }
    });
    let mut written: Vec<_> = futures::future::join_all(appends).await.concat();
    log.double().end_subscriptions(End::TooSlow);
    written.extend(one(&store).await.2);
    let told = heard(&mut tail, written.len()).await;
    let mut told: Vec<_> = told.into_iter().map(|event| event.event_id).collect();
    assert!(log.double().subscriptions() > begun);
    let in_order: Vec<_> = store.read_all(0, ALL).await.unwrap();
    assert!(in_order.iter().map(|event| event.event_id).eq(told.iter().copied()));
    written.sort_by_key(|id| id.0);
    told.sort_by_key(|id| id.0);
    assert_eq!(told, written);
}

/// What an operator of the server does to a stream.
#[derive(Clone, Copy, Debug)]
enum Done {
    Tombstone,
    SoftDelete,
    Truncation,
    Setting,
}

fn harm(log: &mut Kurrent, stream: &StreamId, done: Done) {
    let name = named(stream);
    match done {
        Done::Tombstone => log.double().tombstone(&name),
        Done::SoftDelete => log.double().soft_delete(&name),
        Done::Truncation => log.double().set_metadata(&name, r#"{"$tb":1}"#),
        Done::Setting => log.double().set_metadata(&name, r#"{"owner":"shop"}"#),
    }
}

#[tokio::test]
async fn what_is_done_to_one_stream_is_named_and_stops_nobody_else() {
    for done in [Done::Tombstone, Done::SoftDelete, Done::Truncation, Done::Setting] {
        let mut log = Kurrent::single().await;
        let store = log.open().await;
        let ours = append(&new_stream(), 0, 3);
        store.append(ours.clone()).await.unwrap();
        harm(&mut log, &ours.stream, done);
        let (_, last, _) = one(&store).await;
        assert_eq!(store.head().await.unwrap(), last);
        assert_eq!(store.read_all(0, ALL).await.unwrap().len(), 4, "{done:?}");
        let foreign = store.foreign_in(&ours.stream).unwrap();
        assert_eq!(store.foreign_events(), std::slice::from_ref(&foreign));
        let said = foreign.to_string();
        let expected = match done {
            Done::Tombstone => "deleted for good",
            Done::SoftDelete => r#"metadata was changed to {\"$tb\":9223372036854775807}"#,
            Done::Truncation => r#"metadata was changed to {\"$tb\":1}"#,
            Done::Setting => r#"metadata was changed to {\"owner\":\"shop\"}"#,
        };
        assert!(said.starts_with(&ours.stream.to_string()) && said.contains(expected), "{said}");
        assert!(foreign.position > 0 && foreign.position < last);
        for length in [0, 3] {
            let refused = store.append(append(&ours.stream, length, 1)).await;
            assert!(matches!(&refused, Err(StoreError::Foreign(it)) if *it == foreign));
        }
        // A process that begins now, and has read the stream or the log, says the same.
        log.double().scavenge();
        let next = log.try_open(&Clock::system()).await.unwrap();
        let _ = next.read_stream(&ours.stream, 0, ALL).await.unwrap();
        let _ = next.read_all(0, ALL).await.unwrap();
        assert!(next.foreign_in(&ours.stream).is_some(), "{done:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_deleted_between_read_and_append_refuses_the_append() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let stream = new_stream();
    store.append(append(&stream, 0, 2)).await.unwrap();
    assert_eq!(store.read_stream(&stream, 0, ALL).await.unwrap().len(), 2);
    log.double().tombstone(&named(&stream));
    let refused = store.append(append(&stream, 2, 1)).await;
    assert!(matches!(&refused, Err(StoreError::Foreign(it)) if it.stream == stream), "{refused:?}");
    one(&store).await;
}

#[tokio::test]
async fn two_services_with_two_prefixes_share_a_server() {
    let mut log = Kurrent::single().await;
    let one_store = log.open().await;
    let (stream, _, written) = one(&one_store).await;
    let mut other = Kurrent::single().await;
    other.url = format!("{}&streamPrefix=shop.", log.double().url());
    let other_store = other.open().await;
    assert_eq!(other_store.read_all(0, ALL).await.unwrap(), []);
    assert_eq!(other_store.read_stream(&stream, 0, ALL).await.unwrap(), []);
    // The same stream, and for each its own.
    let same = append(&stream, 0, 2);
    other_store.append(same.clone()).await.unwrap();
    for (store, expected) in [(&one_store, written), (&other_store, ids(&same))] {
        let there = store.read_all(0, ALL).await.unwrap();
        assert!(there.iter().map(|event| event.event_id).eq(expected));
        assert!(there.iter().all(|event| event.stream == stream));
        assert_eq!(store.foreign_events(), []);
    }
}

#[tokio::test]
async fn a_log_without_a_prefix_is_read_when_that_is_said_and_not_begun_anew() {
    let mut log = Kurrent::single().await;
    let with = log.double().url();
    log.url = format!("{with}&streamPrefix=");
    let store = log.open().await;
    let key = NewKey { generation: 0, wrapped: b"sealed".to_vec() };
    let ours = Append { new_key: Some(key), ..append(&new_stream(), 0, 2) };
    store.append(ours.clone()).await.unwrap();
    assert!(log.double().last_metadata(&ours.stream.to_string()).is_some());
    let again = log.open().await;
    let there = again.read_all(0, ALL).await.unwrap();
    assert!(there.iter().map(|event| event.event_id).eq(ids(&ours)));

    // Its keys say that there is a log: one with a prefix is not begun beside it.
    log.url = with;
    let store = log.open().await;
    let refused = store.append(append(&new_stream(), 0, 1)).await;
    let Err(StoreError::Unavailable(cause)) = refused else { panic!("{refused:?}") };
    assert!(cause.to_string().contains("streamPrefix="), "{cause}");
}

#[tokio::test]
async fn a_prefix_that_cannot_be_one_is_refused() {
    let mut log = Kurrent::single().await;
    let url = log.double().url();
    for prefix in ["$ours", "%E2%82", "a-b", "a%20b"] {
        log.url = format!("{url}&streamPrefix={prefix}");
        let refused = log.try_open(&Clock::system()).await.err().unwrap();
        assert!(matches!(refused, KurrentOpenError::Prefix(_)), "{refused}");
    }
}

#[tokio::test]
async fn a_log_whose_first_event_is_gone_is_read_all_the_same() {
    for harm in [false, true] {
        let mut log = Kurrent::single().await;
        let (_, _, written) = one(&log.open().await).await;
        if harm {
            log.double().tombstone("whence.log");
        } else {
            log.double().soft_delete("whence.log");
        }
        let store = log.open().await;
        let (_, _, more) = one(&store).await;
        let there = store.read_all(0, ALL).await.unwrap();
        assert!(there.iter().map(|event| event.event_id).eq([written, more].concat()));
    }
}

#[tokio::test]
async fn an_append_that_is_too_large_is_not_sent() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    one(&store).await;
    let before = log.double().calls().appends;
    let refused = store.append(append(&new_stream(), 0, 5_000)).await;
    let Err(StoreError::TooLarge { bytes, limit: 1_048_576 }) = refused else {
        panic!("{refused:?}")
    };
    assert!(bytes > 1_048_576);
    assert_eq!(log.double().calls().appends, before);
    store.append(append(&new_stream(), 0, 1_000)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_answers_unknown_is_asked_again() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let (stream, last, _) = one(&store).await;
    for call in [Call::Append, Call::ReadStream, Call::ReadAll, Call::Subscribe] {
        let why = "Unexpected ReadAllResult: Error";
        log.double().fail_next(call, 1, Code::Unknown, why);
        if call == Call::Subscribe {
            log.double().end_subscriptions(End::WithError);
        }
        one(&store).await;
        assert_eq!(store.read_stream(&stream, 0, ALL).await.unwrap().len(), 1);
        assert!(store.read_all(last, ALL).await.unwrap().len() == 1 || call != Call::Append);
    }
    until(async || store.is_current()).await;
}
