//! The tail: what is appended, published as batches without a gap or a repeat.
//!
//! A subscription sends the events of this log, and checkpoints: how far it has looked without finding
//! one. Both are published, so that a reader knows up to where it has seen the log even while
//! only other applications write to the server.

mod subscription;

use std::sync::atomic::{AtomicU64, Ordering};

use eventstore::{Client, SubscriptionEvent};
use tokio::sync::{broadcast, watch};
use whence_events::{Position, Recorded};

use super::Log;
use super::record;
use crate::infra::clock::Clock;
use crate::store::{Batch, TAIL_CAPACITY};
use subscription::{Arriving, SubscriptionEnd};

/// The most events in one batch.
const MAX_BATCH: usize = 512;

/// How often in a row a subscription may end before it has sent anything, until the link is in doubt.
const MAX_BARREN: usize = 2;

/// The readers of the tail, and how far the log was published to them.
pub(super) struct Tail {
    batches: broadcast::Sender<Batch>,
    /// The position up to which all events of the log were published.
    covered: watch::Sender<Position>,
    /// The position of the last event that was published; until there is one, where the tail began.
    last: AtomicU64,
    /// Whether the subscription has sent all that the log had when it began.
    caught_up: watch::Sender<bool>,
    /// The number of messages that have arrived.
    heard: AtomicU64,
    /// No clock here may show an earlier moment than one at which the log took an event.
    clock: Clock,
}

/// What was not published yet of the messages of a subscription.
struct Unpublished {
    /// The position that the events come after.
    after: Position,
    events: Vec<Recorded>,
    /// The position up to which there is no other event.
    upto: Position,
}

impl Tail {
    /// Returns a tail that begins after `end`, where the server's log ends.
    pub(super) fn new(end: Position, clock: Clock) -> Self {
        Self {
            batches: broadcast::channel(TAIL_CAPACITY).0,
            covered: watch::Sender::new(end),
            last: AtomicU64::new(end),
            caught_up: watch::Sender::new(false),
            heard: AtomicU64::new(0),
            clock,
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Batch> {
        self.batches.subscribe()
    }

    /// Returns the position up to which the log was published.
    pub(super) fn covered(&self) -> Position {
        *self.covered.borrow()
    }

    /// Returns the position of the last event that was published; until there is one, where the tail
    /// began.
    pub(super) fn last(&self) -> Position {
        self.last.load(Ordering::Relaxed)
    }

    /// Returns the number of messages that have arrived.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Waits until the log was published up to `position`.
    pub(super) async fn wait_for(&self, position: Position) {
        // It fails only without a sender, which is `self`.
        let _ = self.covered.subscribe().wait_for(|covered| *covered >= position).await;
    }

    /// Returns whether the subscription has sent all that the log had when it began.
    pub(super) fn is_caught_up(&self) -> bool {
        *self.caught_up.borrow()
    }

    /// Waits until the subscription has sent all that the log had when it began.
    pub(super) async fn until_caught_up(&self) {
        let _ = self.caught_up.subscribe().wait_for(|caught_up| *caught_up).await;
    }

    /// Publishes what is appended until no subscription lasts, and returns why.
    ///
    /// The server drops a subscription for reasons that are none to doubt the connection, such as a
    /// reader that is too slow for a moment: the next one begins where the tail is.
    pub(super) async fn follow(&self, client: &Client, log: &Log) -> SubscriptionEnd {
        let mut barren = 0;
        loop {
            let before = self.covered();
            let why = self.follow_once(client, log).await;
            barren = if self.covered() == before { barren + 1 } else { 0 };
            if barren >= MAX_BARREN {
                return why;
            }
            tracing::info!(%why, "the log is subscribed to again");
        }
    }

    async fn follow_once(&self, client: &Client, log: &Log) -> SubscriptionEnd {
        self.caught_up.send_replace(false);
        let mut arriving = Arriving::subscribe(client, &log.names, self.covered()).await;
        let mut checkpoint = None;
        let mut messages = Vec::with_capacity(MAX_BATCH);
        loop {
            arriving.next(&mut messages, MAX_BATCH).await;
            if messages.is_empty() {
                return arriving.why().await;
            }
            self.heard.fetch_add(messages.len() as u64, Ordering::Relaxed);
            let caught_up = self.take(&mut messages, &mut checkpoint, log);
            if let Some(caught_up) = caught_up {
                self.caught_up
                    .send_if_modified(|now| std::mem::replace(now, caught_up) != caught_up);
            }
        }
    }

    /// Publishes messages, and returns what they say last about whether all was sent.
    ///
    /// A checkpoint may carry the position that the next event is then given (KurrentDB issue 4970).
    /// So one counts only when something after it has arrived.
    fn take(
        &self,
        messages: &mut Vec<SubscriptionEvent>,
        checkpoint: &mut Option<Position>,
        log: &Log,
    ) -> Option<bool> {
        let after = self.covered();
        let mut unpublished = Unpublished { after, events: Vec::new(), upto: after };
        let mut caught_up = None;
        for message in messages.drain(..) {
            match message {
                SubscriptionEvent::EventAppeared(event) => {
                    let position = record::position(&event).unwrap_or(0);
                    checkpoint.take_if(|checkpoint| *checkpoint <= position);
                    // Published before.
                    if position <= unpublished.upto {
                        continue;
                    }
                    unpublished.upto = position;
                    match record::recorded(&log.names, &event) {
                        Ok(event) => unpublished.events.extend(event),
                        Err(foreign) => log.foreign.note(foreign),
                    }
                }
                SubscriptionEvent::Checkpoint(position) => {
                    let position = position.commit;
                    if let Some(passed) = checkpoint.replace(position)
                        && passed < position
                    {
                        unpublished.upto = unpublished.upto.max(passed);
                    }
                }
                SubscriptionEvent::CaughtUp(_) => caught_up = Some(true),
                SubscriptionEvent::FellBehind(_) => caught_up = Some(false),
                SubscriptionEvent::Confirmed(_)
                | SubscriptionEvent::FirstStreamPosition(_)
                | SubscriptionEvent::LastStreamPosition(_)
                | SubscriptionEvent::LastAllPosition(_) => {}
            }
        }
        self.publish(unpublished);
        caught_up
    }

    fn publish(&self, unpublished: Unpublished) {
        let Unpublished { after, events, upto } = unpublished;
        if upto == after {
            return;
        }
        if let Some(last) = events.last() {
            self.last.store(last.position, Ordering::Relaxed);
            self.clock.raise(last.recorded_at);
        }
        let _ = self.batches.send(Batch { after, upto, events: events.into() });
        // Only now: a caller that waited for this position finds the batch in the tail.
        self.covered.send_replace(upto);
    }
}
