//! JSON Lines: one object a line, its keys in the order of the fields.

use std::io::{self, Write as _};

use super::schema::{Field, Value};
use super::sink::{Rows, Sink};

pub(super) struct JsonLinesWriter {
    /// The text before each value: the comma and the key.
    keys: Vec<String>,
    out: Sink,
}

impl JsonLinesWriter {
    pub(super) fn new(fields: &[Field], out: Sink) -> Self {
        let begin = |at| if at == 0 { '{' } else { ',' };
        let key = |(at, field): (usize, &Field)| format!("{}\"{}\":", begin(at), field.name);
        Self { keys: fields.iter().enumerate().map(key).collect(), out }
    }

    pub(super) fn write(&mut self, rows: &Rows<'_, '_>) -> io::Result<()> {
        for row in 0..rows.number {
            for (column, key) in self.keys.iter().enumerate() {
                self.out.write_all(key.as_bytes())?;
                write_value(&mut self.out, &(rows.value)(row, column))?;
            }
            self.out.write_all(b"}\n")?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn write_value(out: &mut Sink, value: &Value<'_>) -> io::Result<()> {
    match value {
        Value::Missing => out.write_all(b"null"),
        Value::Integer(number) => write!(out, "{number}"),
        Value::Number(number) => Ok(serde_json::to_writer(out, number)?),
        Value::Text(text) => Ok(serde_json::to_writer(out, text)?),
        Value::Json(text) if text.contains(['\n', '\r']) => {
            // Line breaks are between tokens only, as they are escaped in a JSON string. A line
            // holds one object, so they become other white space.
            out.write_all(text.replace(['\n', '\r'], " ").as_bytes())
        }
        Value::Json(text) => out.write_all(text.as_bytes()),
        Value::Time(at) => write!(out, "\"{at}\""),
        Value::Day(_) => match value.to_text() {
            Some(day) => write!(out, "\"{day}\""),
            None => out.write_all(b"null"),
        },
    }
}
