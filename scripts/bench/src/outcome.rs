//! The outcome of a load.

use std::time::Duration;

use crate::numbers::rate;

/// The operations that a load completed.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The number of operations.
    pub(crate) count: usize,
    /// The time from the start of the first operation to the end of the last.
    pub(crate) time: Duration,
    /// The latency of each operation, sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Outcome {
    /// Returns the operations per second.
    pub(crate) fn rate(&self) -> f64 {
        rate(self.count, self.time)
    }

    /// Returns the latency that `percent` of all operations stay below.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len().max(1) - 1);
        self.latencies.get(index).copied().unwrap_or_default()
    }
}
