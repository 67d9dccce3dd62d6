//! What is asked of a view, as people write it and as it is understood.

use std::fmt;
use std::time::Duration;

use whence_events::{Position, Timestamp};

use super::dimension::Dimension;
use super::error::InvalidQuery;
use super::view::View;
use super::zone::{Zone, parse_day};

/// What people write for "nothing was known", besides nothing at all.
const UNKNOWN: &str = "(unknown)";

/// A question as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryText {
    /// The first day or moment that counts.
    pub from: Option<String>,
    /// The first day or moment that no longer counts.
    pub to: Option<String>,
    /// Dimensions, with commas between.
    pub by: Option<String>,
    /// `dimension=value`
    pub filters: Vec<String>,
    /// Whose days these are.
    pub timezone: Option<String>,
}

/// A question to a view. The default asks for everything, in UTC, grouped as the view is by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The first moment that counts.
    pub from: Option<Timestamp>,
    /// The first moment that no longer counts.
    pub to: Option<Timestamp>,
    /// Dimensions to group by; `None`: those that the view has by itself.
    pub by: Option<Vec<Dimension>>,
    /// Dimension and value, `None`: unknown. Of values of one dimension one has to hold, and that for
    /// every dimension that is named.
    pub filters: Vec<(Dimension, Option<String>)>,
    /// Whose days these are.
    pub zone: Zone,
}

impl Query {
    /// What the question means for a view.
    ///
    /// # Errors
    /// One sentence, with what is known instead.
    pub fn parse(view: View, asked: &QueryText) -> Result<Self, InvalidQuery> {
        let zone = asked.timezone.as_deref().map_or(Ok(Zone::default()), Zone::parse)?;
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
        Ok(Self { from, to, by, filters: filters.collect::<Result<_, _>>()?, zone })
    }

    /// Whether a moment is inside.
    pub(super) fn covers(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }

    pub(super) fn is_of_all_time(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// What to group by.
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

/// Where in the log a report ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsOf {
    /// At its end.
    #[default]
    Head,
    /// With the event at this position; 0: before the first.
    Position(Position),
    /// Before the first event that the log took later than this.
    Time(Timestamp),
}

impl AsOf {
    /// A position, a day, which is all that the log took before it, or a moment in RFC 3339.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, InvalidQuery> {
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
