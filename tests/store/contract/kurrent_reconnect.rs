//! The log in KurrentDB while the server dies, changes its leader or hangs up.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails in them fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use whence::infra::clock::Clock;
use whence::store::{Append, Appended, EventStore, KurrentOpenError, StoreError};
use whence_events::{EventId, Position, Recorded, StreamId};

use crate::contract::kurrent::{Kurrent, LIMIT, until};
use crate::contract::{Backend as _, append, ids, new_stream};
use whence_test_support::kurrentdb_double::End;

const ALL: usize = 1_000_000;

/// Events of each append under load.
const EVENTS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_dies_under_load_and_returns_has_each_acknowledged_append_once() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let told = listen(&store);
    let load = Load::start(&store, 4);
    for _ in 0..2 {
        load.goes_on().await;
        log.double().kill(0).await;
        load.is_refused().await;
        log.double().revive(0).await.unwrap();
    }
    load.goes_on().await;
    load.stop_and_check(&store).await;
    check_told(told, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_that_changes_under_load_has_each_acknowledged_append_once() {
    let mut log = Kurrent::cluster().await;
    let store = log.open().await;
    let told = listen(&store);
    let load = Load::start(&store, 4);
    load.goes_on().await;
    // It dies, and another one is found.
    log.double().kill(0).await;
    log.double().elect(1);
    load.goes_on().await;
    // It only steps back.
    log.double().elect(2);
    load.goes_on().await;
    // The old one comes back, and leads once more.
    log.double().revive(0).await.unwrap();
    log.double().elect(0);
    load.goes_on().await;
    // For a while nobody leads.
    log.double().kill(0).await;
    load.is_refused().await;
    log.double().elect(1);
    load.goes_on().await;
    load.stop_and_check(&store).await;
    check_told(told, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_not_acknowledged_is_there_wholly_or_not_at_all() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    // Without and with one that is written but not answered.
    for unanswered in [0, 1] {
        let appends: Vec<_> = (0..200).map(|_| append(&new_stream(), 0, 5)).collect();
        let written = log.double().written();
        log.double().lose_answers(unanswered);
        let sent = appends.iter().map(|append| {
            let (store, append) = (store.clone(), append.clone());
            tokio::spawn(async move { store.append(append).await })
        });
        let sent: Vec<_> = sent.collect();
        until(async || log.double.as_ref().unwrap().written() > written).await;
        log.double().kill(0).await;
        let answers = join_all(sent).await;
        log.double().revive(0).await.unwrap();
        for (append, answer) in appends.into_iter().zip(answers) {
            check_whole(&store, &append, answer.unwrap().is_ok()).await;
        }
    }
}

async fn check_whole(store: &Arc<dyn EventStore>, append: &Append, acknowledged: bool) {
    let there = reading(store, &append.stream).await;
    let whole = there.iter().map(|event| event.event_id).eq(ids(append));
    assert!(whole || there.is_empty(), "a part of an append is there");
    assert!(whole || !acknowledged, "an acknowledged append is not there");
    let again = appending(store, append.clone()).await;
    let last = reading(store, &append.stream).await[4].position;
    assert_eq!(again, if whole { Appended::Again { last } } else { Appended::Now { last } });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tail_goes_on_when_its_subscription_ends_cleanly() {
    tail_goes_on(End::Cleanly).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tail_goes_on_when_its_subscription_ends_with_an_error() {
    tail_goes_on(End::WithError).await;
}

async fn tail_goes_on(how: End) {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let told = listen(&store);
    let load = Load::start(&store, 4);
    for _ in 0..3 {
        load.goes_on().await;
        let before = log.double().subscriptions();
        log.double().end_subscriptions(how);
        until(async || log.double.as_ref().unwrap().subscriptions() > before).await;
    }
    load.goes_on().await;
    load.stop_and_check(&store).await;
    // The end was that of a subscription; the connection was never in doubt for long.
    assert!(store.is_current());
    check_told(told, store).await;
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_found() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let first = store.append(append(&new_stream(), 0, 1)).await.unwrap().last();
    let written = log.double().written();
    let same = append(&new_stream(), 0, 3);
    log.double().lose_answers(1);
    // The store asks again by itself.
    let last = store.append(same.clone()).await.unwrap().last();
    assert_eq!(log.double().written(), written + 1);
    let there = store.read_all(first, ALL).await.unwrap();
    assert!(there.iter().map(|event| event.event_id).eq(ids(&same)));
    assert_eq!(there[2].position, last);
    assert_eq!(store.append(same).await.unwrap(), Appended::Again { last });
}

#[tokio::test]
async fn an_append_whose_answers_are_all_lost_is_found_by_the_next_call() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    let written = log.double().written();
    let same = append(&new_stream(), 0, 3);
    log.double().lose_answers(usize::MAX);
    let unheard = timeout(LIMIT, store.append(same.clone())).await.unwrap();
    assert!(matches!(unheard, Err(StoreError::Unavailable(_))), "{unheard:?}");
    log.double().lose_answers(0);
    let last = appending(&store, same.clone()).await;
    assert_eq!(log.double().written(), written + 1);
    let there = reading(&store, &same.stream).await;
    assert!(there.iter().map(|event| event.event_id).eq(ids(&same)));
    assert_eq!(last, Appended::Again { last: there[2].position });
}

#[tokio::test]
async fn a_log_whose_server_is_not_there_cannot_be_opened() {
    let mut log = Kurrent::single().await;
    let url = log.double().url();
    log.double().kill(0).await;
    let opened = timeout(LIMIT, log.try_open(&Clock::system())).await.unwrap();
    let error = opened.err().unwrap();
    assert!(matches!(error, KurrentOpenError::Unreachable { .. }));
    let host = url.trim_start_matches("kurrentdb://").trim_end_matches("?tls=false");
    let expected = format!("cannot open the log in KurrentDB at {host}: ");
    let said = error.to_string();
    assert!(said.starts_with(&expected) && !said.contains('\n') && said.len() < 300, "{said}");
    // What failed once is no reason to fail again.
    log.double().revive(0).await.unwrap();
    log.open().await.append(append(&new_stream(), 0, 1)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_goes_away_is_unavailable_and_found_again() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let stream = new_stream();
    let first = append(&stream, 0, 1);
    store.append(first.clone()).await.unwrap();
    let mut tail = store.tail();
    log.double().kill(0).await;
    let second = append(&stream, 1, 1);
    let calls: [(&str, Result<(), StoreError>); 4] = timeout(LIMIT, async {
        [
            ("append", store.append(second.clone()).await.map(drop)),
            ("read_stream", store.read_stream(&stream, 0, ALL).await.map(drop)),
            ("read_all", store.read_all(0, ALL).await.map(drop)),
            ("head", store.head().await.map(drop)),
        ]
    })
    .await
    .unwrap();
    for (name, result) in calls {
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{name}: {result:?}");
    }
    until(async || !store.is_current()).await;
    log.double().revive(0).await.unwrap();
    until(async || store.is_current()).await;
    store.append(second.clone()).await.unwrap();
    let read = store.read_stream(&stream, 0, ALL).await.unwrap();
    assert!(read.iter().map(|event| event.event_id).eq([ids(&first), ids(&second)].concat()));
    let batch = tail.try_recv().unwrap();
    assert_eq!((batch.after, &batch.events[..]), (read[0].position, &read[1..]));
}

#[tokio::test]
async fn a_node_that_does_not_lead_leads_to_the_one_that_does() {
    let mut log = Kurrent::cluster().await;
    log.url = log.double().url_of(1);
    let store = log.open().await;
    let same = append(&new_stream(), 0, 1);
    let last = store.append(same.clone()).await.unwrap().last();
    assert_eq!(store.head().await.unwrap(), last);
    log.double().elect(2);
    assert_eq!(store.append(same).await.unwrap(), Appended::Again { last });
}

/// Writers that append until they are stopped, each to a stream of its own, and again with the same
/// ids whatever was not acknowledged.
struct Load {
    shared: Arc<Counts>,
    writers: Vec<JoinHandle<(StreamId, Vec<EventId>)>>,
}

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
}

impl Load {
    fn start(store: &Arc<dyn EventStore>, writers: usize) -> Self {
        let shared = Arc::<Counts>::default();
        let writers = (0..writers).map(|_| tokio::spawn(write(store.clone(), shared.clone())));
        Self { writers: writers.collect(), shared }
    }

    /// Until so many more appends were acknowledged that none of them was under way before.
    async fn goes_on(&self) {
        let enough = self.shared.acknowledged.load(Ordering::SeqCst) + 50;
        until(async || self.shared.acknowledged.load(Ordering::SeqCst) >= enough).await;
    }

    /// Until the store has given up on an append.
    async fn is_refused(&self) {
        let before = self.shared.refused.load(Ordering::SeqCst);
        until(async || self.shared.refused.load(Ordering::SeqCst) > before).await;
    }

    /// Stops; that every stream holds what was acknowledged, and nothing else.
    async fn stop_and_check(self, store: &Arc<dyn EventStore>) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut events = 0;
        for writer in join_all(self.writers).await {
            let (stream, acknowledged) = writer.unwrap();
            let there = reading(store, &stream).await;
            assert!(there.iter().map(|event| event.event_id).eq(acknowledged));
            events += there.len();
        }
        assert_eq!(store.read_all(0, ALL).await.unwrap().len(), events);
    }
}

async fn write(store: Arc<dyn EventStore>, counts: Arc<Counts>) -> (StreamId, Vec<EventId>) {
    let stream = new_stream();
    let mut acknowledged = vec![];
    while !counts.stop.load(Ordering::SeqCst) {
        let append = append(&stream, acknowledged.len() as u64, EVENTS);
        loop {
            match store.append(append.clone()).await {
                Ok(_) => break,
                Err(StoreError::Unavailable(_)) => {
                    counts.refused.fetch_add(1, Ordering::SeqCst);
                }
                Err(conflict) => panic!("nobody else writes to this stream: {conflict}"),
            }
        }
        acknowledged.extend(ids(&append));
        counts.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    (stream, acknowledged)
}

/// All that the tail tells until the store is dropped; that it tells it without a gap.
fn listen(store: &Arc<dyn EventStore>) -> JoinHandle<Vec<Recorded>> {
    let mut tail = store.tail();
    tokio::spawn(async move {
        let mut told: Vec<Recorded> = vec![];
        let mut covered: Option<Position> = None;
        loop {
            match tail.recv().await {
                Ok(batch) => {
                    let follows = covered.is_none_or(|covered| covered == batch.after);
                    assert!(follows, "the tail has a gap, or tells something twice");
                    covered = Some(batch.upto);
                    told.extend(batch.events.iter().cloned());
                }
                Err(RecvError::Closed) => return told,
                Err(RecvError::Lagged(missed)) => panic!("{missed} batches are missed"),
            }
        }
    })
}

/// That the tail told exactly what the log holds.
async fn check_told(told: JoinHandle<Vec<Recorded>>, store: Arc<dyn EventStore>) {
    let log = store.read_all(0, ALL).await.unwrap();
    drop(store);
    assert_eq!(timeout(LIMIT, told).await.unwrap().unwrap(), log);
}

async fn reading(store: &Arc<dyn EventStore>, stream: &StreamId) -> Vec<Recorded> {
    let read = async {
        loop {
            match store.read_stream(stream, 0, ALL).await {
                Ok(events) => return events,
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_))),
            }
        }
    };
    timeout(LIMIT, read).await.unwrap()
}

async fn appending(store: &Arc<dyn EventStore>, append: Append) -> Appended {
    let append = async {
        loop {
            match store.append(append.clone()).await {
                Ok(appended) => return appended,
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_))),
            }
        }
    };
    timeout(LIMIT, append).await.unwrap()
}
