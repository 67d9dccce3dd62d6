//! What the double counts, and how long the real server would take for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// An append, also one of many over one stream of requests.
    Append,
    /// A stream of requests to append.
    BatchAppend,
    /// A soft delete or a tombstone.
    Delete,
    /// A read of one stream.
    ReadStream,
    /// A read of `$all`.
    ReadAll,
    /// A subscription, to a stream or to `$all`.
    Subscribe,
    /// A question which nodes there are.
    Gossip,
    /// A question what the server can.
    Features,
}

/// The numbers of calls since they were last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// The number of appends, those over streams of requests included.
    pub appends: u64,
    /// The number of streams of requests to append.
    pub batch_appends: u64,
    /// The number of soft deletes and tombstones.
    pub deletes: u64,
    /// The number of reads of one stream.
    pub stream_reads: u64,
    /// The number of reads of `$all`.
    pub all_reads: u64,
    /// The number of subscriptions.
    pub subscriptions: u64,
    /// The number of questions which nodes there are.
    pub gossips: u64,
    /// The number of questions what the server can.
    pub features: u64,
}

impl Calls {
    /// Returns the number of calls that append or read, each of which a command waits for.
    pub fn waited_for(&self) -> u64 {
        self.appends + self.deletes + self.stream_reads + self.all_reads
    }
}

/// The numbers of events that the server looked at to find those that pass a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// The number for reads forwards.
    pub forwards: u64,
    /// The number for reads backwards.
    pub backwards: u64,
    /// The number for subscriptions.
    pub subscriptions: u64,
}

/// The number of bytes on the wire since they were last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// The number that clients sent.
    pub received: u64,
    /// The number that the double sent.
    pub sent: u64,
}

/// What events are looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    Forwards,
    Backwards,
    Subscription,
}

/// The counters.
#[derive(Default)]
pub(crate) struct Counts {
    calls: [AtomicU64; 8],
    examined: [AtomicU64; 3],
    received: AtomicU64,
    sent: AtomicU64,
    /// Whether looking at events takes time.
    pub(crate) takes_time: AtomicBool,
}

/// The time of one window, besides that of its events.
const WINDOW_TIME: Duration = Duration::from_micros(100);

/// Shorter times than this are slept together.
const SHORTEST_SLEEP: Duration = Duration::from_millis(2);

impl Counts {
    pub(crate) fn call(&self, call: Call) {
        self.calls[call as usize].fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> Calls {
        let of = |call: Call| self.calls[call as usize].load(Ordering::SeqCst);
        Calls {
            appends: of(Call::Append),
            batch_appends: of(Call::BatchAppend),
            deletes: of(Call::Delete),
            stream_reads: of(Call::ReadStream),
            all_reads: of(Call::ReadAll),
            subscriptions: of(Call::Subscribe),
            gossips: of(Call::Gossip),
            features: of(Call::Features),
        }
    }

    pub(crate) fn examined(&self) -> Examined {
        let of = |scan: Scan| self.examined[scan as usize].load(Ordering::SeqCst);
        Examined {
            forwards: of(Scan::Forwards),
            backwards: of(Scan::Backwards),
            subscriptions: of(Scan::Subscription),
        }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Bytes { received: of(&self.received), sent: of(&self.sent) }
    }

    pub(crate) fn reset(&self) {
        let all = self.calls.iter().chain(&self.examined).chain([&self.received, &self.sent]);
        for count in all {
            count.store(0, Ordering::SeqCst);
        }
    }

    /// Counts a window of events, and takes the time of it. What is too short to be slept is owed.
    pub(crate) async fn window(&self, scan: Scan, events: u64, owed: &mut Duration) {
        self.examined[scan as usize].fetch_add(events, Ordering::SeqCst);
        if !self.takes_time.load(Ordering::SeqCst) {
            return;
        }
        // Windows of 1000: three million events a second forwards, two and a half backwards.
        let nanos = if scan == Scan::Backwards { 300 } else { 233 };
        *owed += WINDOW_TIME + Duration::from_nanos(events * nanos);
        if *owed >= SHORTEST_SLEEP {
            tokio::time::sleep(std::mem::take(owed)).await;
        }
    }
}
