//! Tables in the words of Postgres.

use crate::read_db::sql::SchemaName;
use crate::schema::{ColumnType, RowSize, TableSchema};

/// Returns the statements that make a schema and the table of how far each projector is.
pub(super) fn create_schema(schema: SchemaName) -> String {
    let name = schema.name();
    format!(
        "CREATE SCHEMA IF NOT EXISTS {name};
         CREATE TABLE {name}.checkpoints (
           projector text PRIMARY KEY,
           version   bigint NOT NULL,
           position  bigint NOT NULL,
           event_id  uuid
         )"
    )
}

/// Returns the statements that make a table and its indexes.
pub(super) fn create_table(schema: SchemaName, table: &TableSchema) -> String {
    let columns = table.columns.iter().map(|column| {
        let column_type = match column.column_type {
            ColumnType::Uuid => "uuid",
            ColumnType::Bytes => "bytea",
            ColumnType::Int => "bigint",
            ColumnType::Text => "text",
            ColumnType::BytewiseText => "text COLLATE \"C\"",
        };
        let not_null = if column.nullable { "" } else { " NOT NULL" };
        format!("  {} {column_type}{not_null},\n", column.name)
    });
    let (columns, name) = (columns.collect::<String>(), schema.table(table.name));
    let key = table.key.join(", ");
    let indexes = table.indexes.iter().map(|index| {
        let only = index.only.map(|only| format!(" WHERE {only}")).unwrap_or_default();
        format!("CREATE INDEX {} ON {name} ({}){only};\n", index.name, index.columns.join(", "))
    });
    let indexes = indexes.collect::<String>();
    let storage = storage(&name, table);
    format!("CREATE TABLE {name} (\n{columns}  PRIMARY KEY ({key})\n);\n{indexes}{storage}")
}

/// Returns the statements that keep the server from trying to compress what cannot be compressed.
fn storage(name: &str, table: &TableSchema) -> String {
    let is_large = |column_type| match table.rows {
        RowSize::Small => false,
        RowSize::Large => column_type == ColumnType::Bytes,
    };
    let large = table.columns.iter().filter(|column| is_large(column.column_type));
    let statements = large.map(|column| {
        format!("ALTER TABLE {name} ALTER COLUMN {} SET STORAGE EXTERNAL;\n", column.name)
    });
    statements.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::samples::{LARGE, SMALL};

    #[test]
    fn a_table_is_in_its_schema_and_sorts_by_bytes_where_it_says_so() {
        let expected = "CREATE TABLE read.codes (
  owner uuid NOT NULL,
  code text COLLATE \"C\" NOT NULL,
  kind text,
  at bigint NOT NULL,
  PRIMARY KEY (owner, code)
);
CREATE INDEX codes_by_end ON read.codes (at, code);
CREATE INDEX codes_in_use ON read.codes (at) WHERE at > 0;
";
        assert_eq!(create_table(SchemaName::Live, &SMALL), expected);
    }

    #[test]
    fn large_rows_are_not_compressed() {
        let expected = "CREATE TABLE read_check.tiles (
  tile bigint NOT NULL,
  hashes bytea NOT NULL,
  PRIMARY KEY (tile)
);
ALTER TABLE read_check.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
";
        assert_eq!(create_table(SchemaName::Check, &LARGE), expected);
    }
}
