//! Charts of reports: drawn in a terminal, and as a page.
//!
//! A [`Chart`] is what there is to draw, independent of what it is drawn with. It leaves out
//! nothing that counts: everything that does not fit is drawn as one bar, and what is unknown as
//! one of its own.

mod chart;
mod labels;
mod page;
mod svg;
mod terminal;

pub use self::chart::{Bar, BarChart, Chart, ColumnChart, HeatMap, HeatMapRow};
pub use self::page::{Section, page, sections};
pub use self::terminal::{Canvas, draw};
