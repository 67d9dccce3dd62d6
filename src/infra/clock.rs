//! The one place that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use whence_events::Timestamp;

/// A clock that never goes backwards, so that nothing that expired becomes valid again.
///
/// A clock of the system that is set back stands still here until it has caught up. The floor
/// survives restarts: the service raises it to the last moment the log knows ([`Clock::raise`]).
#[derive(Clone, Debug)]
pub struct Clock(Arc<ClockState>);

#[derive(Debug)]
struct ClockState {
    /// The latest moment ever told, in microseconds.
    latest: AtomicI64,
    /// Tests move their own time.
    manual: Option<AtomicI64>,
}

impl Clock {
    /// The system's time.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(ClockState { latest: AtomicI64::new(i64::MIN), manual: None }))
    }

    /// A clock that stands still until it is [set](Self::set).
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        let manual = Some(AtomicI64::new(start.as_micros()));
        Self(Arc::new(ClockState { latest: AtomicI64::new(i64::MIN), manual }))
    }

    /// Now, never before an earlier answer.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = match &self.0.manual {
            Some(manual) => manual.load(Ordering::SeqCst),
            None => system_now().as_micros(),
        };
        Timestamp::from_micros(self.0.latest.fetch_max(now, Ordering::SeqCst).max(now))
    }

    /// Never tells a moment before `floor` again.
    pub fn raise(&self, floor: Timestamp) {
        self.0.latest.fetch_max(floor.as_micros(), Ordering::SeqCst);
    }

    /// Sets a manual clock, forwards or backwards; a system clock ignores it.
    pub fn set(&self, now: Timestamp) {
        if let Some(manual) = &self.0.manual {
            manual.store(now.as_micros(), Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of the clock")]
fn system_now() -> Timestamp {
    chrono::Utc::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_backwards() {
        let at = Timestamp::from_micros;
        let clock = Clock::manual(at(100));
        assert_eq!(clock.now(), at(100));
        clock.set(at(50));
        assert_eq!(clock.now(), at(100));
        clock.raise(at(170));
        clock.set(at(160));
        assert_eq!(clock.now(), at(170));
        clock.set(at(200));
        assert_eq!(clock.now(), at(200));
    }
}
