//! Reports: a fold of the log, and the tables that the views answer with.
//!
//! [`ReportFold`] takes events in log order and keeps compact facts, never a personal field.
//! [`ReportFold::table`] makes the [`Table`] of a [`View`] out of them. A report as of a position is
//! therefore, by construction, the report of a log that ends there.

mod atom;
mod channel;
mod credit;
mod dimension;
mod error;
mod facts;
mod fold;
mod groups;
mod markov;
mod measure;
mod path;
mod query;
mod stage;
mod table;
mod view;
mod views;
mod zone;

pub use channel::{
    Channel, SOURCE_LIST_DATE, Traffic, classify, is_paid_click, source_entry, telling_parameters,
};
pub use dimension::Dimension;
pub use error::InvalidQuery;
pub use fold::{ReportFold, Stopped};
pub use query::{AsOf, HALF_LIFE, Query, QueryText};
pub use table::{Cell, Column, Kind, Note, Table};
pub use view::View;
pub use zone::{Zone, ZoneDatabase};
