//! Pictures of what views answer: in a terminal, and as a page.
//!
//! [`Chart`] is what there is to draw, whatever it is drawn with. It leaves out nothing that counts: what
//! does not fit is drawn as one bar, and what is unknown as one of its own.

mod chart;
mod labels;
mod page;
mod svg;
mod terminal;

pub use self::chart::{Bar, Bars, Chart, Columns, Heat, HeatRow};
pub use self::page::{Section, page, sections};
pub use self::terminal::{Canvas, draw};
