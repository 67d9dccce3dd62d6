//! What only the log in KurrentDB can be asked: who else writes to it, and what stands beside events.

use std::sync::Arc;

use whence::infra::clock::Clock;
use whence::infra::random::new_event_id;
use whence::store::{Append, Appended, EventStore, KeyPut, NewEvent, NewKey, StoreError};
use whence_events::{Actor, Event, Metadata, Timestamp};

use crate::contract::kurrent::{Kurrent, heard, named, until};
use crate::contract::{Backend as _, append, fact, ids, metadata, new_stream};

const ALL: usize = 1_000_000;

/// What whence writes beside an event, as somebody would who copies a log.
const BESIDE: &str = r#"{"occurred_at":5,"actor":"system","recorded_at":7,
    "$correlationId":"019f7d6d-5a3e-7bb0-8e6b-7a7e4f1c2d3e"}"#;

#[tokio::test]
async fn what_others_write_is_not_in_the_log() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let mut tail = store.tail();
    let ours = append(&new_stream(), 0, 2);
    log.double().write("orders-1", "OrderPlaced", "", "{}");
    store.append(ours.clone()).await.unwrap();
    let head = store.head().await.unwrap();
    // Some names begin like ours, one is like ours in all but the dollar, one in all but the prefix.
    let theirs = new_stream().to_string();
    for stream in ["orders-2", "whence.user-42", "$whence.user-42", "whence.mailboxes", &theirs] {
        log.double().write(stream, "Something", "", "no JSON at all");
    }
    assert_eq!(store.head().await.unwrap(), head);
    let all = store.read_all(0, ALL).await.unwrap();
    assert!(all.iter().map(|event| event.event_id).eq(ids(&ours)));
    let last = append(&new_stream(), 0, 1);
    store.append(last.clone()).await.unwrap();
    let told: Vec<_> = heard(&mut tail, 0).await.into_iter().map(|event| event.event_id).collect();
    assert_eq!(told, [ids(&ours), ids(&last)].concat());
    assert_eq!(store.foreign_events(), []);
}

#[tokio::test]
async fn an_event_of_a_later_version_is_read_as_unknown() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let stream = new_stream();
    log.double().write(&named(&stream), "UserTeleported.v9", BESIDE, r#"{"to": "Mars"}"#);
    let read = store.read_stream(&stream, 0, ALL).await.unwrap();
    assert_eq!(read[0].event, Event::Unknown { event_type: "UserTeleported.v9".into() });
    assert_eq!(*read[0].data, *br#"{"to": "Mars"}"#);
    // A copy keeps the time of what it is a copy of.
    assert_eq!(read[0].recorded_at, Timestamp::from_micros(7));
    assert_eq!(read[0].metadata.occurred_at, Timestamp::from_micros(5));
    assert_eq!(read[0].metadata.actor, Actor::System);
}

/// The service goes on for everybody else, and commands on that stream are refused.
#[tokio::test]
async fn an_event_that_whence_did_not_write_is_left_out_and_named() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let mut tail = store.tail();
    let event_type = fact().event_type().to_owned();
    let written = [
        ("OrderPlaced", "", "{}"),
        ("OrderPlaced", r#"{"occurred_at":"yesterday"}"#, "{}"),
        (&*event_type, BESIDE, r#"{"request_id": 5}"#),
        (&*event_type, r#"{"occurred_at":5,"actor":"nobody"}"#, "{}"),
        ("\u{1b}[2J", "", "no JSON"),
    ];
    for (event_type, beside, data) in written {
        let stream = new_stream();
        let ours = append(&stream, 0, 2);
        store.append(ours.clone()).await.unwrap();
        log.double().write(&named(&stream), event_type, beside, data);
        let other = append(&new_stream(), 0, 1);
        store.append(other.clone()).await.unwrap();

        let told: Vec<_> =
            heard(&mut tail, 0).await.into_iter().map(|event| event.event_id).collect();
        assert_eq!(told, [ids(&ours), ids(&other)].concat());
        let foreign = store.foreign_in(&stream).unwrap();
        assert!(foreign.found.starts_with("an event of type "), "{foreign}");
        assert!(!foreign.found.contains('\u{1b}'), "{foreign}");
        assert_eq!(store.foreign_in(&other.stream), None);
        let left = store.read_stream(&stream, 0, ALL).await.unwrap();
        assert!(left.iter().map(|event| event.event_id).eq(ids(&ours)));
        let refused = store.append(append(&stream, 3, 1)).await;
        assert!(matches!(&refused, Err(StoreError::Foreign(it)) if *it == foreign), "{refused:?}");
    }
    assert_eq!(store.foreign_events().len(), written.len());
    assert_eq!(store.read_all(0, ALL).await.unwrap().len(), 3 * written.len());
    // The next process knows it from its start, and one that reads from the beginning finds it.
    let saved = async || log.try_open(&Clock::system()).await.unwrap().foreign_events();
    until(async || saved().await.len() == written.len()).await;
    assert_eq!(log.open().await.foreign_events(), store.foreign_events());
}

#[tokio::test]
async fn what_stands_beside_an_event_is_what_the_tools_of_the_server_look_for() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let stream = new_stream();
    let cause = new_event_id();
    let metadata = Metadata { causation_id: Some(cause), ..metadata() };
    let correlation = metadata.correlation_id.0;
    let event = NewEvent::new(new_event_id(), fact(), metadata).unwrap();
    let append = Append { events: vec![event], ..append(&stream, 0, 1) };
    store.append(append).await.unwrap();
    let expected = format!(
        r#"{{"occurred_at":1773500966535897,"actor":"visitor","$correlationId":"{correlation}","#
    ) + &format!(r#""$causationId":"{}"}}"#, cause.0);
    assert_eq!(log.double().last_metadata(&named(&stream)), Some(expected));
}

#[tokio::test]
async fn an_event_is_found_by_its_position_and_nothing_is_between_positions() {
    let log = Kurrent::single().await;
    let store = log.open().await;
    assert_eq!(store.event_at(0).await.unwrap(), None);
    assert_eq!(store.event_at(1).await.unwrap(), None);
    let append = append(&new_stream(), 0, 3);
    store.append(append.clone()).await.unwrap();
    for (event, id) in store.read_all(0, ALL).await.unwrap().iter().zip(ids(&append)) {
        assert_eq!(store.event_at(event.position).await.unwrap(), Some(id));
        // Where another log had one.
        assert_eq!(store.event_at(event.position - 1).await.unwrap(), None);
        assert_eq!(store.event_at(event.position + 1).await.unwrap(), None);
    }
    assert_eq!(store.event_at(u64::MAX).await.unwrap(), None);
    // And that was no reason to think that the link is broken.
    assert!(store.is_current());
    assert_eq!(log.double.as_ref().unwrap().subscriptions(), 1);
}

#[tokio::test]
async fn a_server_that_forgets_the_position_of_an_append_is_asked_for_it() {
    let mut log = Kurrent::single().await;
    let store = log.open().await;
    let same = append(&new_stream(), 0, 2);
    let last = store.append(same.clone()).await.unwrap().last();
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    log.double().forget_positions();
    assert_eq!(store.append(same).await.unwrap(), Appended::Again { last });
}

#[tokio::test]
async fn time_does_not_go_back_over_a_restart() {
    let log = Kurrent::single().await;
    log.open().await.append(append(&new_stream(), 0, 1)).await.unwrap();
    let set_back = Clock::manual(Timestamp::from_micros(1));
    let store = log.try_open(&set_back).await.unwrap();
    let recorded_at = store.read_all(0, 1).await.unwrap()[0].recorded_at;
    assert!(recorded_at.as_micros() % 1_000_000 != 0, "the server tells more than seconds");
    assert_eq!(set_back.now(), recorded_at);
}

/// Two nodes that meet in the first append to a stream: the slower one has to seal under the key of the
/// faster one.
#[tokio::test]
async fn of_two_first_keys_the_second_is_a_conflict_and_writes_nothing() {
    let log = Kurrent::single().await;
    let store = log.open().await;
    store.append(append(&new_stream(), 0, 1)).await.unwrap();
    let stream = new_stream();
    let key = |bytes: &[u8]| NewKey { generation: 0, wrapped: bytes.to_vec() };
    assert_eq!(log.vault.put(&stream, &key(b"fast")).await.unwrap(), KeyPut::Stored);
    let append = append(&stream, 0, 1);
    let slow = Append { new_key: Some(key(b"slow")), ..append.clone() };
    let refused = store.append(slow).await;
    assert!(matches!(refused, Err(StoreError::Conflict { length: 0 })), "{refused:?}");
    assert_eq!(store.read_stream(&stream, 0, ALL).await.unwrap(), []);
    // The faster one may have died before it appended: with its key the stream can be begun.
    let kept = store.read_key(&stream).await.unwrap().unwrap();
    assert_eq!(kept.wrapped.as_deref(), Some(&b"fast"[..]));
    store.append(Append { new_key: Some(key(b"fast")), ..append }).await.unwrap();
}

#[tokio::test]
async fn two_nodes_hear_of_each_other() {
    let log = Kurrent::single().await;
    let (one, other) = (log.open().await, log.open().await);
    let mut tail = other.tail();
    let stream = new_stream();
    for length in 0..5 {
        let store: &Arc<dyn EventStore> = if length % 2 == 0 { &one } else { &other };
        let last = store.append(append(&stream, length, 1)).await.unwrap().last();
        assert_eq!(other.head().await.unwrap(), last);
        let batch = tail.recv().await.unwrap();
        assert_eq!(batch.events[0].position, last);
        let refused = one.append(append(&stream, length, 1)).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
}
