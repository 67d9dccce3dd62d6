//! Subscriptions that the server ends because their reader is too slow.

use eventstore::{Client, Error, StreamPosition, StreamState, SubscribeToAllOptions, Subscription};
use tokio::time::timeout;
use whence_test_support::kurrentdb_double::{Code, Double, End};

use super::{LIMIT, append, client, kind, ours};

const TOO_SLOW: &str = "Operation timed out: Consumer too slow to handle event while live. \
                        Client resubscription required.";

/// Subscribes, and reads until it is live.
async fn live(client: &Client) -> Subscription {
    let options = SubscribeToAllOptions::default().filter(ours()).position(StreamPosition::End);
    let mut subscription = client.subscribe_to_all(&options).await;
    loop {
        let message = timeout(LIMIT, subscription.next_subscription_event()).await.unwrap();
        if kind(&message.unwrap()).0 == "caught_up" {
            return subscription;
        }
    }
}

/// Reads to the end; returns the number of events, and the error.
async fn drained(mut subscription: Subscription) -> (usize, Error) {
    let mut events = 0;
    loop {
        match timeout(LIMIT, subscription.next()).await.unwrap() {
            Ok(_) => events += 1,
            Err(error) => return (events, error),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_for_whom_too_many_events_wait_is_dropped() {
    let double = Double::single().await.unwrap();
    double.set_live_buffer(100);
    let client = client(&double.url());
    let subscription = live(&client).await;
    // It reads nothing while more is written than fits on the way.
    let mut written = 0;
    let data = format!(r#"{{"x":"{}"}}"#, "a".repeat(1000));
    while written < 20_000 {
        written += 1;
        double.write("ours-1", "T", "{}", &data);
        tokio::task::yield_now().await;
    }
    let (events, error) = drained(subscription).await;
    let Error::Grpc { code, message } = error else { panic!("{error:?}") };
    assert_eq!((code, message.as_str()), (Code::Aborted, TOO_SLOW));
    assert!(events < written, "{events}");
    // The connection is as good as it was.
    append(&client, "ours-2", 1, StreamState::NoStream).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_keeps_up_is_not_dropped() {
    let double = Double::single().await.unwrap();
    double.set_live_buffer(100);
    let client = client(&double.url());
    let mut subscription = live(&client).await;
    for round in 0..50 {
        for _ in 0..90 {
            double.write("ours-1", "T", "{}", "{}");
        }
        for revision in round * 90..round * 90 + 90 {
            let event = timeout(LIMIT, subscription.next()).await.unwrap().unwrap();
            assert_eq!(event.get_original_event().revision, revision);
        }
    }
}

#[tokio::test]
async fn a_test_ends_subscriptions_as_the_server_would() {
    let double = Double::single().await.unwrap();
    let client = client(&double.url());
    let subscription = live(&client).await;
    double.end_subscriptions(End::TooSlow);
    let (events, error) = drained(subscription).await;
    assert_eq!(events, 0);
    assert!(matches!(error, Error::Grpc { code: Code::Aborted, .. }), "{error:?}");
}
