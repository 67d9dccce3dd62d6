//! Counts what the service refused or closed, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what the service refused or closed since it started.
#[derive(Debug, Default)]
pub struct Counters {
    /// The connections that are open now.
    pub open_connections: Gauge,
    /// The connections that were closed as soon as they came, because no place was free.
    pub connections_refused: Counter,
    /// The connections that were closed to make room for others.
    pub connections_displaced: Counter,
    /// The connections that were closed because their client did not read the answer.
    pub stalled_writes: Counter,
    /// The connections that were closed because a head was not complete in time.
    pub slow_heads: Counter,
    /// The connections that were closed because unfinished heads took too much memory.
    pub head_budget_closures: Counter,
    /// The connections that were closed because they were idle for too long.
    pub idle_closures: Counter,
    /// The times that a connection could not be accepted.
    pub accept_errors: Counter,
    /// The operators' tokens that were wrong.
    pub admin_tokens_wrong: Counter,
    /// Those of them that were answered without a delay, because too many answers waited.
    pub admin_tokens_undelayed: Counter,
    /// The requests for proofs that were refused because the client asked too often.
    pub proofs_limited: Counter,
    /// The requests for proofs that were refused because too many were under way.
    pub proofs_unserved: Counter,
}

/// Counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one away.
    pub fn subtract(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
