//! The content of a chart: what there is to draw of a table.

use std::collections::BTreeMap;

use whence_projections::report::{Cell, Kind, Table, View};

use super::labels;
use crate::insight::report::UNKNOWN;

/// A chart, independent of what it is drawn with.
#[derive(Clone, Debug, PartialEq)]
pub enum Chart {
    /// Columns show how much there is on each day, or in each week.
    Columns(ColumnChart),
    /// Bars show how much there is of each group.
    Bars(BarChart),
    /// A heat map shows a share of each cohort in each week.
    Heat(HeatMap),
}

/// How much there is on each day, or in each week; none is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnChart {
    /// The measure that is counted.
    pub measure: &'static str,
    /// The number of days between two columns.
    pub step: i32,
    /// The day of the first column, in days since 1970-01-01.
    pub first: i32,
    /// The heights of the columns.
    pub values: Vec<f64>,
    /// How much is on no known day.
    pub unknown: f64,
}

/// How much there is of each group, in one or several series.
#[derive(Clone, Debug, PartialEq)]
pub struct BarChart {
    /// The measures, one for each series.
    pub series: Vec<&'static str>,
    /// The kind of number that they are.
    pub kind: Kind,
    /// The groups of bars, one bar for each series.
    pub bars: Vec<Bar>,
}

/// One group of bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The name of the group.
    pub label: String,
    /// One value for each series; `None`: not known.
    pub values: Vec<Option<f64>>,
    /// The text after the first bar.
    pub note: Option<String>,
    /// Whether the group is not one row with a name, but what is unknown, or everything that did
    /// not fit.
    pub aside: bool,
}

/// A share of each cohort in each week.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// The cohorts.
    pub rows: Vec<HeatMapRow>,
    /// The number of weeks.
    pub weeks: usize,
}

/// A cohort in a heat map.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMapRow {
    /// The week of the cohort, and what else distinguishes it.
    pub label: String,
    /// How many accounts it has.
    pub size: f64,
    /// The share of the accounts in each week; `None`: that week has not come yet.
    pub shares: Vec<Option<f64>>,
}

/// What is drawn of a view.
struct Spec {
    series: &'static [&'static str],
    note: Option<&'static str>,
    /// Whether rows that count nothing are left out: a view of stages has many of them.
    leaves_out_zeros: bool,
}

impl Chart {
    /// Returns the chart of a view's answer, with at most `most` groups of bars.
    #[must_use]
    pub fn of(view: View, table: &Table, most: usize) -> Self {
        let spec = spec(view);
        let places = Places::of(view, table);
        if view == View::Retention {
            return Self::Heat(heat(table, &places));
        }
        let by_time = table.columns.first().filter(|first| first.kind == Kind::Day);
        match by_time {
            Some(first) if first.name != "cohort" => Self::Columns(columns(
                table,
                spec.series[0],
                if first.name == "week" { 7 } else { 1 },
            )),
            Some(_) | None => Self::Bars(bars(table, &spec, &places, most)),
        }
    }

    /// Returns whether there is nothing to see.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Columns(columns) => columns.values.is_empty() && columns.unknown == 0.0,
            Self::Bars(bars) => bars.bars.is_empty(),
            Self::Heat(heat) => heat.rows.is_empty(),
        }
    }
}

fn spec(view: View) -> Spec {
    let (series, note): (&[&str], _) = match view {
        View::Signups | View::Retention => (&["signups"], None),
        View::Domains => (&["landings", "signups"], None),
        View::Funnel => (&["count"], Some("of_previous")),
        View::Referrers | View::Creators => (&["clicks", "signups", "attributed"], Some("rate")),
        View::Tree => (&["users"], None),
        View::Viral => (&["users", "invitees"], Some("k")),
        View::TimeToSignup => (&["p50", "p90", "p99"], Some("signups")),
        View::Models => (&["first_touch", "last_touch"], None),
    };
    Spec { series, note, leaves_out_zeros: view == View::Funnel }
}

/// The places of the columns of a table.
struct Places {
    /// The number of columns that the table is grouped by; they come first.
    dimensions: usize,
}

impl Places {
    fn of(view: View, table: &Table) -> Self {
        let measures = view.measures().len();
        Self { dimensions: table.columns.len().saturating_sub(measures) }
    }

    /// Returns what distinguishes a row, in words.
    fn label(&self, row: &[Cell]) -> String {
        let cells: Vec<_> = row[..self.dimensions].iter().map(labels::cell).collect();
        if cells.is_empty() { "all".to_owned() } else { cells.join(" · ") }
    }
}

/// Returns the place of a measure. Each measure has its own name.
fn measure(table: &Table, name: &str) -> usize {
    table.columns.iter().rposition(|column| column.name == name).unwrap_or(0)
}

fn value(cell: &Cell) -> Option<f64> {
    match cell {
        #[expect(clippy::cast_precision_loss, reason = "a bar needs no more than 52 bits")]
        Cell::Count(count) => Some(*count as f64),
        Cell::Credit(number) | Cell::Ratio(number) | Cell::Seconds(number) => Some(*number),
        Cell::Unknown | Cell::Text(_) | Cell::Day(_) => None,
    }
}

/// Returns the sum for each day, over everything else that the table is grouped by.
fn columns(table: &Table, name: &'static str, step: i32) -> ColumnChart {
    let at = measure(table, name);
    let mut days = BTreeMap::<i32, f64>::new();
    let mut unknown = 0.0;
    for row in &table.rows {
        let much = value(&row[at]).unwrap_or(0.0);
        if let Cell::Day(day) = row[0] {
            *days.entry(day).or_default() += much;
        } else {
            unknown += much;
        }
    }
    let first = days.keys().next().copied().unwrap_or(0);
    let last = days.keys().last().copied().unwrap_or(-1);
    let all = (first..=last).step_by(usize::try_from(step).unwrap_or(1));
    let values = all.map(|day| days.get(&day).copied().unwrap_or(0.0)).collect();
    ColumnChart { measure: name, step, first, values, unknown }
}

fn bars(table: &Table, spec: &Spec, places: &Places, most: usize) -> BarChart {
    let series: Vec<_> = spec.series.iter().map(|name| measure(table, name)).collect();
    let note = spec.note.map(|name| measure(table, name));
    let kind = table.columns[series[0]].kind;
    let bar = |row: &Vec<Cell>| Bar {
        label: places.label(row),
        values: series.iter().map(|at| value(&row[*at])).collect(),
        note: note
            .filter(|at| row[*at] != Cell::Unknown)
            .map(|at| labels::with_name(table.columns[at].name, &row[at])),
        aside: row[..places.dimensions].contains(&Cell::Unknown),
    };
    let mut bars: Vec<_> = table.rows.iter().map(bar).collect();
    if spec.leaves_out_zeros {
        bars.retain(|bar| bar.values.iter().any(|value| *value != Some(0.0)));
    }
    if bars.len() > most.max(2) {
        let by_time = table.columns[0].kind == Kind::Day;
        bars = with_rest(bars, most.max(2), kind, by_time);
    }
    BarChart { series: spec.series.to_vec(), kind, bars }
}

/// Returns the first groups, of weeks the last ones, and the unknown ones, with all others in one
/// group, which holds the sum of what can be added.
fn with_rest(bars: Vec<Bar>, most: usize, kind: Kind, by_time: bool) -> Vec<Bar> {
    let (aside, mut named): (Vec<_>, Vec<_>) = bars.into_iter().partition(|bar| bar.aside);
    // Several unknown groups, of several dimensions, are drawn as one.
    let places = most.saturating_sub(1 + usize::from(!aside.is_empty()));
    let hidden = named.len().saturating_sub(places);
    if by_time && hidden > 0 {
        let earlier: Vec<_> = named.drain(..hidden).collect();
        named.insert(0, summed(&earlier, format!("{hidden} earlier"), kind));
    } else if hidden > 0 {
        let others = named.split_off(places);
        named.push(summed(&others, format!("{hidden} others"), kind));
    }
    match &aside[..] {
        [] => {}
        [one] => named.push(one.clone()),
        many => {
            named.push(summed(many, format!("{} partly {UNKNOWN}", many.len()), kind));
        }
    }
    named
}

fn summed(bars: &[Bar], label: String, kind: Kind) -> Bar {
    let series = bars.first().map_or(0, |bar| bar.values.len());
    let sum = |at: usize| bars.iter().filter_map(|bar| bar.values[at]).sum();
    let values = (0..series).map(|at| (kind == Kind::Count).then(|| sum(at))).collect();
    Bar { label, values, note: None, aside: true }
}

/// Returns the rows of a heat map. The rows of one cohort follow one another, whatever else
/// distinguishes it.
fn heat(table: &Table, places: &Places) -> HeatMap {
    let week = table.columns.iter().position(|column| column.name == "weeks_later").unwrap_or(0);
    let (users, rate) = (measure(table, "users"), measure(table, "rate"));
    let mut rows: Vec<HeatMapRow> = Vec::new();
    for row in &table.rows {
        let others = row[..places.dimensions].iter().enumerate().filter(|(at, _)| *at != week);
        let cells: Vec<_> = others.map(|(_, cell)| labels::cell(cell)).collect();
        let label = if cells.is_empty() { "all".to_owned() } else { cells.join(" · ") };
        let Cell::Count(number) = row[week] else { continue };
        let at = usize::try_from(number).unwrap_or(0);
        let place = rows.iter().position(|known| known.label == label).unwrap_or_else(|| {
            rows.push(HeatMapRow { label, size: 0.0, shares: Vec::new() });
            rows.len() - 1
        });
        let known = &mut rows[place];
        known.size = known.size.max(value(&row[users]).unwrap_or(0.0));
        known.shares.resize(known.shares.len().max(at + 1), None);
        known.shares[at] = value(&row[rate]);
    }
    let weeks = rows.iter().map(|row| row.shares.len()).max().unwrap_or(0);
    HeatMap { rows, weeks }
}
