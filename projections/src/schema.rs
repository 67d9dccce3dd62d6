//! The tables of read models, described once: each database has its own words for the types.

#[cfg(test)]
pub(crate) mod samples;

/// A table of a read model.
#[derive(Debug)]
pub struct TableSchema {
    /// Its name, the same in each database.
    pub name: &'static str,
    /// Its columns, in their order.
    pub columns: &'static [ColumnSchema],
    /// The columns of its primary key, in the order of the key.
    pub key: &'static [&'static str],
    /// Its other indexes.
    pub indexes: &'static [IndexSchema],
    /// How large its rows are, which decides how a database lays them out.
    pub rows: RowSize,
}

/// How large the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowSize {
    /// Rows of some hundred bytes at most.
    Small,
    /// Rows of kilobytes that cannot be compressed. SQLite keeps them out of the tree of the key, and
    /// Postgres does not try to compress them.
    Large,
}

/// A column of a table.
#[derive(Debug)]
pub struct ColumnSchema {
    /// Its name.
    pub name: &'static str,
    /// The type of its values.
    pub column_type: ColumnType,
    /// Whether a row may have no value in it.
    pub nullable: bool,
}

/// The type of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// An id of 16 bytes.
    Uuid,
    /// Bytes: hashes, keys, sealed fields.
    Bytes,
    /// A whole number of 64 bits: counts, positions, and times in microseconds.
    Int,
    /// Text that is never sorted by.
    Text,
    /// Text that is sorted by its bytes in each database, whatever the locale of the database.
    BytewiseText,
}

/// An index of a table.
#[derive(Debug)]
pub struct IndexSchema {
    /// Its name.
    pub name: &'static str,
    /// The columns that it sorts by.
    pub columns: &'static [&'static str],
    /// The condition that rows in the index meet; all rows are in it when there is none. It names
    /// columns of the table and is the same text in each database.
    pub only: Option<&'static str>,
}

impl ColumnSchema {
    const fn new(name: &'static str, column_type: ColumnType) -> Self {
        Self { name, column_type, nullable: false }
    }

    /// Returns the same column, in which a row may have no value.
    #[must_use]
    pub const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }
}

/// Returns a column of ids.
pub(crate) const fn uuid(name: &'static str) -> ColumnSchema {
    ColumnSchema::new(name, ColumnType::Uuid)
}

/// Returns a column of bytes.
pub(crate) const fn bytes(name: &'static str) -> ColumnSchema {
    ColumnSchema::new(name, ColumnType::Bytes)
}

/// Returns a column of whole numbers or times.
pub(crate) const fn int(name: &'static str) -> ColumnSchema {
    ColumnSchema::new(name, ColumnType::Int)
}

/// Returns a column of text.
pub(crate) const fn text(name: &'static str) -> ColumnSchema {
    ColumnSchema::new(name, ColumnType::Text)
}

/// Returns a column of text that is sorted by its bytes.
pub(crate) const fn bytewise_text(name: &'static str) -> ColumnSchema {
    ColumnSchema::new(name, ColumnType::BytewiseText)
}

/// Returns an index of all rows by some columns.
pub(crate) const fn index(name: &'static str, columns: &'static [&'static str]) -> IndexSchema {
    IndexSchema { name, columns, only: None }
}
