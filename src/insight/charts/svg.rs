//! Charts as SVG: this file computes the measures, the template chart.html writes them.

use askama::Template;
use whence_projections::report::Kind;

use super::chart::{BarChart, Chart, ColumnChart, HeatMap};
use super::labels::{NOTHING, day, number, round_up, shortened};

/// The width of every chart; a page scales it.
const WIDTH: f64 = 640.0;

/// The height of a chart of columns, and the width of its axis.
const PLOT: f64 = 180.0;
const AXIS: f64 = 52.0;

/// The height of a bar, and the room between two groups of them.
const BAR: f64 = 14.0;
const GAP: f64 = 12.0;

/// The place where bars begin, and the room for the numbers and the notes after them.
const LABELS: f64 = 190.0;
const NUMBERS: f64 = 70.0;
const NOTES: f64 = 125.0;

/// How many characters of a label fit into the room before the bars.
const LABEL: usize = 23;

/// The side of a field of a heat map.
const FIELD: f64 = 22.0;

/// Everything that the template draws, in units of the view box.
#[derive(Template)]
#[template(path = "chart.html")]
pub(super) struct Drawing {
    id: String,
    title: String,
    description: String,
    width: f64,
    height: f64,
    lines: Vec<GridLine>,
    shapes: Vec<Shape>,
    texts: Vec<Text>,
}

struct GridLine {
    x1: f64,
    y1: f64,
    x2: f64,
    y2: f64,
}

/// A rectangle; `class` names its colour.
struct Shape {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    class: String,
    says: String,
}

struct Text {
    x: f64,
    y: f64,
    class: &'static str,
    says: String,
}

impl Drawing {
    /// Returns the drawing of a chart; `id` is unique on the page.
    pub(super) fn of(chart: &Chart, id: &str, title: &str) -> Self {
        let mut drawing = Self {
            id: id.to_owned(),
            title: title.to_owned(),
            description: String::new(),
            width: WIDTH,
            height: 0.0,
            lines: Vec::new(),
            shapes: Vec::new(),
            texts: Vec::new(),
        };
        match chart {
            Chart::Columns(columns) => drawing.columns(columns),
            Chart::Bars(bars) => drawing.bars(bars),
            Chart::Heat(heat) => drawing.heat(heat),
        }
        drawing
    }

    fn text(&mut self, x: f64, y: f64, class: &'static str, text: impl Into<String>) {
        self.texts.push(Text { x, y, class, says: text.into() });
    }

    fn columns(&mut self, columns: &ColumnChart) {
        let ColumnChart { measure, step, first, values, unknown } = columns;
        let most = values.iter().copied().fold(0.0, f64::max);
        let top = round_up(most);
        let (above, unit) = (14.0, if *step == 7 { "week" } else { "day" });
        for share in [0.0, 0.5, 1.0] {
            let y = above + PLOT * (1.0 - share);
            self.lines.push(GridLine { x1: AXIS, y1: y, x2: WIDTH, y2: y });
            self.text(AXIS - 8.0, y + 4.0, "end quiet", number(Kind::Count, top * share));
        }
        let each = (WIDTH - AXIS) / float(values.len().max(1));
        let width = (each - (each * 0.25).min(3.0)).clamp(0.5, 36.0);
        let at = |place: usize| AXIS + each * (float(place) + 0.5);
        let date = |place: usize| day(first + step * i32::try_from(place).unwrap_or(0));
        for (place, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            let height = (PLOT * value / top).max(1.0);
            let says = format!("{}: {}", date(place), number(Kind::Count, *value));
            let x = at(place) - width / 2.0;
            let y = above + PLOT - height;
            self.shapes.push(Shape { x, y, width, height, class: "s0".to_owned(), says });
        }
        for (place, class) in ticks(values.len()) {
            let x = match class {
                "start quiet" => AXIS,
                "end quiet" => WIDTH,
                _ => at(place),
            };
            self.text(x, above + PLOT + 18.0, class, date(place));
        }
        self.height = above + PLOT + 26.0;
        let total = number(Kind::Count, values.iter().sum::<f64>() + unknown);
        self.description = format!(
            "{total} {measure} by {unit}, at most {} in one; {} on an unknown {unit}",
            number(Kind::Count, most),
            number(Kind::Count, *unknown)
        );
    }

    fn bars(&mut self, bars: &BarChart) {
        let BarChart { series, kind, bars } = bars;
        let values = bars.iter().flat_map(|bar| &bar.values).filter_map(|value| *value);
        let most = values.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let noted = bars.iter().any(|bar| bar.note.is_some());
        let room = WIDTH - LABELS - NUMBERS - if noted { NOTES } else { 0.0 };
        let mut y = 4.0;
        if series.len() > 1 {
            self.legend(series);
            y += 26.0;
        }
        self.lines.push(GridLine { x1: LABELS, y1: y, x2: LABELS, y2: y });
        let axis = self.lines.len() - 1;
        for bar in bars {
            let label = shortened(&bar.label, LABEL);
            let class = if bar.aside { "end quiet" } else { "end" };
            self.text(LABELS - 10.0, y + BAR - 3.0, class, label);
            for (at, value) in bar.values.iter().enumerate() {
                let width =
                    value.map_or(0.0, |value| (room * value / most).max(f64::from(value > 0.0)));
                let shown = value.map_or_else(|| NOTHING.to_owned(), |value| number(*kind, value));
                let aside = if bar.aside { " aside" } else { "" };
                let says = format!("{}, {}: {shown}", bar.label, series[at].replace('_', " "));
                let class = format!("s{at}{aside}");
                self.shapes.push(Shape { x: LABELS, y, width, height: BAR, class, says });
                let note = bar.note.as_ref().filter(|_| at == 0).map(|note| format!(" · {note}"));
                let shown = shown + &note.unwrap_or_default();
                self.text(LABELS + width + 6.0, y + BAR - 3.0, "number", shown);
                y += BAR + 2.0;
            }
            y += GAP - 2.0;
        }
        self.lines[axis].y2 = y - GAP + 2.0;
        self.height = y;
        let names: Vec<_> = series.iter().map(|name| name.replace('_', " ")).collect();
        self.description = format!("{} of each of {} rows", names.join(", "), bars.len());
    }

    fn legend(&mut self, series: &[&str]) {
        let mut x = LABELS;
        for (at, name) in series.iter().enumerate() {
            let name = name.replace('_', " ");
            let class = format!("s{at}");
            let says = name.clone();
            self.shapes.push(Shape { x, y: 6.0, width: 10.0, height: 10.0, class, says });
            let next = x + 30.0 + 7.0 * float(name.chars().count());
            self.text(x + 15.0, 15.0, "quiet", name);
            x = next;
        }
    }

    fn heat(&mut self, heat: &HeatMap) {
        let begin = 170.0;
        let wide = ((WIDTH - begin) / float(heat.weeks.max(1))).min(44.0);
        let numbers = wide >= 28.0;
        self.text(begin - 10.0, 14.0, "end quiet", "accounts");
        let every = if wide >= 20.0 { 1 } else { 4 };
        for week in (0..heat.weeks).step_by(every) {
            let x = begin + wide * (float(week) + 0.5);
            self.text(x, 14.0, "middle quiet", week.to_string());
        }
        let mut y = 22.0;
        for row in &heat.rows {
            self.text(0.0, y + 15.0, "start", shortened(&row.label, 16));
            self.text(begin - 10.0, y + 15.0, "end quiet", number(Kind::Count, row.size));
            for (week, share) in row.shares.iter().enumerate() {
                let Some(share) = share else { continue };
                let x = begin + wide * float(week);
                let class = format!("h{}", shade(*share));
                let says = format!("{}, week {week}: {}", row.label, number(Kind::Ratio, *share));
                let (width, height) = (wide - 2.0, FIELD - 2.0);
                self.shapes.push(Shape { x, y, width, height, class, says });
                if numbers {
                    let class = if *share >= 0.5 { "middle light" } else { "middle dark" };
                    let text = format!("{:.0}", share * 100.0);
                    self.text(x + wide / 2.0 - 1.0, y + 14.0, class, text);
                }
            }
            y += FIELD;
        }
        self.height = y + 4.0;
        let rows = heat.rows.len();
        self.description = format!(
            "share in percent of {rows} cohorts that was active in each of {} weeks",
            heat.weeks
        );
    }
}

/// Returns the columns that have a date below them, and how it is aligned.
fn ticks(columns: usize) -> Vec<(usize, &'static str)> {
    match columns {
        0 => vec![],
        1 => vec![(0, "middle quiet")],
        2..=8 => vec![(0, "start quiet"), (columns - 1, "end quiet")],
        _ => vec![(0, "start quiet"), (columns / 2, "middle quiet"), (columns - 1, "end quiet")],
    }
}

/// Returns a share as one of ten steps; only nothing is step 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 10")]
fn shade(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * 10.0).ceil() as usize
}

#[expect(clippy::cast_precision_loss, reason = "of a few thousand")]
fn float(number: usize) -> f64 {
    number as f64
}
