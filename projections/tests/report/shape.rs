//! What every table looks like.

use whence_projections::report::{Cell, Kind, QueryText, View};

use crate::plain::table;
use whence_test_histories::history;

#[test]
fn every_cell_is_of_the_kind_of_its_column() {
    let steps =
        (0..=255).map(|n: u8| [n.wrapping_mul(5), n, n.wrapping_mul(3), n.wrapping_mul(11), n]);
    let events = history(&steps.collect::<Vec<_>>());
    for view in View::ALL {
        // By what the view has by itself, and by each thing that it has.
        let by = view.dimensions().map(|dimension| Some(dimension.name().to_owned()));
        let by = if view == View::Tree { vec![None] } else { by.chain([None]).collect() };
        for by in by {
            let table = table(view, &events, &QueryText { by, ..QueryText::default() });
            assert!(!table.rows.is_empty(), "{} has rows", view.name());
            for (at, column) in table.columns.iter().enumerate() {
                let fits = |cell: &Cell| match cell {
                    Cell::Unknown => true,
                    Cell::Text(_) => column.kind == Kind::Text,
                    Cell::Day(_) => column.kind == Kind::Day,
                    Cell::Count(_) => column.kind == Kind::Count,
                    Cell::Credit(_) => column.kind == Kind::Credit,
                    Cell::Ratio(_) => column.kind == Kind::Ratio,
                    Cell::Seconds(_) => column.kind == Kind::Seconds,
                };
                assert!(
                    table.rows.iter().all(|row| fits(&row[at])),
                    "{} {}",
                    view.name(),
                    column.name
                );
            }
        }
    }
}
