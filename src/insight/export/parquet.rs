//! Apache Parquet, in row groups, compressed with Snappy, which every engine knows.

use std::io::{self, Write as _};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::schema::{Field, FieldKind, Value};
use super::sink::{Rows, Sink};

/// How many rows a group has: some ten megabytes, which stay in memory until the group is written.
const ROW_GROUP_ROWS: usize = 100_000;

pub(super) struct ParquetWriter {
    fields: Vec<Field>,
    schema: Arc<Schema>,
    writer: ArrowWriter<Sink>,
}

impl ParquetWriter {
    pub(super) fn new(fields: &[Field], out: Sink) -> io::Result<Self> {
        let columns = fields.iter().map(|field| {
            arrow_schema::Field::new(field.name, data_type(field.kind), field.optional)
        });
        let schema = Arc::new(Schema::new(columns.collect::<Vec<_>>()));
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties(fields)));
        Ok(Self { fields: fields.to_vec(), schema, writer: writer.map_err(io_error)? })
    }

    pub(super) fn write(&mut self, rows: &Rows<'_, '_>) -> io::Result<()> {
        let columns = self.fields.iter().enumerate();
        let columns = columns.map(|(column, field)| array(field.kind, column, rows)).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(io_error)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.writer.finish().map_err(io_error)?;
        self.writer.inner_mut().flush()
    }
}

/// Returns the settings of the writer: dictionaries where they pay, and bounds of each group for
/// columns that a reader may filter by, which whole JSON texts are not.
fn properties(fields: &[Field]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    for field in fields {
        let path = || ColumnPath::from(field.name);
        if field.repetitive {
            properties = properties.set_column_dictionary_enabled(path(), true);
        }
        if field.kind == FieldKind::Json {
            properties = properties.set_column_statistics_enabled(path(), EnabledStatistics::None);
        }
    }
    properties.build()
}

fn data_type(kind: FieldKind) -> DataType {
    match kind {
        FieldKind::Integer => DataType::Int64,
        FieldKind::Number => DataType::Float64,
        FieldKind::Text | FieldKind::Json => DataType::Utf8,
        FieldKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        FieldKind::Day => DataType::Date32,
    }
}

/// Returns one column of all rows. A value of another kind than its field's counts as missing.
fn array(kind: FieldKind, column: usize, rows: &Rows<'_, '_>) -> ArrayRef {
    let values = (0..rows.number).map(|row| (rows.value)(row, column));
    match kind {
        FieldKind::Integer => Arc::new(values.map(Value::into_integer).collect::<Int64Array>()),
        FieldKind::Number => Arc::new(values.map(Value::into_number).collect::<Float64Array>()),
        FieldKind::Text | FieldKind::Json => {
            Arc::new(values.map(Value::into_text).collect::<StringArray>())
        }
        FieldKind::Time => {
            let micros = values.map(Value::into_micros).collect::<TimestampMicrosecondArray>();
            Arc::new(micros.with_timezone("UTC"))
        }
        FieldKind::Day => Arc::new(values.map(Value::into_day).collect::<Date32Array>()),
    }
}

/// Returns the error of the file that is the cause, where there is one.
fn io_error(error: ParquetError) -> io::Error {
    if let ParquetError::External(cause) = error {
        return cause.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error);
    }
    io::Error::other(error)
}
