//! Tables: the answers of views, which can be printed, charted, exported and sent as JSON.

use serde_json::{Map, Value, json};
use whence_events::{Position, Timestamp};

use super::zone::Zone;

/// The answer of a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The name of the view, as queries use it.
    pub name: &'static str,
    /// The title of the view, for people.
    pub title: &'static str,
    /// The columns: dimensions, then measures.
    pub columns: Vec<Column>,
    /// The rows, in the order to show them in; each has a cell for every column.
    pub rows: Vec<Vec<Cell>>,
    /// The position of the last event that was folded; 0 when there was none.
    pub as_of: Position,
    /// The time zone of its days and weeks.
    pub zone: Zone,
    /// What has to be known to read it.
    pub note: Option<Note>,
    /// The version of the rules about bots by which touches were judged again; `None`: the verdict on
    /// record counts.
    pub bot_rules: Option<u16>,
}

/// What has to be known to read a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The moment from which on the log has every use of a session; `None`: it has none but those that
    /// extend one.
    UsesKnownFrom(Option<Timestamp>),
}

impl Note {
    /// Returns it as a sentence for people.
    #[must_use]
    pub fn to_text(self) -> String {
        let before = "a session counts where it was opened or extended";
        match self {
            Self::UsesKnownFrom(Some(at)) => {
                format!("every use of a session is on record from {at} on; before that, {before}")
            }
            Self::UsesKnownFrom(None) => format!("not every use is on record: {before}"),
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name: the key in JSON, the header elsewhere.
    pub name: &'static str,
    /// The kind of its cells. A cell may be [`Cell::Unknown`] in any column.
    pub kind: Kind,
}

/// The kind of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The cells are [`Cell::Text`].
    Text,
    /// The cells are [`Cell::Day`].
    Day,
    /// The cells are [`Cell::Count`].
    Count,
    /// The cells are [`Cell::Credit`].
    Credit,
    /// The cells are [`Cell::Ratio`].
    Ratio,
    /// The cells are [`Cell::Seconds`].
    Seconds,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing was known, which is a row of its own and never left out: `null` in JSON, `(unknown)` in
    /// texts for people.
    Unknown,
    /// A word, a name, an id.
    Text(String),
    /// A calendar day, or the Monday a week begins with, in the report's time zone: days since
    /// 1970-01-01.
    Day(i32),
    /// A number of things.
    Count(u64),
    /// A part of a number of things, which several rows share.
    Credit(f64),
    /// A share or a rate, 1 being all; `Unknown` where there is nothing to divide by.
    Ratio(f64),
    /// A length of time in seconds.
    Seconds(f64),
}

impl Column {
    /// Makes a column.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

impl Cell {
    /// Returns the cell as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Unknown => Value::Null,
            Self::Text(text) => json!(text),
            Self::Day(day) => json!(day_text(*day)),
            Self::Count(count) => json!(count),
            Self::Credit(number) | Self::Ratio(number) | Self::Seconds(number) => json!(number),
        }
    }

    /// Returns the cell as text for people and for CSV; `None` when nothing is known. Credits have as
    /// many digits as their sum needs to be the number that was shared.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::Text(text) => Some(text.clone()),
            Self::Day(day) => Some(day_text(*day)),
            Self::Count(count) => Some(count.to_string()),
            Self::Credit(credit) => Some(format!("{credit:.9}")),
            Self::Ratio(ratio) => Some(format!("{ratio:.4}")),
            Self::Seconds(seconds) => Some(format!("{seconds:.1}")),
        }
    }
}

impl From<Option<&str>> for Cell {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Unknown, |text| Self::Text(text.to_owned()))
    }
}

impl Table {
    /// Returns `{"view", "as_of", "timezone", "timezone_database", "bot_rules", "rows": [{column: value, ...},
    /// ...]}`, and `uses_known_from` of retention; `bot_rules` is `record` or a version.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let row = |row: &Vec<Cell>| {
            let pairs = self.columns.iter().zip(row);
            let fields = pairs.map(|(column, cell)| (column.name.to_owned(), cell.to_json()));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        let bot_rules = self.bot_rules.map_or_else(|| json!("record"), |version| json!(version));
        let mut table = json!({
            "view": self.name,
            "as_of": self.as_of,
            "timezone": self.zone.name(),
            "timezone_database": self.zone.release(),
            "bot_rules": bot_rules,
            "rows": rows,
        });
        if let Some(Note::UsesKnownFrom(known_from)) = self.note {
            table["uses_known_from"] = json!(known_from.map(|at| at.to_string()));
        }
        table
    }
}

/// Returns a day like `2026-03-14`.
fn day_text(day: i32) -> String {
    let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or_default();
    let date = epoch.checked_add_signed(chrono::TimeDelta::days(day.into()));
    date.unwrap_or_default().to_string()
}
