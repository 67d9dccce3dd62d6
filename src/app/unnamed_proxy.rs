//! Notes requests with forwarded headers that come from a peer that no setting names as a proxy.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use whence_events::Timestamp;

/// The time between two warnings of the log.
const WARNING_INTERVAL: Duration = Duration::from_hours(1);

/// How long after the last such request the service still tells of it.
const MEMORY: Duration = Duration::from_hours(24);

/// When a request of an unnamed proxy was last seen, and when the log last told of one; in
/// microseconds since 1970, 0 for never.
#[derive(Debug, Default)]
pub(crate) struct UnnamedProxy {
    seen: AtomicI64,
    warned: AtomicI64,
}

impl UnnamedProxy {
    /// Notes a request, and warns in the log once an hour.
    pub(crate) fn note(&self, now: Timestamp) {
        let now_micros = now.as_micros();
        self.seen.fetch_max(now_micros, Ordering::Relaxed);
        let warned = self.warned.load(Ordering::Relaxed);
        let is_due = warned == 0 || Timestamp::from_micros(warned) + WARNING_INTERVAL <= now;
        let swap =
            self.warned.compare_exchange(warned, now_micros, Ordering::Relaxed, Ordering::Relaxed);
        if is_due && swap.is_ok() {
            tracing::warn!(
                "requests with forwarded headers come from a peer that --trusted-proxy does not \
                 name: if it is a proxy, name it, for until then all of its clients count as one"
            );
        }
    }

    /// Returns whether such a request came within the last day.
    pub(crate) fn seen_lately(&self, now: Timestamp) -> bool {
        let seen = self.seen.load(Ordering::Relaxed);
        seen != 0 && now.since(Timestamp::from_micros(seen)) < MEMORY
    }
}
