//! The schema of an export: fields with names and types, and the values in them.

use std::borrow::Cow;

use whence_events::Timestamp;

/// A column of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name of the column.
    pub name: &'static str,
    /// The kind of values that it holds.
    pub kind: FieldKind,
    /// Whether a value may be missing.
    pub optional: bool,
    /// Whether the same few values occur many times.
    pub repetitive: bool,
}

/// The kinds of values that a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A whole number; 64 bits with a sign in Parquet, because Spark knows no others.
    Integer,
    /// A number with a fraction.
    Number,
    /// A text.
    Text,
    /// A JSON value: itself in JSON Lines, its text elsewhere.
    Json,
    /// A moment: RFC 3339 in text, `TIMESTAMP(MICROS, UTC)` in Parquet.
    Time,
    /// A calendar day.
    Day,
}

/// One value of an export.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A missing value.
    Missing,
    /// A value of an integer field.
    Integer(i64),
    /// A value of a number field.
    Number(f64),
    /// A value of a text field.
    Text(Cow<'a, str>),
    /// A value of a JSON field.
    Json(&'a str),
    /// A value of a time field.
    Time(Timestamp),
    /// A value of a day field, in days since 1970-01-01.
    Day(i32),
}

impl Field {
    /// Returns a column that has a value in every row.
    #[must_use]
    pub const fn new(name: &'static str, kind: FieldKind) -> Self {
        Self { name, kind, optional: false, repetitive: false }
    }

    /// Returns the same column, where values may be missing.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Returns the same column, where the same few values occur many times.
    #[must_use]
    pub const fn repetitive(self) -> Self {
        Self { repetitive: true, ..self }
    }
}

#[cfg(feature = "parquet")]
impl<'a> Value<'a> {
    pub(super) fn into_integer(self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(number) } else { None }
    }

    pub(super) fn into_number(self) -> Option<f64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        if let Self::Json(text) = self {
            Some(Cow::Borrowed(text))
        } else if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    pub(super) fn into_micros(self) -> Option<i64> {
        if let Self::Time(at) = self { Some(at.as_micros()) } else { None }
    }

    pub(super) fn into_day(self) -> Option<i32> {
        if let Self::Day(day) = self { Some(day) } else { None }
    }
}

impl Value<'_> {
    /// Returns the value as text; `None`: it is missing.
    pub(super) fn to_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Missing => return None,
            Self::Integer(number) => number.to_string().into(),
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Json(text) => Cow::Borrowed(*text),
            Self::Time(at) => at.to_string().into(),
            Self::Day(day) => day_text(*day).into(),
        })
    }
}

/// Returns a day, such as `2026-03-14`.
fn day_text(day: i32) -> String {
    chrono::NaiveDate::from_epoch_days(day).unwrap_or_default().to_string()
}
