//! The tail: one subscription to all streams, published as batches without a gap or a repeat.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use eventstore::{Client, ResolvedEvent, StreamPosition, SubscribeToAllOptions, Subscription};
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::sync::{broadcast, watch};
use tracing::instrument::WithSubscriber as _;
use tracing::{Dispatch, Level, span};
use whence_events::{Position, Recorded};

use super::record;
use crate::store::{Batch, TAIL_CAPACITY};

/// The most events in one batch.
const MAX_BATCH: usize = 512;

/// The readers of the tail, and how far the log was published to them.
pub(super) struct Tail {
    batches: broadcast::Sender<Batch>,
    /// The position of the last event that was published, or that the log had before.
    published: watch::Sender<Position>,
}

impl Tail {
    /// Returns a tail that begins after the event at `head`.
    pub(super) fn new(head: Position) -> Self {
        Self { batches: broadcast::channel(TAIL_CAPACITY).0, published: watch::Sender::new(head) }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Batch> {
        self.batches.subscribe()
    }

    /// Returns the position up to which the log was published.
    pub(super) fn published(&self) -> Position {
        *self.published.borrow()
    }

    /// Waits until the event at `position` was published.
    pub(super) async fn wait_for(&self, position: Position) {
        // It fails only without a sender, which is `self`.
        let _ = self.published.subscribe().wait_for(|published| *published >= position).await;
    }

    /// Publishes what is appended until the subscription ends, and returns why it ended.
    pub(super) async fn follow(&self, client: &Client) -> SubscriptionEnd {
        let options = SubscribeToAllOptions::default().filter(record::ours());
        // A subscription begins strictly after the position that it is given.
        let options = options.position(match self.published() {
            0 => StreamPosition::Start,
            commit => StreamPosition::Position(eventstore::Position { commit, prepare: commit }),
        });
        let events = arriving(client.subscribe_to_all(&options).await);
        let mut chunks = pin!(events.ready_chunks(MAX_BATCH));
        while let Some(chunk) = chunks.next().await {
            let mut ended = None;
            let arrived = chunk.into_iter().filter_map(|event| match event {
                Ok(event) => Some(event),
                Err(why) => {
                    ended = Some(why);
                    None
                }
            });
            self.publish(arrived);
            if let Some(why) = ended {
                return why;
            }
        }
        SubscriptionEnd::Cleanly
    }

    fn publish(&self, arrived: impl Iterator<Item = ResolvedEvent>) {
        let mut after = self.published();
        let mut last = after;
        let mut events = Vec::new();
        for event in arrived {
            match record::recorded(&event) {
                Ok(Some(event)) if event.position > last => {
                    last = event.position;
                    events.push(event);
                }
                Err(unreadable) if unreadable.position > last => {
                    tracing::error!(error = %unreadable, "an event of the log is damaged");
                    // Left out: the next batch then begins after a gap, and a reader that reads the
                    // log to close the gap gets the error, and stops there.
                    self.send(after, std::mem::take(&mut events));
                    last = unreadable.position;
                    after = last;
                }
                // Published before, or in a stream that is not of whence although its name begins so.
                Ok(_) | Err(_) => {}
            }
        }
        self.send(after, events);
        // Only now: a caller that waited for this position finds the batch in the tail.
        self.published.send_replace(last);
    }

    fn send(&self, after: Position, events: Vec<Recorded>) {
        if !events.is_empty() {
            let _ = self.batches.send(Batch { after, events: events.into() });
        }
    }
}

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubscriptionEnd {
    /// The server ended it without an error.
    #[error("the server has ended the subscription")]
    Cleanly,
    /// The client panicked, which it has reported itself.
    #[error("the client has panicked")]
    Panicked,
    /// The client returned an error.
    #[error(transparent)]
    Client(#[from] eventstore::Error),
}

/// Returns the events of a subscription, and at last why it ended.
///
/// One stream lasts as long as the subscription: dropping a wait for the next event would lose it.
fn arriving(
    subscription: Subscription,
) -> impl Stream<Item = Result<ResolvedEvent, SubscriptionEnd>> {
    let way_out = Dispatch::new(WayOut);
    stream::unfold(Some((subscription, way_out)), |live| async {
        let (mut subscription, way_out) = live?;
        let next = subscription.next().with_subscriber(way_out.clone());
        match AssertUnwindSafe(next).catch_unwind().await {
            Ok(Ok(event)) => Some((Ok(event), Some((subscription, way_out)))),
            Ok(Err(error)) => Some((Err(error.into()), None)),
            Err(panic) => Some((Err(ended_by(&*panic)), None)),
        }
    })
}

fn ended_by(panic: &(dyn Any + Send)) -> SubscriptionEnd {
    if panic.is::<EndedCleanly>() { SubscriptionEnd::Cleanly } else { SubscriptionEnd::Panicked }
}

/// The only way out of an endless loop of the client.
///
/// Releases up to 1.2.0 ask a subscription that the server has ended cleanly for its next message,
/// again and again without end, inside of one poll: neither a time-out nor an abort can interrupt
/// it. All they do in that loop is warn, and they warn only there. So the warning, received on this
/// one future only, unwinds out of the loop, up to [`arriving`].
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
