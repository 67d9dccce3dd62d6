//! Exports: the log, or what a view answers, in formats that analysts' tools read.
//!
//! Events go through in constant memory: this side reads ahead, page by page, a thread encodes and
//! writes. Neither decodes more than it has to, and the stored bytes come out as they are.

mod csv;
mod encoder;
mod event_row;
mod events;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod schema;
mod sink;
mod view;

pub(crate) use self::csv::quoted;
pub use self::encoder::Format;
pub use self::event_row::EVENT_FIELDS;
pub use self::events::{Exported, Range, export_events};
pub use self::schema::{Field, FieldKind, Value};
pub use self::view::{export_table, fields_of};

/// What an error in reading the log is about.
pub(crate) const UNREADABLE: &str = "the log cannot be read";
