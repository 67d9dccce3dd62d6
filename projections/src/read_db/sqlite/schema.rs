//! Tables in the words of SQLite.

use crate::schema::{ColumnType, RowSize, TableSchema};

/// The table of how far each projector is.
pub(super) const CHECKPOINTS: &str = "CREATE TABLE IF NOT EXISTS checkpoints (
       projector TEXT PRIMARY KEY,
       version   INTEGER NOT NULL,
       position  INTEGER NOT NULL,
       event_id  BLOB
     ) STRICT, WITHOUT ROWID";

/// Returns the statements that make a table and its indexes.
pub(super) fn create(table: &TableSchema) -> String {
    let columns = table.columns.iter().map(|column| {
        let column_type = match column.column_type {
            ColumnType::Uuid | ColumnType::Bytes => "BLOB",
            ColumnType::Int => "INTEGER",
            // SQLite sorts text by its bytes.
            ColumnType::Text | ColumnType::BytewiseText => "TEXT",
        };
        let not_null = if column.nullable { "" } else { " NOT NULL" };
        format!("  {} {column_type}{not_null},\n", column.name)
    });
    let (columns, name) = (columns.collect::<String>(), table.name);
    let options = match table.rows {
        RowSize::Small => "STRICT, WITHOUT ROWID",
        RowSize::Large => "STRICT",
    };
    let key = table.key.join(", ");
    let indexes = table.indexes.iter().map(|index| {
        let only = index.only.map(|only| format!(" WHERE {only}")).unwrap_or_default();
        format!("CREATE INDEX {} ON {name} ({}){only};\n", index.name, index.columns.join(", "))
    });
    let indexes = indexes.collect::<String>();
    format!("CREATE TABLE {name} (\n{columns}  PRIMARY KEY ({key})\n) {options};\n{indexes}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::samples::{LARGE, SMALL};

    #[test]
    fn a_table_is_strict_and_sorted_by_its_key() {
        let expected = "CREATE TABLE codes (
  owner BLOB NOT NULL,
  code TEXT NOT NULL,
  kind TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (owner, code)
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_by_end ON codes (at, code);
CREATE INDEX codes_in_use ON codes (at) WHERE at > 0;
";
        assert_eq!(create(&SMALL), expected);
    }

    #[test]
    fn large_rows_are_not_in_the_tree_of_the_key() {
        let expected = "CREATE TABLE tiles (
  tile INTEGER NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (tile)
) STRICT;
";
        assert_eq!(create(&LARGE), expected);
    }
}
