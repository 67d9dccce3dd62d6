//! Compares two tables in the order of their keys, with one row of each in memory.

use std::cmp::Ordering;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::read_db::differences::{CellValue, ComparedRow, Differences};
use crate::schema::{ColumnType, TableSchema};

/// Adds to `found` what differs in a table of both files.
pub(super) fn compare(
    live: &Connection,
    rebuilt: &Connection,
    table: &TableSchema,
    found: &mut Differences,
) -> rusqlite::Result<()> {
    let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let at = |name: &&str| columns.iter().position(|column| column == name);
    let key: Vec<_> = table.key.iter().filter_map(at).collect();
    let (columns, sorted) = (columns.join(", "), table.key.join(", "));
    let sql = format!("SELECT {columns} FROM {} ORDER BY {sorted}", table.name);
    let (mut live, mut rebuilt) = (live.prepare(&sql)?, rebuilt.prepare(&sql)?);
    let (mut live, mut rebuilt) = (live.query([])?, rebuilt.query([])?);
    live.advance()?;
    rebuilt.advance()?;
    loop {
        let (ours, theirs) = (live.get(), rebuilt.get());
        let order = match (ours, theirs) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(ours), Some(theirs)) => order_of_rows(&key, ours, theirs)?,
        };
        found.rows += 1;
        let row = |live, rebuilt| ComparedRow { table, live, rebuilt };
        match (order, ours, theirs) {
            (Ordering::Equal, Some(ours), Some(theirs)) => {
                if !are_equal(table, ours, theirs)? {
                    found.add(&row(Some(cells(table, ours)?), Some(cells(table, theirs)?)));
                }
            }
            (Ordering::Less, Some(ours), _) => found.add(&row(Some(cells(table, ours)?), None)),
            (_, _, theirs) => {
                let theirs = theirs.map(|theirs| cells(table, theirs)).transpose()?;
                found.add(&row(None, theirs));
            }
        }
        if order != Ordering::Greater {
            live.advance()?;
        }
        if order != Ordering::Less {
            rebuilt.advance()?;
        }
    }
}

/// Orders two rows by the columns of the key.
fn order_of_rows(key: &[usize], one: &Row<'_>, other: &Row<'_>) -> rusqlite::Result<Ordering> {
    for column in key {
        let order = order(one.get_ref(*column)?, other.get_ref(*column)?);
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

fn are_equal(table: &TableSchema, one: &Row<'_>, other: &Row<'_>) -> rusqlite::Result<bool> {
    for column in 0..table.columns.len() {
        if one.get_ref(column)? != other.get_ref(column)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Orders two values as SQLite does; those of a column have one type.
fn order(one: ValueRef<'_>, other: ValueRef<'_>) -> Ordering {
    match (one, other) {
        (ValueRef::Integer(one), ValueRef::Integer(other)) => one.cmp(&other),
        (ValueRef::Text(one), ValueRef::Text(other))
        | (ValueRef::Blob(one), ValueRef::Blob(other)) => one.cmp(other),
        _ => Ordering::Equal,
    }
}

fn cells<'a>(table: &TableSchema, row: &'a Row<'_>) -> rusqlite::Result<Vec<CellValue<'a>>> {
    let cells = table.columns.iter().enumerate();
    cells.map(|(at, column)| Ok(cell(row.get_ref(at)?, column.column_type))).collect()
}

/// Returns a value that is in a column of this type; a damaged file may hold another.
fn cell(value: ValueRef<'_>, column_type: ColumnType) -> CellValue<'_> {
    match value {
        ValueRef::Null => CellValue::Null,
        ValueRef::Integer(number) => CellValue::Int(number),
        ValueRef::Real(number) => CellValue::Real(number),
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_or(CellValue::Bytes(text), CellValue::Text)
        }
        ValueRef::Blob(bytes) => match Uuid::from_slice(bytes) {
            Ok(id) if column_type == ColumnType::Uuid => CellValue::Uuid(id),
            Ok(_) | Err(_) => CellValue::Bytes(bytes),
        },
    }
}
