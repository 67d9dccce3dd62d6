//! The views that analysts ask for.

mod table;

pub use table::{Cell, Column, Kind, Table};
