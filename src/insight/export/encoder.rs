//! The formats of an export.

use std::io::{self, BufWriter, Write};

use super::csv::CsvWriter;
use super::jsonl::JsonLinesWriter;
#[cfg(feature = "parquet")]
use super::parquet::ParquetWriter;
use super::schema::Field;
use super::sink::Rows;

/// How many bytes are gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// The formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line
    Jsonl,
    /// RFC 4180, with a header
    Csv,
    /// Apache Parquet
    Parquet,
}

impl ExportFormat {
    /// Returns whether this program can write the format.
    #[must_use]
    pub fn is_there(self) -> bool {
        match self {
            Self::Jsonl | Self::Csv => true,
            Self::Parquet => cfg!(feature = "parquet"),
        }
    }
}

/// A writer of rows in one of the formats.
pub(super) enum Encoder {
    JsonLines(JsonLinesWriter),
    Csv(CsvWriter),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetWriter>),
}

impl Encoder {
    /// Writes what comes before the rows.
    pub(super) fn new(
        format: ExportFormat,
        fields: &[Field],
        csv_safe: bool,
        out: Box<dyn Write + Send>,
    ) -> io::Result<Self> {
        let out = BufWriter::with_capacity(BUFFER_BYTES, out);
        match format {
            ExportFormat::Jsonl => Ok(Self::JsonLines(JsonLinesWriter::new(fields, out))),
            ExportFormat::Csv => CsvWriter::new(fields, csv_safe, out).map(Self::Csv),
            #[cfg(feature = "parquet")]
            ExportFormat::Parquet => {
                ParquetWriter::new(fields, out).map(Box::new).map(Self::Parquet)
            }
            #[cfg(not(feature = "parquet"))]
            ExportFormat::Parquet => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(super) fn write(&mut self, rows: &Rows<'_, '_>) -> io::Result<()> {
        match self {
            Self::JsonLines(writer) => writer.write(rows),
            Self::Csv(writer) => writer.write(rows),
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.write(rows),
        }
    }

    /// Writes what comes after the rows, and waits until nothing is left in memory.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::JsonLines(writer) => writer.finish(),
            Self::Csv(writer) => writer.finish(),
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.finish(),
        }
    }
}
