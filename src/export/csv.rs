//! CSV by RFC 4180: a header, CRLF, quotes where they are needed. What is missing is an empty field.
//!
//! Values are written as they are. A spreadsheet takes a text that begins with `=` for a formula;
//! altering it here would make it another text for everybody else.

use std::io;

use super::encoder::{Rows, Sink};
use super::schema::Field;

pub(super) struct CsvWriter {
    columns: usize,
    out: csv::Writer<Sink>,
}

impl CsvWriter {
    pub(super) fn new(fields: &[Field], out: Sink) -> io::Result<Self> {
        let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        out.write_record(fields.iter().map(|field| field.name))?;
        Ok(Self { columns: fields.len(), out })
    }

    pub(super) fn write(&mut self, rows: &Rows<'_, '_>) -> io::Result<()> {
        for row in 0..rows.number {
            for column in 0..self.columns {
                let value = (rows.value)(row, column);
                self.out.write_field(value.to_text().unwrap_or_default().as_bytes())?;
            }
            self.out.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        // Of both buffers.
        self.out.flush()
    }
}
