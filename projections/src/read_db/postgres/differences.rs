//! Compares a table of two schemas inside of the server, which answers with the rows that differ.

use futures::TryStreamExt as _;
use tokio_postgres::{Client, Row};

use crate::read_db::differences::{CellValue, ComparedRow, Differences};
use crate::read_db::error::ProjectError;
use crate::read_db::sql::SchemaName;
use crate::schema::{ColumnType, TableSchema};

/// Adds to `found` what differs between a live table and the one in the schema `rebuilt`.
pub(super) async fn compare(
    client: &Client,
    rebuilt: SchemaName,
    table: &TableSchema,
    found: &mut Differences,
) -> Result<(), ProjectError> {
    let same_key = table.key.iter().map(|name| format!("l.{name} = s.{name}"));
    let same_key = same_key.collect::<Vec<_>>().join(" AND ");
    let columns = |side| table.columns.iter().map(move |column| format!("{side}.{}", column.name));
    let columns = columns("l").chain(columns("s")).collect::<Vec<_>>().join(", ");
    // A column of the key is null on the side that has no such row.
    let (name, key) = (table.name, table.key[0]);
    let sql = format!(
        "SELECT {columns}, l.{key} IS NOT NULL, s.{key} IS NOT NULL
         FROM read.{name} l FULL JOIN {} s ON {same_key}
         WHERE l IS DISTINCT FROM s",
        rebuilt.table(name)
    );
    let none: [&str; 0] = [];
    let mut rows = std::pin::pin!(client.query_raw(&sql, none).await?);
    while let Some(row) = rows.try_next().await? {
        let width = table.columns.len();
        let (is_live, is_rebuilt) = (row.try_get(2 * width)?, row.try_get(2 * width + 1)?);
        let live = if is_live { Some(cells(table, &row, 0)?) } else { None };
        let rebuilt = if is_rebuilt { Some(cells(table, &row, width)?) } else { None };
        found.add(&ComparedRow { table, live, rebuilt });
    }
    Ok(())
}

/// Returns the values of all columns of a table, which are in `row` from its column `first` on.
fn cells<'a>(
    table: &TableSchema,
    row: &'a Row,
    first: usize,
) -> Result<Vec<CellValue<'a>>, tokio_postgres::Error> {
    let columns = table.columns.iter().zip(first..);
    let cells = columns.map(|(column, at)| {
        let value = match column.column_type {
            ColumnType::Uuid => row.try_get::<_, Option<_>>(at)?.map(CellValue::Uuid),
            ColumnType::Bytes => row.try_get::<_, Option<_>>(at)?.map(CellValue::Bytes),
            ColumnType::Int => row.try_get::<_, Option<_>>(at)?.map(CellValue::Int),
            ColumnType::Text | ColumnType::BytewiseText => {
                row.try_get::<_, Option<_>>(at)?.map(CellValue::Text)
            }
        };
        Ok(value.unwrap_or(CellValue::Null))
    });
    cells.collect()
}
