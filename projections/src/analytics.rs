//! The views that analysts ask for: a fold of the log, and the tables that it answers with.
//!
//! [`Analytics`] takes events in log order and keeps compact facts, never a personal field.
//! [`Analytics::table`] makes the [`Table`] of a [`View`] out of them. A report as of a position is
//! therefore, by construction, the report of a log that ends there.

mod asked;
mod channel;
mod dimension;
mod facts;
mod fold;
mod groups;
mod table;
mod view;
mod views;
mod zone;

pub use asked::{AsOf, Asked, Query, QueryError};
pub use channel::{Channel, Traffic, classify};
pub use dimension::Dimension;
pub use fold::{Analytics, Stopped};
pub use table::{Cell, Column, Kind, Table};
pub use view::View;
pub use zone::Zone;
