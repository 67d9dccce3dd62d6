//! Streams and the log.
#![expect(clippy::unwrap_used, reason = "the bodies of tests, called by the tests of each backend")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use tokio::sync::broadcast::error::RecvError;
use whence::infra::random::new_event_id;
use whence::store::{Append, Appended, EventStore, NewEvent, StoreError};
use whence_events::{Actor, EventId, Metadata, Position, Recorded, StreamId, Timestamp};

use crate::contract::{Backend, append, fact, ids, metadata, new_stream};

const ALL: usize = 1_000_000;

pub(crate) async fn what_was_appended_is_read_back(backend: &dyn Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    let actors =
        [Actor::Visitor, Actor::Owner, Actor::System, Actor::Operator("Zoë: \"ops\" 1".into())];
    let events: Vec<NewEvent> = actors
        .into_iter()
        .zip(1..)
        .map(|(actor, n)| {
            let occurred_at = Timestamp::from_micros(1_773_500_966_535_897 + n);
            let causation_id = (n % 2 == 0).then(new_event_id);
            let metadata = Metadata { occurred_at, causation_id, actor, ..metadata() };
            NewEvent::new(new_event_id(), fact(), metadata).unwrap()
        })
        .collect();
    let append = Append {
        stream: stream.clone(),
        expected_length: 0,
        events: events.clone(),
        new_key: None,
    };
    let appended = store.append(append).await.unwrap();

    let read = store.read_stream(&stream, 0, ALL).await.unwrap();
    assert_eq!(read.len(), 4);
    for ((read, event), n) in read.iter().zip(&events).zip(0..) {
        let expected = Recorded {
            position: read.position,
            stream: stream.clone(),
            version: n,
            event_id: event.event_id,
            event: event.event.clone(),
            data: event.data.clone(),
            metadata: event.metadata.clone(),
            // The things that the log adds.
            recorded_at: read.recorded_at,
        };
        assert_eq!(read, &expected);
        assert!(read.recorded_at > Timestamp::default());
    }
    assert_eq!(log(backend, &store).await, read);
    assert_eq!(appended, Appended::Now { last: read[3].position });
}

pub(crate) async fn a_stream_that_exists_is_not_made_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    store.append(append(&stream, 0, 1)).await.unwrap();
    assert_conflict(store.append(append(&stream, 0, 1)).await, 1);
    assert_eq!(log(backend, &store).await.len(), 1);
}

pub(crate) async fn a_stale_length_conflicts_and_writes_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    let mut tail = store.tail();
    store.append(append(&stream, 0, 2)).await.unwrap();
    store.append(append(&stream, 2, 1)).await.unwrap();
    let before = log(backend, &store).await;
    // Shorter than it is, longer than it is, and a stream that is not there.
    assert_conflict(store.append(append(&stream, 2, 3)).await, 3);
    assert_conflict(store.append(append(&stream, 4, 1)).await, 3);
    assert_conflict(store.append(append(&stream, u64::MAX, 1)).await, 3);
    assert_conflict(store.append(append(&new_stream(), 1, 1)).await, 0);
    assert_eq!(log(backend, &store).await, before);
    assert_eq!(before.len(), 3);
    // Nor does the tail hear of it, and the next append stands where it would have stood.
    let appended = store.append(append(&stream, 3, 1)).await.unwrap();
    let after = positions(&log(backend, &store).await);
    assert_eq!(appended, Appended::Now { last: after[3] });
    let mut told = vec![];
    while let Ok(batch) = tail.try_recv() {
        told.extend(batch.events.iter().map(|event| event.position));
    }
    assert_eq!(told, after);
}

pub(crate) async fn of_racing_appends_one_wins(backend: &dyn Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    for length in 0..20 {
        let racers: Vec<_> = (0..8).map(|_| append(&stream, length, 1)).collect();
        let results = at_once(&store, racers).await;
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "{results:?}");
        for lost in results.into_iter().filter(Result::is_err) {
            assert_conflict(lost, length + 1);
        }
    }
    assert_eq!(log(backend, &store).await.len(), 20);
}

pub(crate) async fn a_decision_is_seen_whole_or_not_at_all(backend: &dyn Backend) {
    const EVENTS: usize = 5;
    let store = backend.open().await;
    let stream = new_stream();
    let (start, done) = (backend.start(), Arc::new(AtomicBool::new(false)));
    let reader = tokio::spawn({
        let (store, stream, done) = (store.clone(), stream.clone(), done.clone());
        async move {
            while !done.load(Ordering::SeqCst) {
                let seen = store.read_stream(&stream, 0, ALL).await.unwrap().len();
                assert_eq!(seen % EVENTS, 0, "a part of a decision was seen");
                let seen = store.read_all(start, ALL).await.unwrap().len();
                assert_eq!(seen % EVENTS, 0, "a part of a decision was seen");
                tokio::task::yield_now().await;
            }
        }
    });
    for round in 0..30 {
        let length = round * EVENTS as u64;
        let racers = (0..2).map(|_| append(&stream, length, EVENTS)).collect();
        at_once(&store, racers).await;
    }
    done.store(true, Ordering::SeqCst);
    reader.await.unwrap();
    assert_eq!(log(backend, &store).await.len(), 30 * EVENTS);
}

pub(crate) async fn an_append_without_events_is_refused_and_makes_no_stream(backend: &dyn Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    assert!(store.append(append(&stream, 0, 0)).await.is_err());
    // The place that a stream without events would have taken is free.
    assert!(store.append(append(&new_stream(), 0, 1)).await.is_ok());
    assert!(store.append(append(&stream, 0, 1)).await.is_ok());
    assert_eq!(log(backend, &store).await.len(), 2);
}

pub(crate) async fn the_same_ids_again_give_the_first_positions(backend: &dyn Backend) {
    let store = backend.open().await;
    let (stream, other) = (new_stream(), new_stream());
    store.append(append(&other, 0, 1)).await.unwrap();
    let (first, second) = (append(&stream, 0, 2), append(&stream, 2, 1));
    let appended = store.append(first.clone()).await.unwrap();
    let third = log(backend, &store).await[2].position;
    assert_eq!(appended, Appended::Now { last: third });
    assert_eq!(store.append(first.clone()).await.unwrap(), Appended::Again { last: third });
    let appended = store.append(second.clone()).await.unwrap();
    let fourth = log(backend, &store).await[3].position;
    assert_eq!(appended, Appended::Now { last: fourth });
    store.append(append(&other, 1, 3)).await.unwrap();
    store.append(append(&stream, 3, 2)).await.unwrap();
    // Also when the stream and the log have gone on since.
    assert_eq!(store.append(first).await.unwrap(), Appended::Again { last: third });
    assert_eq!(store.append(second).await.unwrap(), Appended::Again { last: fourth });
    assert_eq!(log(backend, &store).await.len(), 9);
    assert_eq!(store.read_stream(&stream, 0, ALL).await.unwrap().len(), 5);
}

pub(crate) async fn the_same_append_many_times_at_once_is_written_once(backend: &dyn Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    for round in 0..10 {
        let same = append(&stream, round * 2, 2);
        let results = at_once(&store, vec![same.clone(); 6]).await;
        let last = log(backend, &store).await.last().unwrap().position;
        let count = |expected| results.iter().filter(|r| r.as_ref().unwrap() == &expected).count();
        assert_eq!(count(Appended::Now { last }), 1, "{results:?}");
        assert_eq!(count(Appended::Again { last }), 5, "{results:?}");
    }
    assert_eq!(log(backend, &store).await.len(), 20);
}

pub(crate) async fn the_same_ids_at_another_place_conflict(backend: &dyn Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    let first = append(&stream, 0, 2);
    store.append(first.clone()).await.unwrap();
    store.append(append(&stream, 2, 2)).await.unwrap();
    let elsewhere = Append { expected_length: 1, ..first.clone() };
    assert_conflict(store.append(elsewhere).await, 4);
    let mut turned = first.clone();
    turned.events.reverse();
    assert_conflict(store.append(turned).await, 4);
    // The same beginning is not the same decision.
    let mut longer = first.clone();
    longer.events.push(append(&stream, 0, 1).events.remove(0));
    assert_conflict(store.append(longer).await, 4);
    let mut other_end = first.clone();
    other_end.events[1].event_id = new_event_id();
    assert_conflict(store.append(other_end).await, 4);
    assert_eq!(log(backend, &store).await.len(), 4);
}

pub(crate) async fn streams_do_not_see_each_other(backend: &dyn Backend) {
    let store = backend.open().await;
    let uuid = whence::infra::random::new_user_id().0;
    let name = &uuid.simple().to_string()[16..];
    // Names that differ in their family only, and in their spelling only.
    let streams = [
        StreamId::User(whence_events::UserId(uuid)),
        StreamId::Touch(whence_events::TouchId(uuid)),
        StreamId::Code(name.parse().unwrap()),
        StreamId::Code(format!("{name}d").parse().unwrap()),
        StreamId::Handle(name.parse().unwrap()),
        StreamId::Mailbox(whence_events::EmailKey(uuid.into_bytes())),
        StreamId::Rules(whence_events::Mac(uuid.into_bytes())),
    ];
    let mut written: BTreeMap<String, Vec<EventId>> = BTreeMap::new();
    for length in 0..3 {
        for stream in &streams {
            let append = append(stream, length, 1);
            written.entry(stream.to_string()).or_default().extend(ids(&append));
            store.append(append).await.unwrap();
        }
    }
    for stream in &streams {
        let read = store.read_stream(stream, 0, ALL).await.unwrap();
        assert!(read.iter().all(|event| &event.stream == stream));
        assert_eq!(event_ids(&read), written[&stream.to_string()]);
    }
    assert_eq!(store.read_stream(&new_stream(), 0, ALL).await.unwrap(), []);
}

pub(crate) async fn positions_are_in_commit_order(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut acknowledged = backend.start();
    for round in 0..10_u64 {
        let many: Vec<_> = (0..8).map(|n| append(&new_stream(), 0, 1 + n % 3)).collect();
        for result in at_once(&store, many).await {
            let last = result.unwrap().last();
            // Whatever is acknowledged later than another, is later in the log.
            assert!(last > acknowledged, "round {round}");
        }
        acknowledged = store.head().await.unwrap();
    }
    let log = log(backend, &store).await;
    assert_eq!(log.last().unwrap().position, acknowledged);
    assert!(log.is_sorted_by_key(|event| event.recorded_at));
}

pub(crate) async fn a_pager_beside_writers_sees_each_event_once_in_order(backend: &dyn Backend) {
    const WRITERS: u64 = 8;
    const APPENDS: u64 = 40;
    let store = backend.open().await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, stream) = (store.clone(), new_stream());
            tokio::spawn(async move {
                for n in 0..APPENDS {
                    let events = 1 + usize::try_from(writer % 2).unwrap();
                    let length = n * events as u64;
                    store.append(append(&stream, length, events)).await.unwrap();
                }
            })
        })
        .collect();
    let all = usize::try_from(WRITERS / 2 * APPENDS * 3).unwrap();
    let mut seen: Vec<Recorded> = vec![];
    while seen.len() < all {
        let after = seen.last().map_or(backend.start(), |event| event.position);
        let page = store.read_all(after, 7).await.unwrap();
        assert_follow(backend, after, &page);
        seen.extend(page);
        tokio::task::yield_now().await;
    }
    join_all(writers).await.into_iter().for_each(|writer| writer.unwrap());
    assert_eq!(seen, log(backend, &store).await);
}

pub(crate) async fn reading_resumes_strictly_after(backend: &dyn Backend) {
    let store = backend.open().await;
    let (stream, other) = (new_stream(), new_stream());
    for length in 0..5 {
        store.append(append(&stream, length, 1)).await.unwrap();
        store.append(append(&other, length, 1)).await.unwrap();
    }
    let log = log(backend, &store).await;
    for after in 0..=10 {
        let position = if after == 0 { backend.start() } else { log[after - 1].position };
        let rest = store.read_all(position, ALL).await.unwrap();
        assert_eq!(rest, log[after..]);
    }
    let all = store.read_stream(&stream, 0, ALL).await.unwrap();
    for from in 0..=5_u8 {
        let rest = store.read_stream(&stream, from.into(), ALL).await.unwrap();
        assert_eq!(rest, all[usize::from(from)..]);
    }
}

pub(crate) async fn limits_are_kept(backend: &dyn Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    assert_eq!(log(backend, &store).await, []);
    store.append(append(&stream, 0, 5)).await.unwrap();
    for (limit, expected) in [(0, 0), (1, 1), (4, 4), (5, 5), (6, 5), (usize::MAX, 5)] {
        let all = store.read_all(backend.start(), limit).await.unwrap();
        assert_eq!(all.len(), expected, "{limit}");
        assert_eq!(store.read_stream(&stream, 0, limit).await.unwrap().len(), expected, "{limit}");
    }
    for beyond in [store.head().await.unwrap(), Position::MAX] {
        assert_eq!(store.read_all(beyond, ALL).await.unwrap(), []);
    }
    for beyond in [5, 6, Position::MAX] {
        assert_eq!(store.read_stream(&stream, beyond, ALL).await.unwrap(), []);
    }
}

pub(crate) async fn all_of_it_survives_a_reopen(backend: &dyn Backend) {
    let stream = new_stream();
    let first = append(&stream, 0, 3);
    let store = backend.open().await;
    store.append(first.clone()).await.unwrap();
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    let before = log(backend, &store).await;
    drop(store);

    let store = backend.open().await;
    assert_eq!(before.len(), 4);
    assert_eq!(log(backend, &store).await, before);
    assert_eq!(store.read_stream(&stream, 0, ALL).await.unwrap(), before[..3]);
    let third = before[2].position;
    assert_eq!(store.append(first).await.unwrap(), Appended::Again { last: third });
    assert_conflict(store.append(append(&stream, 0, 1)).await, 3);
    let appended = store.append(append(&stream, 3, 1)).await.unwrap();
    let last = log(backend, &store).await[4].position;
    assert_eq!(appended, Appended::Now { last });
}

pub(crate) async fn the_tail_tells_every_batch_in_order_before_the_append_answers(
    backend: &dyn Backend,
) {
    let store = backend.open().await;
    let mut before = store.append(append(&new_stream(), 0, 1)).await.unwrap().last();
    let mut tail = store.tail();
    for _ in 1..=20 {
        let last = store.append(append(&new_stream(), 0, 1)).await.unwrap().last();
        // Already there, so nothing needs to be awaited.
        let batch = tail.try_recv().unwrap();
        assert_eq!(batch.events.last().unwrap().position, last);
        assert_eq!(batch.after, before, "what was there before the subscription is not told");
        before = last;
    }
    let many = (0..50).map(|n| append(&new_stream(), 0, 1 + n % 3)).collect();
    at_once(&store, many).await;
    let mut told: Vec<Recorded> = vec![];
    while let Ok(batch) = tail.try_recv() {
        assert!(!batch.events.is_empty());
        assert_eq!(batch.after, told.last().map_or(before, |event| event.position));
        told.extend(batch.events.iter().cloned());
    }
    assert_eq!(told, store.read_all(before, ALL).await.unwrap());
}

pub(crate) async fn a_tail_that_falls_behind_is_told_so(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut tail = store.tail();
    let stream = new_stream();
    let mut told = 0;
    for length in 0..1200 {
        store.append(append(&stream, length, 1)).await.unwrap();
    }
    loop {
        match tail.recv().await {
            Ok(batch) => told += batch.events.len(),
            Err(RecvError::Lagged(missed)) => told += usize::try_from(missed).unwrap(),
            Err(RecvError::Closed) => panic!("the store is open"),
        }
        if told == 1200 {
            break;
        }
    }
    drop(store);
    assert!(matches!(tail.recv().await, Err(RecvError::Closed)), "the tail ends with the store");
}

/// Callers that went away: their appends may still be on their way when the store is dropped, and
/// must not meet those of whoever opens the log next.
pub(crate) async fn what_was_sent_before_the_store_was_dropped_is_written_or_not_but_harms_nothing(
    backend: &dyn Backend,
) {
    let mut latest = 0;
    for _ in 0..5 {
        let store = backend.open().await;
        let sent: Vec<_> = (0..2000)
            .map(|_| {
                let (store, append) = (store.clone(), append(&new_stream(), 0, 3));
                tokio::spawn(async move { drop(store.append(append).await) })
            })
            .collect();
        // One answer means that the others are on their way, also when it is that all connections are busy.
        let answer = store.append(append(&new_stream(), 0, 1)).await;
        assert!(matches!(answer, Ok(_) | Err(StoreError::Unavailable(_))), "{answer:?}");
        for caller in sent {
            caller.abort();
            let _ = caller.await;
        }
        drop(store);

        let store = backend.open().await;
        for _ in 0..10 {
            let last = store.append(append(&new_stream(), 0, 1)).await.unwrap().last();
            assert!(last > latest);
            latest = last;
        }
        log(backend, &store).await;
    }
}

/// All that was appended since the case began; that its positions are what they should be.
async fn log(backend: &dyn Backend, store: &Arc<dyn EventStore>) -> Vec<Recorded> {
    let log = store.read_all(backend.start(), ALL).await.unwrap();
    assert_follow(backend, backend.start(), &log);
    let last = log.last().map_or(backend.start(), |event| event.position);
    assert_eq!(store.head().await.unwrap(), last);
    log
}

/// That positions go on from `after`: each larger than the one before, by one where they are dense.
#[track_caller]
fn assert_follow(backend: &dyn Backend, after: Position, events: &[Recorded]) {
    let mut before = after;
    for position in positions(events) {
        assert!(position > before, "{position} comes after {before}");
        assert!(!backend.dense() || position == before + 1, "{position} comes after {before}");
        before = position;
    }
}

fn positions(events: &[Recorded]) -> Vec<Position> {
    events.iter().map(|event| event.position).collect()
}

/// Appends all of them at the same time.
async fn at_once(
    store: &Arc<dyn EventStore>,
    appends: Vec<Append>,
) -> Vec<Result<Appended, StoreError>> {
    let barrier = Arc::new(tokio::sync::Barrier::new(appends.len()));
    let tasks = appends.into_iter().map(|append| {
        let (store, barrier) = (store.clone(), barrier.clone());
        tokio::spawn(async move {
            barrier.wait().await;
            store.append(append).await
        })
    });
    join_all(tasks).await.into_iter().map(|task| task.unwrap()).collect()
}

#[track_caller]
fn assert_conflict(result: Result<Appended, StoreError>, expected: u64) {
    match result {
        Err(StoreError::Conflict { length }) => assert_eq!(length, expected),
        other => panic!("no conflict: {other:?}"),
    }
}

fn event_ids(events: &[Recorded]) -> Vec<EventId> {
    events.iter().map(|event| event.event_id).collect()
}
