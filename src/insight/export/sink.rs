//! The rows that are encoded, and the writer that encoded bytes go to.

use std::io::{BufWriter, Write};

use super::schema::Value;

/// Rows of values: their number, and the value at a row and a column.
pub(super) struct Rows<'a, 'v> {
    pub(super) number: usize,
    pub(super) value: &'a dyn Fn(usize, usize) -> Value<'v>,
}

/// The writer that encoded bytes go to.
pub(super) type Sink = BufWriter<Box<dyn Write + Send>>;
