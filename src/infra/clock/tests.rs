//! Clocks that are set, set back, and wrong.

use std::time::Duration;

use whence_events::Timestamp;

use super::reckoning::{ClockReading, MAX_LEAD, Notice, Reckoning};
use super::{Clock, Span};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// The clocks of a machine, and what is made of them.
struct Machine {
    wall: i64,
    monotonic: i64,
    reckoning: Reckoning,
}

impl Machine {
    fn at(wall: i64) -> Self {
        let reckoning = Reckoning::new(ClockReading { wall, monotonic: 0 });
        Self { wall, monotonic: 0, reckoning }
    }

    fn reading(&self) -> ClockReading {
        ClockReading { wall: self.wall, monotonic: self.monotonic }
    }

    fn now(&mut self) -> i64 {
        self.reckoning.now(self.reading()).0
    }

    /// Lets time pass, on both clocks.
    fn pass(&mut self, span: i64) -> i64 {
        self.wall += span;
        self.monotonic += span;
        self.now()
    }
}

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
    clock.advance(Duration::from_micros(5));
    assert_eq!(clock.now(), at(205));
}

#[test]
fn time_goes_on_after_the_clock_was_set_back() {
    for back in [2 * SECOND, HOUR, 30 * DAY] {
        let mut machine = Machine::at(100 * DAY);
        let before = machine.now();
        machine.wall -= back;
        assert_eq!(machine.now(), before);
        assert_eq!(machine.pass(HOUR), before + HOUR);
        assert_eq!(machine.pass(30 * DAY), before + 30 * DAY + HOUR);
        // Right again: what the wall clock says, and not twice what has passed.
        machine.wall += back;
        assert_eq!(machine.now(), before + 30 * DAY + HOUR);
        assert_eq!(machine.now(), machine.wall);
    }
}

#[test]
fn nobody_has_to_ask_for_time_to_go_on() {
    let mut machine = Machine::at(100 * DAY);
    let before = machine.now();
    machine.wall -= HOUR;
    machine.now();
    assert_eq!(machine.pass(HOUR + SECOND / 2), before + HOUR + SECOND / 2);
    assert_eq!(machine.pass(DAY), before + DAY + HOUR + SECOND / 2);
}

#[test]
fn a_second_is_waited_for() {
    let mut machine = Machine::at(100 * DAY);
    machine.now();
    machine.wall -= SECOND;
    assert_eq!(machine.pass(SECOND / 2), 100 * DAY);
    assert_eq!(machine.pass(SECOND), machine.wall, "the wall clock, as before");
}

#[test]
fn time_goes_on_from_the_last_moment_in_the_log() {
    let mut machine = Machine::at(100 * DAY);
    machine.monotonic += HOUR;
    machine.reckoning.raise(130 * DAY, machine.reading());
    assert_eq!(machine.now(), 130 * DAY);
    assert_eq!(machine.reckoning.ahead(machine.reading()), 30 * DAY);
    assert_eq!(machine.pass(HOUR), 130 * DAY + HOUR);
    // A moment that another node recorded earlier changes nothing.
    machine.reckoning.raise(120 * DAY, machine.reading());
    assert_eq!(machine.pass(HOUR), 130 * DAY + 2 * HOUR);
}

#[test]
fn a_clock_that_was_ahead_for_a_moment_is_survived() {
    let mut machine = Machine::at(100 * DAY);
    machine.now();
    machine.wall += 30 * DAY;
    let far = machine.now();
    assert_eq!(far, 130 * DAY, "nothing tells it from a machine that slept");
    machine.wall -= 30 * DAY;
    assert_eq!(machine.pass(HOUR), far + HOUR);
    // The machine sleeps: its monotonic clock does not count that, and its wall clock does.
    machine.wall += 3 * HOUR;
    assert_eq!(machine.now(), far + 4 * HOUR);
    // A correction of years does not count as time that passed.
    machine.wall = 0;
    machine.now();
    machine.wall = 100 * DAY;
    assert_eq!(machine.now(), far + 4 * HOUR + DAY);
}

#[test]
fn leaps_are_noticed_once() {
    let mut machine = Machine::at(100 * DAY);
    machine.now();
    let mut leap = |by| {
        machine.wall += by;
        let first = machine.reckoning.now(machine.reading()).1;
        assert_eq!(machine.reckoning.now(machine.reading()).1, None);
        first
    };
    assert_eq!(leap(DAY), Some(Notice::LeaptAhead(DAY)));
    assert_eq!(leap(-HOUR), Some(Notice::SetBack(HOUR)));
    assert_eq!(leap(30 * SECOND), None);
    assert_eq!(leap(-30 * SECOND), None);
}

#[test]
fn a_clock_far_ahead_of_the_stores_is_not_used() {
    for from_the_start in [true, false] {
        let mut machine = Machine::at(if from_the_start { 130 * DAY } else { 100 * DAY });
        machine.reckoning.compare(100 * DAY, machine.reading());
        let before = machine.now();
        assert_eq!(before, 100 * DAY);
        machine.wall = 130 * DAY;
        let (time, notice) = machine.reckoning.now(machine.reading());
        assert_eq!(time, before);
        if !from_the_start {
            assert_eq!(notice, Some(Notice::AheadOfStore(30 * DAY)));
        }
        assert_eq!(machine.reckoning.now(machine.reading()).1, None, "said once a minute");
        assert_eq!(machine.reckoning.lead(machine.reading()), Some(30 * DAY));
        assert_eq!(machine.pass(HOUR), before + HOUR, "time goes on by the store's");
        machine.wall -= 30 * DAY;
        assert_eq!(machine.reckoning.lead(machine.reading()), None);
        assert_eq!(machine.now(), before + HOUR);
    }
}

#[test]
fn a_machine_that_slept_is_told_by_the_store_how_late_it_is() {
    let mut machine = Machine::at(100 * DAY);
    machine.reckoning.compare(100 * DAY, machine.reading());
    machine.now();
    machine.wall += 30 * DAY;
    assert!(machine.reckoning.lead(machine.reading()).is_some());
    machine.reckoning.compare(130 * DAY, machine.reading());
    assert_eq!(machine.reckoning.lead(machine.reading()), None);
    assert_eq!(machine.now(), 130 * DAY);
}

#[test]
fn a_store_that_was_set_back_stops_nobody_who_appends() {
    let mut machine = Machine::at(100 * DAY);
    machine.now();
    machine.reckoning.compare(50 * DAY, machine.reading());
    assert!(machine.reckoning.lead(machine.reading()).is_some());
    machine.reckoning.raise(100 * DAY, machine.reading());
    assert_eq!(machine.reckoning.lead(machine.reading()), None);
    assert_eq!(machine.pass(DAY), 101 * DAY);
    machine.wall += MAX_LEAD + 1;
    assert_eq!(machine.reckoning.lead(machine.reading()), Some(MAX_LEAD + 1));
}

#[test]
fn manual_clocks_are_not_held_against_a_store() {
    let clock = Clock::manual(Timestamp::from_micros(100 * DAY));
    clock.compare(Timestamp::from_micros(0));
    assert!(clock.check().is_ok());
    let clock = Clock::system();
    clock.compare(clock.now());
    clock.shift(30 * 86_400);
    let error = clock.check().unwrap_err().to_string();
    // By a few microseconds more or less than was set.
    let ahead = error.contains("is 30 d ahead of the store's");
    assert!(ahead || error.contains("is 29 d 23 h ahead of the store's"), "{error}");
}

#[test]
fn spans_have_two_units() {
    for (seconds, text) in
        [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_723, "1 h 2 min"), (2_592_000, "30 d")]
    {
        assert_eq!(Span(Duration::from_secs(seconds)).to_string(), text);
    }
}
