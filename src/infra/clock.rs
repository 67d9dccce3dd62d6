//! The clock of the service: the one place that asks the system for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use whence_events::Timestamp;

/// A clock that never goes backwards, so that nothing that expired becomes valid again.
///
/// When the system's clock is set back, this one does not move until the system has caught up. That
/// also holds over a restart: the service raises the clock to the last moment in the log
/// ([`Clock::raise`]).
#[derive(Clone, Debug)]
pub struct Clock(Arc<ClockState>);

/// The state that all clones of a clock share.
#[derive(Debug)]
struct ClockState {
    /// The latest moment that was ever returned, in microseconds since 1970.
    latest: AtomicI64,
    /// The time that a test has set, in microseconds since 1970; `None` for the system's clock.
    manual: Option<AtomicI64>,
}

impl Clock {
    /// Returns a clock that follows the system's.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(ClockState { latest: AtomicI64::new(i64::MIN), manual: None }))
    }

    /// Returns a clock that only moves when it is [set](Self::set).
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        let manual = Some(AtomicI64::new(start.as_micros()));
        Self(Arc::new(ClockState { latest: AtomicI64::new(i64::MIN), manual }))
    }

    /// Returns the current time, never one before an earlier answer.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = match &self.0.manual {
            Some(manual) => manual.load(Ordering::SeqCst),
            None => system_now().as_micros(),
        };
        Timestamp::from_micros(self.0.latest.fetch_max(now, Ordering::SeqCst).max(now))
    }

    /// Makes sure that the clock never returns a moment before `floor` again.
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
