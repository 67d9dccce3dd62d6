//! What the official clients of other languages are answered by the double, and read of whence's events.

use serde_json::{Value, json};
use whence::store::Append;
use whence_events::{Actor, Metadata};
use whence_test_support::kurrentdb_double::Double;

use super::told;
use crate::contract::kurrent::Kurrent;
use crate::contract::{Backend as _, append, metadata, new_stream};

async fn journey(language: &'static str) {
    let double = Double::single().await.unwrap();
    let told = told(language, "journey", &double, &[]).await;
    let second = json!({
        "stream": "",
        "revision": 1,
        "type": "Numbered",
        "data": {"number": 2},
        "metadata": {"by": "journey"},
    });
    let expected = json!({
        "revision after an append of two": 1,
        "the same expectation again": "wrong version",
        "another expectation": "wrong version",
        "forwards": [1, 2, 3],
        "the last, backwards": [3],
        "the second event": second,
        "all, filtered": [1, 2, 3],
        "types in all": ["Numbered"],
        "subscribed": [1, 2, 3, 4],
        "an append of 1.1 MB": "too large",
        "a stream that never was": "not found",
        "read after a delete": "not found",
        "revisions after it": [4],
        "read after a tombstone": "deleted",
        "append after it": "deleted",
    });
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_for_python_appends_reads_subscribes_and_deletes() {
    journey("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_for_javascript_appends_reads_subscribes_and_deletes() {
    journey("node").await;
}

/// They find the type, the JSON and the metadata of each event, as `docs/operating.md` shows them.
#[tokio::test(flavor = "multi_thread")]
async fn other_clients_read_what_whence_wrote() {
    let log = Kurrent::single().await;
    let store = log.open().await;
    let stream = new_stream();
    let two: Append = append(&stream, 0, 2);
    store.append(two.clone()).await.unwrap();
    let double = log.double.as_ref().unwrap();
    let named: Vec<_> = double.streams().into_iter().filter(|s| s.contains("user-")).collect();
    let [name] = &named[..] else { panic!("one stream: {named:?}") };
    assert!(name.ends_with(&stream.to_string()), "{name}");
    let expected: Vec<Value> = two
        .events
        .iter()
        .enumerate()
        .map(|(revision, event)| {
            let Metadata { occurred_at, correlation_id, actor, .. } = &event.metadata;
            assert_eq!(*actor, Actor::Visitor);
            json!({
                "stream": name,
                "revision": revision,
                "type": event.event.event_type(),
                "data": serde_json::from_slice::<Value>(&event.data).unwrap(),
                "metadata": {
                    "occurred_at": occurred_at.as_micros(),
                    "actor": "visitor",
                    "$correlationId": correlation_id.0,
                },
            })
        })
        .collect();
    assert_eq!(expected[0]["type"], "CodeVerified.v1");
    assert_eq!(metadata().actor, Actor::Visitor);
    for language in ["python", "node"] {
        let read = told(language, "read", double, &[name]).await;
        assert_eq!(read, Value::from(expected.clone()), "{language}");
    }
}
