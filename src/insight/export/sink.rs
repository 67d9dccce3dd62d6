//! Rows of values, and where encoded bytes go.

use std::io::{BufWriter, Write};

use super::schema::Value;

/// Rows of values: their number, and the value at a row and a column.
pub(super) struct Rows<'a, 'v> {
    pub(super) number: usize,
    pub(super) value: &'a dyn Fn(usize, usize) -> Value<'v>,
}

/// Where encoded bytes go.
pub(super) type Sink = BufWriter<Box<dyn Write + Send>>;
