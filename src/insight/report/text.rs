//! Tables as text.

use whence_projections::report::{Cell, Column, Kind, Table};

use crate::infra::plain::plain;
use crate::insight::export::{defused, quoted};

/// The text where nothing is known.
pub(crate) const UNKNOWN: &str = "(unknown)";

/// The text where there is nothing to divide by, or nothing to measure.
const NOTHING: &str = "-";

/// Returns the first line of a table for people: its title, the position up to which it counts, whose
/// days and weeks it has, and the rules about bots when they are not those on record.
fn heading(table: &Table) -> String {
    let rules = |version| format!(", bots by the rules of today (version {version})");
    let rules = table.bot_rules.map(rules).unwrap_or_default();
    format!("{}, as of position {}, {}{rules}", table.title, table.as_of, zone_of(table))
}

/// Returns whose days and weeks a table has, and the release of the database that they are from.
pub(crate) fn zone_of(table: &Table) -> String {
    let (zone, release) = (plain(table.zone.name()), plain(table.zone.release()));
    format!("in {zone} (time zones {release})")
}

/// Returns a table for people: aligned, below its heading, with its note.
#[must_use]
pub fn as_text(table: &Table) -> String {
    let header: Vec<String> = table.columns.iter().map(|column| column.name.to_owned()).collect();
    let rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().zip(&table.columns).map(shown).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().chain([&header]).map(|row| row[at].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = heading(table) + "\n";
    for row in [&header].into_iter().chain(&rows) {
        text += &line(row, &table.columns, &widths);
    }
    let note = table.note.map(|note| format!("({})\n", note.to_text()));
    text + &note.unwrap_or_default()
}

fn line(row: &[String], columns: &[Column], widths: &[usize]) -> String {
    let padded =
        row.iter().zip(columns).zip(widths).map(|((cell, column), width)| match column.kind {
            Kind::Text | Kind::Day => format!("{cell:<width$}"),
            Kind::Count | Kind::Credit | Kind::Ratio | Kind::Seconds => format!("{cell:>width$}"),
        });
    let line = padded.collect::<Vec<_>>().join("  ");
    format!("{}\n", line.trim_end())
}

/// Returns a cell for people. A visitor chose some of these words: none of them may control the
/// terminal.
fn shown((cell, column): (&Cell, &Column)) -> String {
    let unknown = match column.kind {
        Kind::Text | Kind::Day | Kind::Count => UNKNOWN,
        Kind::Credit | Kind::Ratio | Kind::Seconds => NOTHING,
    };
    // People need no more; the other formats have all digits.
    if let Cell::Credit(credit) = cell {
        return format!("{credit:.2}");
    }
    let text = cell.to_text().unwrap_or_else(|| unknown.to_owned());
    plain(&text)
}

/// Returns a table as CSV by RFC 4180, with a header. An empty field is unknown, and `""` an empty
/// text. `safe` defuses texts that a spreadsheet would take for formulas.
#[must_use]
pub fn as_csv(table: &Table, safe: bool) -> String {
    let header: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let mut text = format!("{}\r\n", header.join(","));
    for row in &table.rows {
        let field = |cell: &Cell| match (cell, cell.to_text()) {
            (_, None) => String::new(),
            (Cell::Text(_), Some(text)) if safe => quoted(&defused(&text)).into_owned(),
            (_, Some(text)) => quoted(&text).into_owned(),
        };
        let fields = row.iter().map(field);
        let fields: Vec<_> = fields.collect();
        text += &fields.join(",");
        text += "\r\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use whence_projections::report::{Note, Zone};

    use super::*;

    fn table() -> Table {
        let text = |text: &str| Cell::Text(text.to_owned());
        Table {
            name: "signups",
            title: "Signups",
            columns: vec![Column::new("source", Kind::Text), Column::new("signups", Kind::Count)],
            rows: vec![
                vec![text("a,\"b\"\n"), Cell::Count(10)],
                vec![text(""), Cell::Count(2)],
                vec![Cell::Unknown, Cell::Count(1)],
            ],
            as_of: 7,
            bot_rules: None,
            zone: Zone::default(),
            note: None,
        }
    }

    #[test]
    fn csv_keeps_every_value_apart() {
        let expected = "source,signups\r\n\"a,\"\"b\"\"\n\",10\r\n\"\",2\r\n,1\r\n";
        assert_eq!(as_csv(&table(), false), expected);
        let mut formula = table();
        formula.rows = vec![vec![Cell::Text("=1+1".into()), Cell::Count(3)]];
        assert_eq!(as_csv(&formula, true), "source,signups\r\n'=1+1,3\r\n");
        assert_eq!(as_csv(&formula, false), "source,signups\r\n=1+1,3\r\n");
    }

    #[test]
    fn a_table_for_people_is_aligned_and_says_nothing_to_the_terminal() {
        let release = Zone::default().release().to_owned();
        let heading = format!("Signups, as of position 7, in UTC (time zones {release})\n");
        let expected = "source     signups\n\
                        a,\"b\"\u{fffd}          10\n\
                        \u{20}                2\n\
                        (unknown)        1\n";
        assert_eq!(as_text(&table()), heading + expected);
        let known_from = Some("2026-03-02T00:00:00Z".parse().unwrap());
        let noted = Table { note: Some(Note::UsesKnownFrom(known_from)), ..table() };
        let last = as_text(&noted).lines().last().unwrap().to_owned();
        assert!(last.starts_with("(every use") && last.contains("2026-03-02T00:00:00"), "{last}");
    }

    #[test]
    fn credit_is_short_for_people_and_whole_for_programs() {
        let mut credit = table();
        credit.columns[1] = Column::new("linear", Kind::Credit);
        credit.rows = vec![vec![Cell::Text("a".into()), Cell::Credit(2.0 / 3.0)]];
        assert!(as_text(&credit).ends_with("a         0.67\n"), "{}", as_text(&credit));
        assert_eq!(as_csv(&credit, true), "source,linear\r\na,0.666666667\r\n");
    }
}
