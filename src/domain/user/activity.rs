//! When the use of a session is recorded: often enough for reports and for the idle limit, and seldom
//! enough for the log.

use std::time::Duration;

use whence_events::Timestamp;

use super::SESSION_IDLE;

const DAY: Duration = Duration::from_hours(24);

/// How long after Monday 00:00 UTC it is still Sunday somewhere.
const SUNDAY_SOMEWHERE: Duration = Duration::from_hours(12);

/// The period in which one use of a session is recorded at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActivityPeriod {
    /// A calendar day in UTC.
    Day,
    /// A calendar week in UTC, from Monday on. In America that Monday is still Sunday for some hours, so
    /// that a use in those does not stand for the week there: the first use after them is recorded, too.
    #[default]
    Week,
    /// No period: a use is recorded only when it extends a session of which less than half is left.
    None,
}

/// The times of a session that decide whether a use of it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimes {
    /// The time of the last use on record.
    pub used_at: Timestamp,
    /// The end of the session, unless it is extended.
    pub expires_at: Timestamp,
    /// The end of the session beyond which it cannot be extended.
    pub absolute_expires_at: Timestamp,
}

impl SessionTimes {
    /// Returns the end of the session when it is extended by a use.
    #[must_use]
    pub fn after_use(self, now: Timestamp) -> Timestamp {
        (now + SESSION_IDLE).min(self.absolute_expires_at).max(self.expires_at)
    }
}

impl ActivityPeriod {
    /// Returns whether a use of a session is to be recorded.
    #[must_use]
    pub fn is_due(self, session: SessionTimes, now: Timestamp) -> bool {
        let extensible = session.expires_at < session.absolute_expires_at;
        let extends = extensible && needs_extension(session.expires_at, now);
        extends || (self != Self::None && session.used_at < self.part_start(now))
    }

    /// Returns the beginning of the part of the period that `now` is in. A week has two parts: the hours
    /// in which it has not begun everywhere, and the rest, which is of the same week in every time zone
    /// from the Pacific to Greenwich, and but for its Sunday east of it.
    fn part_start(self, now: Timestamp) -> Timestamp {
        let start = self.start(now);
        let everywhere = start + SUNDAY_SOMEWHERE;
        if self == Self::Week && now >= everywhere { everywhere } else { start }
    }

    /// Returns the beginning of the period that `now` is in. A browser that got its cookies before
    /// that gets them anew, so that they last as long as the session does.
    #[must_use]
    pub fn start(self, now: Timestamp) -> Timestamp {
        let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
        let days = now.as_micros().div_euclid(day);
        match self {
            Self::Day => Timestamp::from_micros(days * day),
            // The first day of the epoch was a Thursday.
            Self::Week => Timestamp::from_micros((days - (days + 3).rem_euclid(7)) * day),
            Self::None => now - SESSION_IDLE / 2,
        }
    }
}

/// Returns whether a session that ends at `expires_at` is in the second half of its idle time.
#[must_use]
pub fn needs_extension(expires_at: Timestamp, now: Timestamp) -> bool {
    expires_at.since(now) < SESSION_IDLE / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn periods_begin_with_days_and_mondays() {
        let start = |period: ActivityPeriod, text: &str| period.start(at(text));
        let monday = at("2026-03-02T00:00:00Z");
        for text in ["2026-03-02T00:00:00Z", "2026-03-05T12:00:00Z", "2026-03-08T23:59:59.999999Z"]
        {
            assert_eq!(start(ActivityPeriod::Week, text), monday, "{text}");
        }
        assert_eq!(start(ActivityPeriod::Week, "2026-03-09T00:00:00Z"), monday + 7 * DAY);
        assert_eq!(start(ActivityPeriod::Week, "1970-01-01T00:00:00Z"), at("1969-12-29T00:00:00Z"));
        let day = start(ActivityPeriod::Day, "2026-03-05T23:59:59Z");
        assert_eq!(day, at("2026-03-05T00:00:00Z"));
    }

    #[test]
    fn a_use_is_recorded_once_in_a_period_and_before_the_session_ends() {
        let opened = at("2026-03-04T10:00:00Z");
        let times = SessionTimes {
            used_at: opened,
            expires_at: opened + SESSION_IDLE,
            absolute_expires_at: opened + 3 * SESSION_IDLE,
        };
        let due = |period: ActivityPeriod, text: &str| period.is_due(times, at(text));
        assert!(!due(ActivityPeriod::Week, "2026-03-08T23:59:59Z"));
        assert!(due(ActivityPeriod::Week, "2026-03-09T00:00:00Z"));
        assert!(due(ActivityPeriod::Week, "2026-03-09T12:00:00Z"));
        assert!(!due(ActivityPeriod::Day, "2026-03-04T23:59:59Z"));
        assert!(due(ActivityPeriod::Day, "2026-03-05T00:00:00Z"));
        assert!(!due(ActivityPeriod::None, "2026-03-19T10:00:00Z"));
        assert!(due(ActivityPeriod::None, "2026-03-19T10:00:01Z"));
        // While it is Sunday in America, a use is not one of the week that begins there later.
        let monday = SessionTimes { used_at: at("2026-03-09T03:00:00Z"), ..times };
        let due_again = |text: &str| ActivityPeriod::Week.is_due(monday, at(text));
        assert!(!due_again("2026-03-09T11:59:59Z"));
        assert!(due_again("2026-03-09T12:00:00Z"));
        let noon = SessionTimes { used_at: at("2026-03-09T12:00:00Z"), ..times };
        assert!(!ActivityPeriod::Week.is_due(noon, at("2026-03-15T23:59:59Z")));
        // At its last end a session is not extended any more, and its use still counts.
        let last = SessionTimes { expires_at: times.absolute_expires_at, ..times };
        let late = times.absolute_expires_at - DAY;
        assert!(!ActivityPeriod::None.is_due(last, late));
        assert!(ActivityPeriod::Week.is_due(last, late));
    }

    /// A session that is used on every day of a place, at any time of it, has a record in each of its
    /// weeks, and at most two in a week of UTC.
    #[test]
    fn a_session_that_is_used_daily_has_a_record_in_every_week_of_every_place() {
        let first_monday = at("2026-01-05T00:00:00Z").as_micros();
        let (hour, day) = (3_600_000_000_i64, 86_400_000_000_i64);
        let mut seed = 88_172_645_463_325_252_u64;
        let mut random = move |below: i64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            i64::try_from(seed >> 1).unwrap() % below
        };
        for offset in (-12..=14).cycle().take(27 * 20) {
            let local_midnight = |day_number: i64| first_monday + day_number * day - offset * hour;
            let opened = Timestamp::from_micros(local_midnight(0) + random(day));
            let mut times = SessionTimes {
                used_at: opened,
                expires_at: opened + SESSION_IDLE,
                absolute_expires_at: opened + 4 * SESSION_IDLE,
            };
            let mut records = vec![opened];
            for day_number in 1..7 * 8 {
                let now = Timestamp::from_micros(local_midnight(day_number) + random(day));
                if ActivityPeriod::Week.is_due(times, now) {
                    times =
                        SessionTimes { used_at: now, expires_at: times.after_use(now), ..times };
                    records.push(now);
                }
            }
            for week in 0..8 {
                let inside = |begin: i64| {
                    let week = begin..begin + 7 * day;
                    records.iter().filter(|at| week.contains(&at.as_micros())).count()
                };
                assert!(
                    inside(local_midnight(7 * week)) > 0,
                    "week {week} at {offset}: {records:?}"
                );
                assert!(inside(first_monday + 7 * week * day) <= 2, "{records:?}");
            }
        }
    }
}
