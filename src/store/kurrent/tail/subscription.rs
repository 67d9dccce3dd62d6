//! A subscription to all streams: what it sends, and why it ended.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use eventstore::{Client, StreamPosition, SubscribeToAllOptions, Subscription, SubscriptionEvent};
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::instrument::WithSubscriber as _;
use tracing::{Dispatch, Level, span};
use whence_events::Position;

use crate::store::kurrent::names::Names;

/// The most messages that wait to be published. Past it the subscription is given up, and begun again
/// where the tail is: the server then sends from its log and does not mind a slow reader.
const MAX_WAITING: usize = 16_384;

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
pub(in crate::store::kurrent) enum SubscriptionEnd {
    /// The server ended it without an error.
    #[error("the server has ended the subscription")]
    Cleanly,
    /// The client panicked, which it has reported itself.
    #[error("the client has panicked")]
    Panicked,
    /// More messages arrived than were published.
    #[error("events arrive faster than they are read")]
    Overrun,
    /// The client returned an error.
    #[error(transparent)]
    Client(#[from] eventstore::Error),
}

/// What arrives of a subscription, taken off the wire by a task that does nothing else.
pub(super) struct Arriving {
    messages: mpsc::Receiver<SubscriptionEvent>,
    ended: oneshot::Receiver<SubscriptionEnd>,
    reader: AbortHandle,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Arriving {
    /// Subscribes to the streams of a log, strictly after a position.
    pub(super) async fn subscribe(client: &Client, names: &Names, after: Position) -> Self {
        let options = SubscribeToAllOptions::default().filter(names.filter());
        let options = options.position(match after {
            0 => StreamPosition::Start,
            commit => StreamPosition::Position(eventstore::Position { commit, prepare: commit }),
        });
        let subscription = client.subscribe_to_all(&options).await;
        let (sender, messages) = mpsc::channel(MAX_WAITING);
        let (told, ended) = oneshot::channel();
        let reader = tokio::spawn(async move {
            let why = take_all(subscription, &sender).await;
            drop(sender);
            let _ = told.send(why);
        });
        Self { messages, ended, reader: reader.abort_handle() }
    }

    /// Waits for messages, up to `limit` of them, and adds them to `messages`; adds none when the
    /// subscription has ended.
    pub(super) async fn next(&mut self, messages: &mut Vec<SubscriptionEvent>, limit: usize) {
        self.messages.recv_many(messages, limit).await;
    }

    /// Returns why the subscription ended, once all of its messages were taken.
    pub(super) async fn why(&mut self) -> SubscriptionEnd {
        (&mut self.ended).await.unwrap_or(SubscriptionEnd::Panicked)
    }
}

/// Takes messages off the wire until the subscription ends, and returns why it did.
async fn take_all(
    mut subscription: Subscription,
    messages: &mpsc::Sender<SubscriptionEvent>,
) -> SubscriptionEnd {
    let way_out = Dispatch::new(WayOut);
    loop {
        let next = subscription.next_subscription_event().with_subscriber(way_out.clone());
        let message = match AssertUnwindSafe(next).catch_unwind().await {
            Ok(Ok(message)) => message,
            Ok(Err(error)) => return error.into(),
            Err(panic) => return ended_by(&*panic),
        };
        if messages.try_send(message).is_err() {
            return SubscriptionEnd::Overrun;
        }
    }
}

fn ended_by(panic: &(dyn Any + Send)) -> SubscriptionEnd {
    if panic.is::<EndedCleanly>() { SubscriptionEnd::Cleanly } else { SubscriptionEnd::Panicked }
}

/// The only way out of an endless loop of the client.
///
/// Releases up to 1.2.0 ask a subscription that the server has ended cleanly for its next message,
/// again and again without end, inside of one poll: neither a time-out nor an abort can interrupt
/// it. All they do in that loop is warn, and they warn only there. So the warning, received on this
/// one future only, unwinds out of the loop, up to [`take_all`].
/// `a_tail_goes_on_when_its_subscription_ends_cleanly` hangs if that ever changes.
struct WayOut;

/// The payload of the unwinding that means a clean end.
struct EndedCleanly;

impl tracing::Subscriber for WayOut {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target() == "kurrentdb::commands"
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::WARN)
    }

    fn event(&self, _: &tracing::Event<'_>) {
        // Not a panic: the hook, which would report one, is not called.
        std::panic::resume_unwind(Box::new(EndedCleanly));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
