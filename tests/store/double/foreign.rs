//! Events of other applications: where they are, and what it costs the server to pass them over.

use std::time::Duration;

use eventstore::{ReadAllOptions, StreamPosition, StreamState, SubscribeToAllOptions};
use tokio::time::{Instant, timeout};
use whence_test_support::kurrentdb_double::{Double, Examined};

use super::{LIMIT, append, at, client, drained, kind, ours};

const FOREIGN: u64 = 5_000_000;

/// A double with one event of ours and millions of others behind it.
async fn shared_cluster() -> (Double, eventstore::Client) {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    append(&client, "ours-1", 1, StreamState::NoStream).await.unwrap();
    // With these bytes 231 from one to the next, as was seen in the field.
    double.write_foreign("orders-1", FOREIGN, 231 - 90 - 8 - 11 - 2);
    (double, client)
}

#[tokio::test]
async fn they_are_read_without_a_filter_each_at_its_position() {
    let (_double, client) = shared_cluster().await;
    let last = ReadAllOptions::default().max_count(2).position(StreamPosition::End).backwards();
    let events = drained(client.read_all(&last).await.unwrap()).await.unwrap();
    let [last, before] = &events[..] else { panic!("two events: {}", events.len()) };
    let (last, before) = (last.get_original_event(), before.get_original_event());
    assert_eq!((last.revision, before.revision), (FOREIGN - 1, FOREIGN - 2));
    assert_eq!(last.position.commit - before.position.commit, 231);
    // From the middle of them on, and not from inside of one.
    let middle = last.position.commit - 1_000_000 * 231;
    let from = |position| ReadAllOptions::default().max_count(3).position(at(position));
    let events = drained(client.read_all(&from(middle)).await.unwrap()).await.unwrap();
    let revisions: Vec<_> = events.iter().map(|e| e.get_original_event().revision).collect();
    assert_eq!(revisions, [FOREIGN - 1_000_001, FOREIGN - 1_000_000, FOREIGN - 999_999]);
    let inside = match client.read_all(&from(middle + 1)).await {
        Ok(answers) => drained(answers).await,
        Err(error) => Err(error),
    };
    assert!(inside.is_err());
}

#[tokio::test]
async fn filtered_reads_look_at_all_of_them_in_both_directions() {
    let (double, client) = shared_cluster().await;
    double.reset_counts();
    let filtered = ReadAllOptions::default().filter(ours()).max_count(1);
    let backwards = filtered.clone().position(StreamPosition::End).backwards();
    let events = drained(client.read_all(&backwards).await.unwrap()).await.unwrap();
    assert_eq!(events.len(), 1);
    let examined = double.examined();
    assert!(examined.backwards > FOREIGN && examined.backwards < FOREIGN + 100, "{examined:?}");
    assert_eq!((examined.forwards, examined.subscriptions), (0, 0));
    // Also behind the last that is wanted: it stops at the next one only.
    let forwards = filtered.position(StreamPosition::Start);
    let events = drained(client.read_all(&forwards).await.unwrap()).await.unwrap();
    assert_eq!(events.len(), 1);
    assert!(double.examined().forwards > FOREIGN, "{:?}", double.examined());
    // Without a filter nothing is passed over.
    double.reset_counts();
    let last = ReadAllOptions::default().max_count(1).position(StreamPosition::End).backwards();
    drained(client.read_all(&last).await.unwrap()).await.unwrap();
    assert_eq!(double.examined(), Examined::default());
    assert_eq!(double.calls().all_reads, 1);
    let bytes = double.bytes();
    assert!(bytes.received > 0 && bytes.sent > 231, "{bytes:?}");
}

#[tokio::test]
async fn a_filtered_read_takes_the_time_of_a_real_server_when_a_test_wants_that() {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    append(&client, "ours-1", 1, StreamState::NoStream).await.unwrap();
    double.write_foreign("orders-1", 200_000, 120);
    double.take_time();
    let read = async |options: ReadAllOptions| {
        let begin = Instant::now();
        let options = options.filter(ours()).max_count(1);
        assert_eq!(drained(client.read_all(&options).await.unwrap()).await.unwrap().len(), 1);
        begin.elapsed()
    };
    // A sleep is never shorter than it was asked for; less than one may still be owed at the end.
    let owed = Duration::from_millis(3);
    let backwards = ReadAllOptions::default().position(StreamPosition::End).backwards();
    assert!(read(backwards).await + owed >= Duration::from_millis(80));
    let forwards = ReadAllOptions::default().position(StreamPosition::Start);
    assert!(read(forwards).await + owed >= Duration::from_millis(66));
}

#[tokio::test]
async fn a_subscription_gets_a_checkpoint_for_every_window_and_then_is_caught_up() {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    let first = append(&client, "ours-1", 1, StreamState::NoStream).await.unwrap().position.commit;
    double.write_foreign("orders-1", 100_000, 120);
    let options = SubscribeToAllOptions::default().filter(ours());
    let options = options.position(StreamPosition::Start);
    let mut subscription = client.subscribe_to_all(&options).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|(kind, _)| *kind != "caught_up") {
        let message = timeout(LIMIT, subscription.next_subscription_event()).await.unwrap();
        told.push(kind(&message.unwrap()));
    }
    let kinds: Vec<_> = told.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds[..4], ["confirmation", "event", "checkpoint", "checkpoint"]);
    assert_eq!(told[1].1, first);
    assert_eq!(kinds.iter().filter(|kind| **kind == "checkpoint").count(), 100);
    assert_eq!(kinds.len(), 1 + 1 + 100 + 1);
    // The first window ends with our event, the others with what was passed over, 1000 each.
    assert_eq!(told[2].1, first);
    let stride = 90 + 8 + 11 + 2 + 120;
    assert_eq!(told[101].1 - told[100].1, 1000 * stride);
    assert!(double.examined().subscriptions > 100_000);

    // Live it says nothing until a window is full, and that with what was passed over before.
    double.write_foreign("orders-1", 900, 120);
    append(&client, "ours-1", 1, StreamState::Any).await.unwrap();
    let message = timeout(LIMIT, subscription.next_subscription_event()).await.unwrap().unwrap();
    assert_eq!(kind(&message).0, "event");
    double.write_foreign("orders-1", 1000, 120);
    let message = timeout(LIMIT, subscription.next_subscription_event()).await.unwrap().unwrap();
    assert_eq!(kind(&message).0, "checkpoint");
}

#[tokio::test]
async fn a_checkpoint_may_stand_where_the_next_event_is_then_written() {
    let double = Double::single().await.unwrap();
    double.run_checkpoints_ahead();
    let client = client(&double.url());
    double.write_foreign("orders-1", 10, 120);
    let options = SubscribeToAllOptions::default().filter(ours());
    let options = options.position(StreamPosition::Start);
    let mut subscription = client.subscribe_to_all(&options).await;
    let checkpoint = loop {
        let message = timeout(LIMIT, subscription.next_subscription_event()).await.unwrap();
        if let ("checkpoint", position) = kind(&message.unwrap()) {
            break position;
        }
    };
    let written = append(&client, "ours-1", 1, StreamState::NoStream).await.unwrap();
    assert_eq!(written.position.commit, checkpoint);
    // Who begins there does not see it, and who reads from there does.
    let options = SubscribeToAllOptions::default().filter(ours()).position(at(checkpoint));
    let mut later = client.subscribe_to_all(&options).await;
    let next = append(&client, "ours-1", 1, StreamState::Any).await.unwrap().position.commit;
    assert_eq!(later.next().await.unwrap().get_original_event().position.commit, next);
    let options = ReadAllOptions::default().filter(ours()).position(at(checkpoint));
    assert_eq!(drained(client.read_all(&options).await.unwrap()).await.unwrap().len(), 2);
}
