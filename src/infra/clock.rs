//! The clock of the service: the one place that asks the system for the time.
//!
//! Time here is the system's (wall) time, but it never goes backwards and never stands still. What the
//! wall clock says after it was set back, or below the last moment in the log, is not used: time goes
//! on from where it was by the monotonic clock, which nobody can set.

mod reckoning;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use whence_events::Timestamp;

use reckoning::{ClockReading, Notice, Reckoning};

/// How far time may be ahead of the wall clock before that is reported.
const REPORTED_LEAD: Duration = Duration::from_mins(1);

/// A clock that never goes backwards and never stands still, so that nothing that expired becomes valid
/// again, and everything still expires.
///
/// That also holds over a restart: the service raises the clock to the last moment in the log
/// ([`Clock::raise`]). Where the store has a clock of its own, a wall clock that is far ahead of it is
/// not used, and appends are refused ([`Clock::check`]).
#[derive(Clone, Debug)]
pub struct Clock(Arc<ClockState>);

/// The state that all clones of a clock share.
#[derive(Debug)]
struct ClockState {
    source: Source,
    reckoning: Mutex<Reckoning>,
}

/// Where the readings of a clock come from, in microseconds.
#[derive(Debug)]
enum Source {
    /// The clocks of the system; a test may shift the wall clock.
    System { begin: Instant, shift: AtomicI64 },
    /// The clocks that a test sets.
    Manual { wall: AtomicI64, monotonic: AtomicI64 },
}

impl Source {
    fn read(&self) -> ClockReading {
        match self {
            // The wall clock is read first: a pause between the two can only make time go on less.
            Self::System { begin, shift } => {
                let wall = system_now().as_micros().saturating_add(shift.load(Ordering::SeqCst));
                let monotonic = i64::try_from(begin.elapsed().as_micros()).unwrap_or(i64::MAX);
                ClockReading { wall, monotonic }
            }
            Self::Manual { wall, monotonic } => ClockReading {
                wall: wall.load(Ordering::SeqCst),
                monotonic: monotonic.load(Ordering::SeqCst),
            },
        }
    }
}

impl Clock {
    /// Returns a clock that follows the system's.
    #[must_use]
    pub fn system() -> Self {
        Self::of(Source::System { begin: Instant::now(), shift: AtomicI64::new(0) })
    }

    /// Returns a clock that only moves when it is [set](Self::set) or [advanced](Self::advance). It is
    /// never compared with the clock of a store.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        let wall = AtomicI64::new(start.as_micros());
        Self::of(Source::Manual { wall, monotonic: AtomicI64::new(0) })
    }

    fn of(source: Source) -> Self {
        let reckoning = Mutex::new(Reckoning::new(source.read()));
        Self(Arc::new(ClockState { source, reckoning }))
    }

    /// Returns the current time, never one before an earlier answer.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let (time, notice) = self.with(Reckoning::now);
        notice.into_iter().for_each(warn);
        Timestamp::from_micros(time)
    }

    /// Makes sure that the clock never returns a moment before `floor` again, which is one that the log
    /// holds.
    pub fn raise(&self, floor: Timestamp) {
        let notice = self.with(|reckoning, reading| reckoning.raise(floor.as_micros(), reading));
        notice.into_iter().for_each(warn);
    }

    /// Takes note of what the clock of the store says.
    pub fn compare(&self, store: Timestamp) {
        if matches!(self.0.source, Source::System { .. }) {
            self.with(|reckoning, reading| reckoning.compare(store.as_micros(), reading));
        }
    }

    /// Fails while the wall clock of this machine is far ahead of the clock of the store: what is
    /// appended then would be ahead of what other nodes append.
    pub fn check(&self) -> Result<(), ClockAhead> {
        let lead = self.with(|reckoning, reading| reckoning.lead(reading));
        lead.map_or(Ok(()), |micros| Err(ClockAhead { by: micros_of(micros) }))
    }

    /// Returns how far time is ahead of the wall clock, when that is more than a minute: the log holds
    /// moments that the wall clock has not reached.
    #[must_use]
    pub fn ahead_of_wall(&self) -> Option<Duration> {
        let ahead = self.with(|reckoning, reading| reckoning.ahead(reading));
        Some(micros_of(ahead)).filter(|ahead| *ahead > REPORTED_LEAD)
    }

    /// Sets the wall clock of a manual clock, forwards or backwards; a system clock ignores it.
    pub fn set(&self, now: Timestamp) {
        if let Source::Manual { wall, .. } = &self.0.source {
            wall.store(now.as_micros(), Ordering::SeqCst);
        }
    }

    /// Moves the wall clock and the monotonic clock of a manual clock; a system clock ignores it.
    pub fn advance(&self, span: Duration) {
        if let Source::Manual { wall, monotonic } = &self.0.source {
            let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            wall.fetch_add(micros, Ordering::SeqCst);
            monotonic.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Sets how far the wall clock of a system clock is off, in seconds; a manual clock ignores it. It
    /// is for tests of clocks that are wrong.
    pub fn shift(&self, seconds: i64) {
        if let Source::System { shift, .. } = &self.0.source {
            shift.store(seconds.saturating_mul(1_000_000), Ordering::SeqCst);
        }
    }

    /// Runs `work` on the state and a reading that is no earlier than the last one.
    fn with<T>(&self, work: impl FnOnce(&mut Reckoning, ClockReading) -> T) -> T {
        let mut reckoning = self.0.reckoning.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut reckoning, self.0.source.read())
    }
}

/// The wall clock of this machine is too far ahead of the clock of the store.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the clock of this machine is {} ahead of the store's", Span(*.by))]
pub struct ClockAhead {
    /// How far the wall clock is ahead.
    pub by: Duration,
}

/// A span of time as an operator reads it, in its two largest units.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.saturating_add(Duration::from_millis(500)).as_secs();
        let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
        let first = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(3);
        let mut rest = seconds;
        for (index, (name, size)) in units[first..].iter().take(2).enumerate() {
            let count = rest / size;
            rest %= size;
            if index == 0 {
                write!(f, "{count} {name}")?;
            } else if count > 0 {
                write!(f, " {count} {name}")?;
            }
        }
        Ok(())
    }
}

fn micros_of(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Logs what happened to the wall clock.
fn warn(notice: Notice) {
    match notice {
        Notice::SetBack(by) => {
            let by = Span(micros_of(by));
            tracing::warn!(
                "the clock of this machine was set back by {by}: time goes on meanwhile"
            );
        }
        Notice::LeaptAhead(by) => {
            let by = Span(micros_of(by));
            tracing::warn!("the clock of this machine leapt ahead by {by}");
        }
        Notice::AheadOfStore(by) => {
            let error = ClockAhead { by: micros_of(by) };
            tracing::warn!("{error}: nothing is appended until both agree");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of the clock")]
fn system_now() -> Timestamp {
    chrono::Utc::now().into()
}
