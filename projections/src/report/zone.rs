//! Days and weeks of a time zone.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use whence_events::Timestamp;

use super::error::InvalidQuery;

/// Days from 0001-01-01 to 1970-01-01, plus one, as chrono counts.
const EPOCH: i32 = 719_163;

/// A time zone of the IANA database, which is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl Zone {
    /// Returns the zone of this name, in any case.
    pub fn parse(name: &str) -> Result<Self, InvalidQuery> {
        let known =
            chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name));
        known.copied().map(Self).ok_or_else(|| {
            InvalidQuery(format!(
                "there is no time zone {name:?}; zones are those of the IANA database, such as UTC, \
                 Europe/Berlin or America/New_York"
            ))
        })
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the calendar day of a moment, in days since 1970-01-01.
    #[must_use]
    pub fn day(self, at: Timestamp) -> i32 {
        let at = DateTime::<Utc>::from_timestamp_micros(at.as_micros()).unwrap_or_default();
        at.with_timezone(&self.0).date_naive().num_days_from_ce() - EPOCH
    }

    /// Returns the Monday of the week of a moment, in days since 1970-01-01.
    #[must_use]
    pub fn week(self, at: Timestamp) -> i32 {
        monday(self.day(at))
    }

    /// Returns the first moment of a day. Where the clocks skip midnight, that is later than 00:00.
    #[must_use]
    pub fn start_of(self, day: i32) -> Timestamp {
        let date = date_of(day);
        let midnight = date.and_time(NaiveTime::MIN);
        if let Some(at) = self.0.from_local_datetime(&midnight).earliest() {
            return Timestamp::from(at.to_utc());
        }
        // In the gap: the day begins when it ends. Gaps are whole minutes, and at most a day long.
        let mut minutes = (1..=24 * 60).map(|minute| midnight + chrono::TimeDelta::minutes(minute));
        let after = minutes.find_map(|time| self.0.from_local_datetime(&time).earliest());
        after.map_or_else(|| Timestamp::from(midnight.and_utc()), |at| Timestamp::from(at.to_utc()))
    }

    /// Reads a day, which is its first moment, or a moment in RFC 3339. The error names `what` was read.
    pub fn moment(self, what: &str, text: &str) -> Result<Timestamp, InvalidQuery> {
        if let Some(day) = parse_day(text) {
            return Ok(self.start_of(day));
        }
        text.parse().map_err(|_| {
            InvalidQuery(format!(
                "{what} {text:?} is neither a day like 2026-03-01 nor a time like \
                 2026-03-01T12:00:00Z"
            ))
        })
    }
}

/// Returns the Monday of the week of a day.
pub(super) fn monday(day: i32) -> i32 {
    // 1970-01-01 was a Thursday.
    day - (day + 3).rem_euclid(7)
}

/// Reads a day like `2026-03-01`.
pub(super) fn parse_day(text: &str) -> Option<i32> {
    let shaped = text.len() == 10 && text.is_ascii();
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shaped)?;
    Some(date.num_days_from_ce() - EPOCH)
}

fn date_of(day: i32) -> NaiveDate {
    let epoch = NaiveDate::default();
    let date = match u64::try_from(day) {
        Ok(after) => epoch.checked_add_days(Days::new(after)),
        Err(_) => epoch.checked_sub_days(Days::new(day.unsigned_abs().into())),
    };
    date.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_and_ends_where_its_zone_says() {
        let berlin = Zone::parse("europe/berlin").unwrap();
        let day = |text: &str| parse_day(text).unwrap();
        // The day on which the clocks go forward has 23 hours, the other one 25.
        for (date, begins, ends) in [
            ("2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z"),
        ] {
            assert_eq!(berlin.start_of(day(date)), at(begins), "{date}");
            assert_eq!(berlin.start_of(day(date) + 1), at(ends), "{date}");
            assert_eq!(berlin.day(at(begins)), day(date));
            assert_eq!(berlin.day(at(ends)), day(date) + 1);
            let last = Timestamp::from_micros(at(ends).as_micros() - 1);
            assert_eq!(berlin.day(last), day(date));
        }
    }

    #[test]
    fn a_day_without_midnight_begins_after_the_gap() {
        let beirut = Zone::parse("Asia/Beirut").unwrap();
        let day = parse_day("2022-03-27").unwrap();
        assert_eq!(beirut.start_of(day), at("2022-03-26T22:00:00Z"));
        assert_eq!(beirut.day(at("2022-03-26T22:00:00Z")), day);
        assert_eq!(beirut.day(at("2022-03-26T21:59:59.999999Z")), day - 1);
    }

    #[test]
    fn weeks_begin_on_mondays() {
        let utc = Zone::default();
        assert_eq!(utc.week(at("2026-03-15T23:59:59Z")), parse_day("2026-03-09").unwrap());
        assert_eq!(utc.week(at("2026-03-16T00:00:00Z")), parse_day("2026-03-16").unwrap());
        assert_eq!(utc.week(at("1969-12-30T00:00:00Z")), parse_day("1969-12-29").unwrap());
    }

    #[test]
    fn what_is_no_moment_and_no_zone_is_said() {
        for bad in ["", "2026-3-1", "2026-02-30", "yesterday", "2026-03-01T00:00:00", "20260301"] {
            assert!(Zone::default().moment("from", bad).is_err(), "{bad:?}");
        }
        assert!(Zone::parse("Mars/Olympus").is_err());
        assert_eq!(Zone::default().moment("from", "1970-01-02").unwrap().as_seconds(), 86_400);
    }
}
