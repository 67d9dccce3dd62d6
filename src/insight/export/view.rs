//! The answer of a view as rows of an export.

use std::io::{self, Write};

use whence_projections::report::{Cell, Column, Kind, Table};

use super::encoder::{Encoder, ExportFormat};
use super::schema::{Field, FieldKind, Value};
use super::sink::Rows;

/// Returns the columns of a view's answer, in its order.
#[must_use]
pub fn fields_of(columns: &[Column]) -> Vec<Field> {
    let field = |column: &Column| {
        // Every value can be unknown.
        let field = Field::new(column.name, kind(column.kind)).optional();
        if column.kind == Kind::Text { field.repetitive() } else { field }
    };
    columns.iter().map(field).collect()
}

/// Writes the answer of a view to `out`. `csv_safe` defuses texts that a spreadsheet would take for
/// formulas.
pub fn export_table(
    table: &Table,
    format: ExportFormat,
    csv_safe: bool,
    out: Box<dyn Write + Send>,
) -> io::Result<()> {
    let mut encoder = Encoder::new(format, &fields_of(&table.columns), csv_safe, out)?;
    let cell = |row: usize, column: usize| value(&table.rows[row][column]);
    encoder.write(&Rows { number: table.rows.len(), value: &cell })?;
    encoder.finish()
}

fn kind(kind: Kind) -> FieldKind {
    match kind {
        Kind::Text => FieldKind::Text,
        Kind::Day => FieldKind::Day,
        Kind::Count => FieldKind::Integer,
        Kind::Credit | Kind::Ratio | Kind::Seconds => FieldKind::Number,
    }
}

fn value(cell: &Cell) -> Value<'_> {
    match cell {
        Cell::Unknown => Value::Missing,
        Cell::Text(text) => Value::Text(text.into()),
        Cell::Day(day) => Value::Day(*day),
        Cell::Count(count) => i64::try_from(*count).map_or(Value::Missing, Value::Integer),
        Cell::Credit(number) | Cell::Ratio(number) | Cell::Seconds(number) => {
            Value::Number(*number)
        }
    }
}
