//! Compares two tables in the order of their keys, with one row of each in memory.

use std::cmp::Ordering;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::read_db::differences::Differences;

/// Adds to `found` what differs in a table of both files.
pub(super) fn compare(
    live: &Connection,
    rebuilt: &Connection,
    table: &str,
    found: &mut Differences,
) -> rusqlite::Result<()> {
    let key = key_columns(rebuilt, table)?;
    let sql = format!("SELECT * FROM {table} ORDER BY {}", key.join(", "));
    let (mut live, mut rebuilt) = (live.prepare(&sql)?, rebuilt.prepare(&sql)?);
    let names: Vec<_> = rebuilt.column_names().map(str::to_owned).collect();
    let at = |column: &String| names.iter().position(|name| name == column);
    let key: Vec<_> = key.iter().filter_map(at).collect();
    let table = ComparedTable { name: table, columns: &names, key: &key };
    let (mut live, mut rebuilt) = (live.query([])?, rebuilt.query([])?);
    live.advance()?;
    rebuilt.advance()?;
    loop {
        let order = match (live.get(), rebuilt.get()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(ours), Some(theirs)) => table.order(ours, theirs)?,
        };
        found.rows += 1;
        match (order, live.get(), rebuilt.get()) {
            (Ordering::Equal, Some(live), Some(rebuilt)) => {
                table.compare(live, rebuilt, found)?;
            }
            (_, Some(live), _) if order == Ordering::Less => {
                let row = table.row(live)?;
                found.add(|| format!("{row} is in the tables and should not be"));
            }
            (_, _, Some(rebuilt)) => {
                let row = table.row(rebuilt)?;
                found.add(|| format!("{row} is missing in the tables"));
            }
            (_, _, None) => {}
        }
        if order != Ordering::Greater {
            live.advance()?;
        }
        if order != Ordering::Less {
            rebuilt.advance()?;
        }
    }
}

fn key_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// A table that is compared.
struct ComparedTable<'a> {
    name: &'a str,
    columns: &'a [String],
    /// The indexes in `columns` of those of the key.
    key: &'a [usize],
}

impl ComparedTable<'_> {
    fn order(&self, one: &Row<'_>, other: &Row<'_>) -> rusqlite::Result<Ordering> {
        for column in self.key {
            let order = order(one.get_ref(*column)?, other.get_ref(*column)?);
            if order != Ordering::Equal {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    }

    fn compare(
        &self,
        live: &Row<'_>,
        rebuilt: &Row<'_>,
        found: &mut Differences,
    ) -> rusqlite::Result<()> {
        let mut changed = Vec::new();
        for (column, name) in self.columns.iter().enumerate() {
            let (ours, theirs) = (live.get_ref(column)?, rebuilt.get_ref(column)?);
            if ours != theirs {
                changed.push(format!("{name} is {}, should be {}", shown(ours), shown(theirs)));
            }
        }
        if !changed.is_empty() {
            let row = self.row(live)?;
            found.add(|| format!("{row}: {}", changed.join("; ")));
        }
        Ok(())
    }

    /// Returns the text that tells people which row it is.
    fn row(&self, row: &Row<'_>) -> rusqlite::Result<String> {
        let key = self.key.iter().map(|column| row.get_ref(*column).map(shown));
        let key: Vec<_> = key.collect::<Result<_, _>>()?;
        Ok(format!("{} {}", self.name, key.join(" ")))
    }
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

/// Returns a value as text for people. Personal ones are sealed.
fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).escape_debug().to_string(),
        ValueRef::Blob(bytes) => match Uuid::from_slice(bytes) {
            Ok(id) => id.to_string(),
            Err(_) => bytes.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")),
        },
    }
}
