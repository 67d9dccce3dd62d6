//! Exports: the log, or the answer of a view, in formats that analysts' tools read.
//!
//! Events are exported in constant memory: this side reads ahead, page by page, and a thread
//! encodes and writes. Neither decodes more than it has to, and the stored bytes come out as they
//! are.

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

pub(crate) use self::csv::{defused, quoted};
pub use self::encoder::ExportFormat;
pub use self::event_row::EVENT_FIELDS;
pub(crate) use self::events::UNREADABLE;
pub use self::events::{Exported, PositionRange, export_events};
pub use self::schema::{Field, FieldKind, Value};
pub use self::view::{export_table, fields_of};
