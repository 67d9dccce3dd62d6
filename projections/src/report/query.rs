//! Queries of views, as people write them and as they are understood.

use std::fmt;
use std::time::Duration;

use whence_events::{Position, Timestamp};

use super::dimension::Dimension;
use super::error::InvalidQuery;
use super::view::View;
use super::zone::{Zone, ZoneDatabase, parse_day};

/// The text for "nothing was known"; an empty text means the same.
const UNKNOWN: &str = "(unknown)";

/// A query as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryText {
    /// The first day or moment that counts.
    pub from: Option<String>,
    /// The first day or moment that no longer counts.
    pub to: Option<String>,
    /// The dimensions to group by, separated by commas.
    pub by: Option<String>,
    /// The filters, each as `dimension=value`.
    pub filters: Vec<String>,
    /// The name of the time zone whose days these are.
    pub timezone: Option<String>,
    /// The database of time zones.
    pub zones: ZoneDatabase,
    /// The half-life of the model of time decay, such as `7d`.
    pub half_life: Option<String>,
}

/// A query of a view. The default asks for everything, in UTC, grouped by the dimensions of the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The first moment that counts.
    pub from: Option<Timestamp>,
    /// The first moment that no longer counts.
    pub to: Option<Timestamp>,
    /// The dimensions to group by; `None` for those of the view.
    pub by: Option<Vec<Dimension>>,
    /// Dimensions and values, of which `None` is unknown. A fact passes when, for every dimension that is
    /// named, it has one of the values.
    pub filters: Vec<(Dimension, Option<String>)>,
    /// The time zone whose days these are.
    pub zone: Zone,
    /// The time in which the credit of a touch halves in the model of time decay; `None` for
    /// [`HALF_LIFE`].
    pub half_life: Option<Duration>,
}

/// The half-life of the model of time decay when a query names none.
pub const HALF_LIFE: Duration = Duration::from_hours(7 * 24);

impl Query {
    /// Reads a query of a view; the error lists what the view knows.
    pub fn parse(view: View, asked: &QueryText) -> Result<Self, InvalidQuery> {
        let zone = Zone::of(&asked.zones, asked.timezone.as_deref().unwrap_or("UTC"))?;
        let moment = |what, text: &Option<String>| {
            text.as_deref().map(|text| zone.moment(what, text)).transpose()
        };
        let (from, to) = (moment("from", &asked.from)?, moment("to", &asked.to)?);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            return Err(InvalidQuery(format!("from {from} is after to {to}")));
        }
        let by = asked.by.as_deref().map(|by| parse_by(view, by)).transpose()?;
        let filters = asked.filters.iter().map(|filter| parse_filter(view, filter));
        let filters = filters.collect::<Result<_, _>>()?;
        let half_life = asked.half_life.as_deref().map(|text| parse_half_life(view, text));
        Ok(Self { from, to, by, filters, zone, half_life: half_life.transpose()? })
    }

    /// Returns whether a moment counts.
    pub(super) fn covers(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }

    pub(super) fn is_of_all_time(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Returns the dimensions to group by.
    pub(super) fn dimensions(&self, view: View) -> Vec<Dimension> {
        let mut by = self.by.clone().unwrap_or_else(|| view.default_by().to_vec());
        if let Some(always) = view.always()
            && !by.contains(&always)
        {
            by.push(always);
        }
        by
    }
}

fn parse_by(view: View, text: &str) -> Result<Vec<Dimension>, InvalidQuery> {
    let mut by = Vec::new();
    for name in text.split(',').map(str::trim) {
        let dimension = dimension(view, name)?;
        if by.contains(&dimension) {
            return Err(InvalidQuery(format!("by names {name} twice")));
        }
        by.push(dimension);
    }
    if view == View::Tree && by != view.default_by() {
        return Err(InvalidQuery("tree is always by part,which".to_owned()));
    }
    Ok(by)
}

/// Reads a number of days, hours or minutes, such as `7d`, `12h` or `90m`.
fn parse_half_life(view: View, text: &str) -> Result<Duration, InvalidQuery> {
    if view != View::Models {
        return Err(InvalidQuery(format!("only models has a half-life, {} has none", view.name())));
    }
    let minutes = [("d", 24 * 60), ("h", 60), ("m", 1)].into_iter().find_map(|(unit, minutes)| {
        let number = text.strip_suffix(unit)?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| number.parse::<u64>().ok()?.checked_mul(minutes)).flatten()
    });
    // Ten years are longer than any path.
    let half_life = minutes.filter(|minutes| (1..=10 * 366 * 24 * 60).contains(minutes));
    half_life.map(|minutes| Duration::from_secs(minutes * 60)).ok_or_else(|| {
        InvalidQuery(format!("half-life {text:?} is no time like 7d, 12h or 90m, up to ten years"))
    })
}

fn parse_filter(view: View, text: &str) -> Result<(Dimension, Option<String>), InvalidQuery> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(InvalidQuery(format!("where {text:?} is not dimension=value")));
    };
    let dimension = dimension(view, name.trim())?;
    if value.is_empty() || value == UNKNOWN {
        return Ok((dimension, None));
    }
    if let Some(words) = dimension.words()
        && !words.iter().any(|word| word == value)
    {
        let (name, known) = (dimension.name(), words.join(", "));
        return Err(InvalidQuery(format!("there is no {name} {value:?}; there are {known}")));
    }
    let is_day = matches!(dimension, Dimension::Day | Dimension::Week | Dimension::Cohort);
    if is_day && parse_day(value).is_none() {
        return Err(InvalidQuery(format!("where {text:?} takes a day like 2026-03-01")));
    }
    Ok((dimension, Some(value.to_owned())))
}

fn dimension(view: View, name: &str) -> Result<Dimension, InvalidQuery> {
    let known = view.dimensions().find(|dimension| dimension.name() == name);
    known.ok_or_else(|| {
        let names: Vec<_> = view.dimensions().map(Dimension::name).collect();
        let view = view.name();
        InvalidQuery(format!("{view} has no dimension {name:?}; it has {}", names.join(", ")))
    })
}

/// The place in the log where a report ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsOf {
    /// The end of the log.
    #[default]
    Head,
    /// The event at this position; 0 is before the first.
    Position(Position),
    /// The event before the first one that was recorded later than this moment.
    Time(Timestamp),
}

impl AsOf {
    /// Reads a position, a day, which is all that was recorded before it, or a moment in RFC 3339.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, InvalidQuery> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let position = text.parse();
            return position.map(Self::Position).map_err(|_| {
                InvalidQuery(format!("as-of {text} is no position: no log is that long"))
            });
        }
        if let Some(day) = parse_day(text) {
            return Ok(Self::Time(zone.start_of(day) - Duration::from_micros(1)));
        }
        zone.moment("as-of", text)
            .map(Self::Time)
            .map_err(|error| InvalidQuery(format!("{error}, nor a position like 1200")))
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("the end of the log"),
            Self::Position(position) => write!(f, "position {position}"),
            Self::Time(at) => at.fmt(f),
        }
    }
}
