//! CSV by RFC 4180: a header, CRLF, quotes where they are needed. A missing value is an empty
//! field, an empty text is `""`.
//!
//! Values are written as they are. A spreadsheet takes a text that begins with `=` for a formula;
//! altering it here would make it another text for all other readers.

use std::borrow::Cow;
use std::io::{self, Write as _};

use super::schema::Field;
use super::sink::{Rows, Sink};

pub(super) struct CsvWriter {
    columns: usize,
    out: Sink,
}

impl CsvWriter {
    pub(super) fn new(fields: &[Field], mut out: Sink) -> io::Result<Self> {
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        write!(out, "{}\r\n", names.join(","))?;
        Ok(Self { columns: fields.len(), out })
    }

    pub(super) fn write(&mut self, rows: &Rows<'_, '_>) -> io::Result<()> {
        for row in 0..rows.number {
            for column in 0..self.columns {
                if column > 0 {
                    self.out.write_all(b",")?;
                }
                if let Some(text) = (rows.value)(row, column).to_text() {
                    self.out.write_all(quoted(&text).as_bytes())?;
                }
            }
            self.out.write_all(b"\r\n")?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns the field that holds a text.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}
