//! CSV by RFC 4180: a header, CRLF, quotes where they are needed. A missing value is an empty
//! field, an empty text is `""`.
//!
//! Values are written as they are, unless they are to be safe for spreadsheets, which take a text that
//! begins with `=` for a formula. A defused text is another one for all other readers.

use std::borrow::Cow;
use std::io::{self, Write as _};

use super::schema::{Field, Value};
use super::sink::{Rows, Sink};

pub(super) struct CsvWriter {
    columns: usize,
    safe: bool,
    out: Sink,
}

impl CsvWriter {
    pub(super) fn new(fields: &[Field], safe: bool, mut out: Sink) -> io::Result<Self> {
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        write!(out, "{}\r\n", names.join(","))?;
        Ok(Self { columns: fields.len(), safe, out })
    }

    pub(super) fn write(&mut self, rows: &Rows<'_, '_>) -> io::Result<()> {
        for row in 0..rows.number {
            for column in 0..self.columns {
                if column > 0 {
                    self.out.write_all(b",")?;
                }
                let value = (rows.value)(row, column);
                let is_text = matches!(value, Value::Text(_));
                if let Some(text) = value.to_text() {
                    let text = if self.safe && is_text { defused(&text) } else { text };
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

/// Returns a text that no spreadsheet takes for a formula (OWASP, CSV injection): `'` comes before one
/// that begins with a sign of a formula, also after blanks, or with a control character.
pub(crate) fn defused(text: &str) -> Cow<'_, str> {
    let begins = |text: &str| {
        text.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
    };
    let is_formula = begins(text.trim_start()) || text.starts_with(char::is_control);
    if is_formula { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_defused() {
        for text in ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n1", "  =1", "\u{a0}=1", "\u{ff1d}1"]
        {
            assert_eq!(defused(text), format!("'{text}"));
        }
        for text in ["", "a=1", "'=1", "1-1", "é"] {
            assert_eq!(defused(text), text);
        }
    }
}
