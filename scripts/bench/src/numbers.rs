//! Arithmetic on counts and times.

use std::time::Duration;

/// Returns the rate of `count` operations in `time`, per second.
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    float(count) / time.as_secs_f64().max(1e-9)
}

/// Converts a count to a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}
