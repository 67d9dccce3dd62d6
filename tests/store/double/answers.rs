//! What the official client of Rust is answered by the double.

use eventstore::{
    CurrentRevision, DeleteStreamOptions, Error, ReadAllOptions, ReadStreamOptions, StreamPosition,
    StreamState, TombstoneStreamOptions,
};
use uuid::Uuid;
use whence_test_support::kurrentdb_double::{Call, Code, Double};

use super::{append, client, drained, event, ours};

#[tokio::test]
async fn appends_are_held_to_what_they_expect_and_repeats_are_known() {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    let none = StreamState::NoStream;
    let first = append(&client, "ours-1", 2, none).await.unwrap();
    assert_eq!(first.next_expected_version, 1);
    let Err(Error::WrongExpectedVersion { current, expected }) =
        append(&client, "ours-1", 1, none).await
    else {
        panic!("it was written twice");
    };
    assert_eq!((current, expected), (CurrentRevision::Current(1), none));
    append(&client, "ours-1", 1, StreamState::StreamRevision(1)).await.unwrap();
    // The same event again is at its place, under any expectation that was right the first time.
    let same = event("T").id(Uuid::from_u128(7));
    for state in [StreamState::StreamRevision(2), StreamState::Any] {
        let options = eventstore::AppendToStreamOptions::default().stream_state(state);
        for _ in 0..2 {
            let written = client.append_to_stream("ours-1", &options, same.clone()).await.unwrap();
            assert_eq!(written.next_expected_version, 3, "{state:?}");
        }
    }
    let exists = append(&client, "ours-2", 1, StreamState::StreamExists).await;
    assert!(matches!(exists, Err(Error::WrongExpectedVersion { .. })), "{exists:?}");
}

#[tokio::test]
async fn many_appends_over_one_stream_of_requests_are_each_answered() {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    let batch = client.batch_append(&eventstore::BatchAppendOptions::default()).await.unwrap();
    for revision in 0..20 {
        let state = match u64::checked_sub(revision, 1) {
            None => StreamState::NoStream,
            Some(last) => StreamState::StreamRevision(last),
        };
        let written = batch.append_to_stream("ours-1", state, vec![event("T")]).await.unwrap();
        assert_eq!(written.current_revision(), Some(revision));
        assert!(written.current_position().is_some());
    }
    let refused = batch.append_to_stream("ours-1", StreamState::NoStream, vec![event("T")]).await;
    assert!(matches!(refused, Err(Error::Grpc { code: Code::AlreadyExists, .. })), "{refused:?}");
    let calls = double.calls();
    assert_eq!((calls.appends, calls.batch_appends), (21, 1));
}

#[tokio::test]
async fn what_was_deleted_is_hidden_until_a_scavenge_and_then_gone() {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    for stream in ["ours-soft", "ours-hard", "ours-kept"] {
        append(&client, stream, 3, StreamState::NoStream).await.unwrap();
    }
    client.delete_stream("ours-soft", &DeleteStreamOptions::default()).await.unwrap();
    let hard = TombstoneStreamOptions::default();
    client.tombstone_stream("ours-hard", &hard).await.unwrap();
    double.set_metadata("ours-kept", r#"{"$maxCount": 2}"#);

    let read = async |stream: &str| {
        let answers = client.read_stream(stream, &ReadStreamOptions::default()).await;
        match answers {
            Ok(answers) => drained(answers).await,
            Err(error) => Err(error),
        }
    };
    let revisions = async |stream: &str| -> Vec<u64> {
        let events = read(stream).await.unwrap();
        events.iter().map(|event| event.get_original_event().revision).collect()
    };
    assert!(matches!(read("ours-soft").await, Err(Error::ResourceNotFound)));
    assert!(matches!(read("ours-hard").await, Err(Error::ResourceDeleted)));
    assert_eq!(revisions("ours-kept").await, [1, 2]);
    let refused = append(&client, "ours-hard", 1, StreamState::Any).await;
    assert!(matches!(refused, Err(Error::ResourceDeleted)), "{refused:?}");
    append(&client, "ours-soft", 1, StreamState::NoStream).await.unwrap();
    assert_eq!(revisions("ours-soft").await, [3]);

    let all = async || -> Vec<(String, u64, u64)> {
        let options = ReadAllOptions::default().filter(ours());
        let events = drained(client.read_all(&options).await.unwrap()).await.unwrap();
        let named = |event: &eventstore::RecordedEvent| {
            (event.stream_id().to_owned(), event.revision, event.position.commit)
        };
        events.iter().map(|event| named(event.get_original_event())).collect()
    };
    let before = all().await;
    assert_eq!(before.len(), 3 + 3 + 3 + 1 + 1);
    double.scavenge();
    let after = all().await;
    let left: Vec<_> = after.iter().map(|(stream, number, _)| (stream.as_str(), *number)).collect();
    let ended = i64::MAX.cast_unsigned();
    let expected = [("ours-kept", 1), ("ours-kept", 2), ("ours-hard", ended), ("ours-soft", 3)];
    assert_eq!(left, expected);
    // What is left is where it was, and where something was one may still begin.
    assert!(after.iter().all(|event| before.contains(event)));
    let options = ReadAllOptions::default().filter(ours()).position(super::at(before[0].2));
    let events = drained(client.read_all(&options).await.unwrap()).await.unwrap();
    assert_eq!(events.len(), after.len());
}

#[tokio::test]
async fn events_older_than_a_maximum_are_not_read() {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    double.tell_time(|| whence_events::Timestamp::from_micros(1_000_000_000));
    append(&client, "ours-1", 1, StreamState::NoStream).await.unwrap();
    double.tell_time(|| whence_events::Timestamp::from_micros(1_100_000_000));
    append(&client, "ours-1", 1, StreamState::Any).await.unwrap();
    let read = async || {
        let options = ReadStreamOptions::default().position(StreamPosition::Start);
        drained(client.read_stream("ours-1", &options).await.unwrap()).await.unwrap().len()
    };
    for (settings, events) in [(r#"{"$maxAge": 101}"#, 2), (r#"{"$maxAge": 99}"#, 1), ("{}", 2)] {
        double.set_metadata("ours-1", settings);
        assert_eq!(read().await, events, "{settings}");
    }
}

#[tokio::test]
async fn calls_fail_as_often_as_they_are_told_to_and_no_more() {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    double.fail_next(Call::ReadStream, 2, Code::Unknown, "Exception was thrown by handler.");
    let read = async || client.read_stream("ours-1", &ReadStreamOptions::default()).await;
    for _ in 0..2 {
        let failed = read().await.err();
        let Some(Error::ServerError(message)) = failed else { panic!("{failed:?}") };
        assert!(message.contains("Exception was thrown by handler."), "{message}");
    }
    // The client may be about to connect anew.
    let answered = async {
        while read().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::LIMIT, answered).await.unwrap();
    assert!(double.calls().stream_reads >= 3);
}
