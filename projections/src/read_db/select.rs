//! Queries that are written once and run on each database.

use uuid::Uuid;
use whence_events::{Pii, Sealed, Timestamp};

use super::error::QueryError;
use super::sql::Sql;

/// A query and how a row of its answer is read.
pub(crate) struct Select<T> {
    pub(super) sql: Sql,
    pub(super) read: ReadRow<T>,
}

/// Makes a value out of a row.
pub(crate) type ReadRow<T> = fn(&dyn Row) -> Result<T, QueryError>;

impl<T> Select<T> {
    pub(crate) const fn new(text: &'static str, read: ReadRow<T>) -> Self {
        Self { sql: Sql::new(text), read }
    }
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Uuid(Uuid),
    Int(i64),
    Text(&'a str),
}

impl From<u64> for Value<'_> {
    /// A database counts to [`i64::MAX`]: a larger number of rows, or a position, is that.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.as_micros())
    }
}

/// A row of an answer, read column by column; `None` is a column without a value.
pub(crate) trait Row {
    fn uuid_or_null(&self, column: usize) -> Result<Option<Uuid>, QueryError>;
    fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, QueryError>;
    fn int_or_null(&self, column: usize) -> Result<Option<i64>, QueryError>;
    fn text_or_null(&self, column: usize) -> Result<Option<&str>, QueryError>;
    /// Returns the answer of a condition, which is no column of a table.
    fn flag(&self, column: usize) -> Result<bool, QueryError>;
}

impl dyn Row + '_ {
    pub(crate) fn uuid(&self, column: usize) -> Result<Uuid, QueryError> {
        known(self.uuid_or_null(column)?)
    }

    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], QueryError> {
        known(self.bytes_or_null(column)?)
    }

    /// Returns bytes of which there are always as many.
    pub(crate) fn array<const N: usize>(&self, column: usize) -> Result<[u8; N], QueryError> {
        known(self.bytes(column)?.try_into().ok())
    }

    pub(crate) fn text(&self, column: usize) -> Result<&str, QueryError> {
        known(self.text_or_null(column)?)
    }

    pub(crate) fn string_or_null(&self, column: usize) -> Result<Option<String>, QueryError> {
        Ok(self.text_or_null(column)?.map(str::to_owned))
    }

    pub(crate) fn number<T: TryFrom<i64>>(&self, column: usize) -> Result<T, QueryError> {
        known(self.number_or_null(column)?)
    }

    pub(crate) fn number_or_null<T: TryFrom<i64>>(
        &self,
        column: usize,
    ) -> Result<Option<T>, QueryError> {
        let number = self.int_or_null(column)?;
        number.map(|number| known(T::try_from(number).ok())).transpose()
    }

    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, QueryError> {
        known(self.time_or_null(column)?)
    }

    pub(crate) fn time_or_null(&self, column: usize) -> Result<Option<Timestamp>, QueryError> {
        Ok(self.int_or_null(column)?.map(Timestamp::from_micros))
    }

    /// Returns a sealed field.
    pub(crate) fn sealed_or_null<T>(&self, column: usize) -> Result<Option<Pii<T>>, QueryError> {
        let bytes = self.bytes_or_null(column)?;
        Ok(bytes.map(|bytes| Pii::Sealed(Sealed(bytes.into()))))
    }
}

/// Returns a value, or the error of one that another version wrote.
pub(crate) fn known<T>(value: Option<T>) -> Result<T, QueryError> {
    value.ok_or(QueryError::Value)
}
