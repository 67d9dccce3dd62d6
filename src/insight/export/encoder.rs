//! The ways to write an export.

use std::io::{self, BufWriter, Write};

use super::csv::CsvWriter;
use super::jsonl::JsonLinesWriter;
#[cfg(feature = "parquet")]
use super::parquet::ParquetWriter;
use super::schema::Field;
use super::sink::Rows;

/// Bytes gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Jsonl,
    /// RFC 4180, with a header
    Csv,
    /// Apache Parquet
    Parquet,
}

impl Format {
    /// Whether this program can write it.
    #[must_use]
    pub fn is_there(self) -> bool {
        match self {
            Self::Jsonl | Self::Csv => true,
            Self::Parquet => cfg!(feature = "parquet"),
        }
    }
}

/// Writes rows in one of the formats.
pub(super) enum Encoder {
    JsonLines(JsonLinesWriter),
    Csv(CsvWriter),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetWriter>),
}

impl Encoder {
    /// Writes what comes before the rows.
    pub(super) fn new(
        format: Format,
        fields: &[Field],
        out: Box<dyn Write + Send>,
    ) -> io::Result<Self> {
        let out = BufWriter::with_capacity(BUFFER, out);
        match format {
            Format::Jsonl => Ok(Self::JsonLines(JsonLinesWriter::new(fields, out))),
            Format::Csv => CsvWriter::new(fields, out).map(Self::Csv),
            #[cfg(feature = "parquet")]
            Format::Parquet => ParquetWriter::new(fields, out).map(Box::new).map(Self::Parquet),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => Err(io::ErrorKind::Unsupported.into()),
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

    /// Writes what comes behind the rows, and waits until nothing is left in memory.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::JsonLines(writer) => writer.finish(),
            Self::Csv(writer) => writer.finish(),
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.finish(),
        }
    }
}
