//! The arithmetic of the clock: what the time is, given what the clocks of the machine, the log and the
//! store say. All numbers are microseconds.

/// How far the wall clock may move, apart from the monotonic one, without that being a leap.
const LEAP: i64 = 60_000_000;

/// How much of a leap counts as time that passed while time is ahead of the wall clock.
const COUNTED_LEAP: i64 = 86_400_000_000;

/// How far time may be ahead of the wall clock and wait for it. Past that it goes on.
const WAIT: i64 = 1_000_000;

/// How far the wall clock may be ahead of the store's, until it is not used and appends are refused.
pub(super) const MAX_LEAD: i64 = 3 * 3_600_000_000;

/// How often it is logged that appends are refused.
const NOTICE_INTERVAL: i64 = 60_000_000;

/// A reading of the two clocks of a machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockReading {
    /// The time of day, which can be set.
    pub(super) wall: i64,
    /// The time since the clock was made, which cannot be set, and may stand still in a suspend.
    pub(super) monotonic: i64,
}

/// A moment that was certain at a reading of the monotonic clock, and goes on with it.
#[derive(Clone, Copy, Debug)]
struct Line {
    time: i64,
    since: i64,
}

impl Line {
    fn at(self, reading: ClockReading) -> i64 {
        self.time.saturating_add(reading.monotonic.saturating_sub(self.since))
    }
}

/// What is known of the time.
#[derive(Debug)]
pub(super) struct Reckoning {
    /// The latest moment that was returned.
    time: i64,
    last: ClockReading,
    /// The time of the store, once it is known.
    store: Option<Line>,
    /// The latest moment in the log, once it is known.
    log: Option<Line>,
    /// When it was last logged that appends are refused, by the monotonic clock.
    noticed: Option<i64>,
}

/// Something that happened to the wall clock, with how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    SetBack(i64),
    LeaptAhead(i64),
    AheadOfStore(i64),
}

impl Reckoning {
    pub(super) fn new(first: ClockReading) -> Self {
        Self { time: i64::MIN, last: first, store: None, log: None, noticed: None }
    }

    /// Returns the time, and what there is to say about the wall clock.
    pub(super) fn now(&mut self, reading: ClockReading) -> (i64, Option<Notice>) {
        let ClockReading { wall, monotonic } = reading;
        let passed = monotonic.saturating_sub(self.last.monotonic).max(0);
        let moved = wall.saturating_sub(self.last.wall);
        let leap = moved.saturating_sub(passed);
        self.last = reading;
        let gone_on = self.time.saturating_add(passed);
        if let Some(lead) = self.lead(reading) {
            let reference = self.reference(reading).unwrap_or(i64::MIN);
            self.time = self.time.max(gone_on).max(reference);
            return (self.time, self.notice_ahead(lead, monotonic));
        }
        self.noticed = None;
        let ahead = gone_on.saturating_sub(wall);
        if ahead <= WAIT {
            self.time = self.time.max(wall);
        } else if leap >= LEAP && ahead > LEAP && self.store.is_none() {
            // The machine slept, perhaps: what expired meanwhile must not stay valid. Or its clock was
            // corrected, and then only so much may count.
            self.time = self.time.saturating_add(moved.min(COUNTED_LEAP)).max(wall);
        } else {
            self.time = gone_on.max(wall);
        }
        let notice = if leap >= LEAP {
            Some(Notice::LeaptAhead(leap))
        } else if leap <= -LEAP {
            Some(Notice::SetBack(leap.saturating_neg()))
        } else {
            None
        };
        (self.time, notice)
    }

    /// Takes note of a moment that the log holds; returns what there is to say about the wall clock.
    pub(super) fn raise(&mut self, floor: i64, reading: ClockReading) -> Option<Notice> {
        // What passed until now was before that moment was known.
        let notice = if self.time == i64::MIN { None } else { self.now(reading).1 };
        self.last = reading;
        self.time = self.time.max(floor);
        if self.log.is_none_or(|log| log.at(reading) < floor) {
            self.log = Some(Line { time: floor, since: reading.monotonic });
        }
        notice
    }

    /// Takes note of the time of the store.
    pub(super) fn compare(&mut self, store: i64, reading: ClockReading) {
        self.store = Some(Line { time: store, since: reading.monotonic });
    }

    /// Returns how far the latest time that was returned is ahead of the wall clock.
    pub(super) fn ahead(&self, reading: ClockReading) -> i64 {
        self.time.saturating_sub(reading.wall)
    }

    /// Returns how far the wall clock is ahead of the store's, when that is too far.
    pub(super) fn lead(&self, reading: ClockReading) -> Option<i64> {
        self.store?;
        let lead = reading.wall.saturating_sub(self.reference(reading)?);
        Some(lead).filter(|lead| *lead > MAX_LEAD)
    }

    /// Returns the time by the store and the log together: a store whose clock was set back alone does
    /// not stop the nodes that append to it.
    fn reference(&self, reading: ClockReading) -> Option<i64> {
        self.store.into_iter().chain(self.log).map(|line| line.at(reading)).max()
    }

    fn notice_ahead(&mut self, lead: i64, monotonic: i64) -> Option<Notice> {
        let due = self.noticed.is_none_or(|at| monotonic.saturating_sub(at) >= NOTICE_INTERVAL);
        due.then(|| {
            self.noticed = Some(monotonic);
            Notice::AheadOfStore(lead)
        })
    }
}
