//! One page with the charts and the tables of views, which loads nothing from anywhere.

use askama::Template;
use whence_projections::report::{Cell, Column, Dimension, Kind, Query, ReportFold, Table, View};

use super::chart::Chart;
use super::labels;
use super::svg::Drawing;
use crate::insight::report::UNKNOWN;

/// How many groups of bars a chart has at most.
const BARS: usize = 12;

/// How many groups of bars a chart has at most where each group has several bars.
const MANY_BARS: usize = 8;

/// How many rows a table has at most, apart from those of what is unknown: people read the page.
const ROWS: usize = 500;

/// The dimensions that accounts are grouped by, one chart each, unless a grouping is asked for.
const SIGNUPS_BY: [Dimension; 8] = [
    Dimension::Day,
    Dimension::Channel,
    Dimension::Source,
    Dimension::Medium,
    Dimension::Campaign,
    Dimension::Country,
    Dimension::Device,
    Dimension::LandingPage,
];

/// A view with its answers.
#[derive(Clone, Debug)]
pub struct Section {
    /// The view that answers.
    pub view: View,
    /// Its answers, each with a title that distinguishes it.
    pub tables: Vec<(String, Table)>,
}

/// Returns the answers of views, as they are on a page.
#[must_use]
pub fn sections(report_fold: &ReportFold, views: &[View], query: &Query) -> Vec<Section> {
    let section = |view: &View| {
        let view = *view;
        let by_itself = view != View::Signups || query.by.is_some();
        let tables = if by_itself {
            vec![(view.title().to_owned(), report_fold.table(view, query))]
        } else {
            let by = |one: Dimension| {
                let query = Query { by: Some(vec![one]), ..query.clone() };
                let name = one.name().replace('_', " ");
                (format!("{} by {name}", view.title()), report_fold.table(view, &query))
            };
            SIGNUPS_BY.map(by).into()
        };
        Section { view, tables }
    };
    views.iter().map(section).collect()
}

#[derive(Template)]
#[template(path = "page.html")]
struct ChartPage {
    as_of: String,
    scope: String,
    keys: Vec<Key>,
    sections: Vec<SectionOfPage>,
}

/// One of the numbers at the top of the page.
struct Key {
    name: &'static str,
    shown: String,
}

struct SectionOfPage {
    name: &'static str,
    title: &'static str,
    about: String,
    figures: Vec<Figure>,
}

struct Figure {
    title: String,
    /// The chart; `None`: there is nothing to draw.
    drawing: Option<Drawing>,
    columns: Vec<Heading>,
    rows: Vec<Vec<Shown>>,
    /// How many rows are left out: an export has them.
    more: usize,
}

struct Heading {
    name: String,
    class: &'static str,
}

/// A cell: for people, and exactly.
struct Shown {
    text: String,
    exact: Option<String>,
    class: &'static str,
}

/// Returns the page; `scope` says what was asked. The error is that of the template.
pub fn page(sections: &[Section], scope: &str) -> askama::Result<String> {
    let tables = sections.iter().flat_map(|section| &section.tables);
    let as_of = tables.map(|(_, table)| table.as_of).max().unwrap_or(0);
    let page = ChartPage {
        as_of: labels::cell(&Cell::Count(as_of)),
        scope: scope.to_owned(),
        keys: keys(sections),
        sections: sections.iter().map(section_of_page).collect(),
    };
    Ok(page.render()? + "\n")
}

/// Returns the numbers of the way from landing to attribution.
fn keys(sections: &[Section]) -> Vec<Key> {
    let funnel = sections.iter().find(|section| section.view == View::Funnel);
    let Some((_, table)) = funnel.and_then(|section| section.tables.first()) else { return vec![] };
    let count = |stage: &str| {
        let of = |row: &&Vec<Cell>| row.contains(&Cell::Text(stage.to_owned()));
        let counts = table.rows.iter().filter(of).flatten();
        counts.map(|cell| if let Cell::Count(count) = cell { *count } else { 0 }).sum::<u64>()
    };
    let stages = [
        ("landings", "landing"),
        ("codes asked for", "code_requested"),
        ("signups", "registered"),
        ("attributed", "attributed"),
    ];
    let key = |(name, stage)| Key { name, shown: labels::cell(&Cell::Count(count(stage))) };
    stages.map(key).into()
}

fn section_of_page(section: &Section) -> SectionOfPage {
    let view = section.view;
    let figures = section.tables.iter().enumerate();
    let figures = figures.map(|(at, (title, table))| {
        let several = matches!(view, View::Referrers | View::Creators | View::TimeToSignup);
        let most = if several { MANY_BARS } else { BARS };
        let chart = Chart::of(view, table, most);
        let id = format!("{}-{at}", view.name());
        figure(title, table, (!chart.is_empty()).then(|| Drawing::of(&chart, &id, title)))
    });
    let notes = section.tables.iter().filter_map(|(_, table)| table.note);
    let notes: Vec<_> = notes.map(|note| format!("; {}", note.to_text())).collect();
    SectionOfPage {
        name: view.name(),
        title: view.title(),
        about: view.about().to_owned() + &notes.concat(),
        figures: figures.collect(),
    }
}

fn figure(title: &str, table: &Table, drawing: Option<Drawing>) -> Figure {
    let heading =
        |(name, kind): (&str, Kind)| Heading { name: name.replace('_', " "), class: class(kind) };
    let columns = table.columns.iter().map(|column| heading((column.name, column.kind)));
    // Rows of what is unknown are never left out.
    let kept =
        table.rows.iter().enumerate().filter(|(at, row)| *at < ROWS || row[0] == Cell::Unknown);
    let row = |row: &Vec<Cell>| -> Vec<Shown> {
        row.iter().zip(&table.columns).map(|(cell, column)| shown(cell, *column)).collect()
    };
    let rows: Vec<Vec<Shown>> = kept.map(|(_, cells)| row(cells)).collect();
    Figure {
        title: title.to_owned(),
        drawing,
        columns: columns.collect(),
        more: table.rows.len() - rows.len(),
        rows,
    }
}

fn shown(cell: &Cell, column: Column) -> Shown {
    let class = class(column.kind);
    let (text, class) = match (cell, class) {
        (Cell::Unknown, "") => (UNKNOWN.to_owned(), "unknown"),
        (Cell::Unknown, class) => (labels::NOTHING.to_owned(), class),
        (cell, class) => (labels::named(column.name, cell), class),
    };
    Shown { text, exact: exact(cell), class }
}

/// Returns a number with all of its digits.
fn exact(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Count(count) => Some(count.to_string()),
        Cell::Credit(number) | Cell::Ratio(number) | Cell::Seconds(number) => {
            Some(number.to_string())
        }
        Cell::Unknown | Cell::Text(_) | Cell::Day(_) => None,
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Day => "",
        Kind::Count | Kind::Credit | Kind::Ratio | Kind::Seconds => "n",
    }
}
