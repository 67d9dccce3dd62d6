//! Queries of a SQLite file.

use rusqlite::types::{FromSqlError, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use uuid::Uuid;

use crate::read_db::error::QueryError;
use crate::read_db::select::{Row, Select, Value, known};

/// Returns the first row of an answer.
pub(super) fn first<T>(
    connection: &Connection,
    select: &Select<T>,
    values: &[Value<'_>],
) -> Result<Option<T>, QueryError> {
    let mut statement = connection.prepare_cached(select.sql.for_sqlite())?;
    let mut rows = statement.query(params_from_iter(values))?;
    rows.next()?.map(|row| (select.read)(row)).transpose()
}

/// Returns all rows of an answer.
pub(super) fn all<T>(
    connection: &Connection,
    select: &Select<T>,
    values: &[Value<'_>],
) -> Result<Vec<T>, QueryError> {
    let mut statement = connection.prepare_cached(select.sql.for_sqlite())?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push((select.read)(row)?);
    }
    Ok(all)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(id) => ValueRef::Blob(id.as_bytes()),
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn uuid_or_null(&self, column: usize) -> Result<Option<Uuid>, QueryError> {
        let bytes = self.bytes_or_null(column)?;
        bytes.map(|bytes| known(Uuid::from_slice(bytes).ok())).transpose()
    }

    fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, QueryError> {
        Ok(self.get_ref(column)?.as_blob_or_null().map_err(of_type)?)
    }

    fn int_or_null(&self, column: usize) -> Result<Option<i64>, QueryError> {
        Ok(self.get_ref(column)?.as_i64_or_null().map_err(of_type)?)
    }

    fn text_or_null(&self, column: usize) -> Result<Option<&str>, QueryError> {
        Ok(self.get_ref(column)?.as_str_or_null().map_err(of_type)?)
    }

    fn flag(&self, column: usize) -> Result<bool, QueryError> {
        Ok(self.get(column)?)
    }
}

fn of_type(error: FromSqlError) -> rusqlite::Error {
    error.into()
}
