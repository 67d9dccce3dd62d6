//! Charts in a terminal: blocks of eighths, and colours where the terminal has them.

use whence_projections::report::{Kind, Table};

use super::chart::{BarChart, Chart, ColumnChart, HeatMap};
use super::labels::{NOTHING, day, number, round_up, shortened};
use crate::insight::report::zone_of;

/// The size and the colours of what a chart is drawn on.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    /// The number of characters in a line.
    pub width: usize,
    /// Whether colours are wanted.
    pub colours: bool,
}

/// The number of lines of a chart of columns.
const HEIGHT: usize = 10;

/// How many characters a label has at most.
const LABEL: usize = 38;

/// The blocks of a column and of a bar, from nothing to full in eighths.
const RISING: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const GROWING: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// The shades of a share, from none to all.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// The colours, out of the 256 that terminals have: of the series, of shares, and of secondary
/// text.
const SERIES: [u8; 3] = [67, 173, 108];
const SHARES: [u8; 5] = [254, 152, 110, 67, 24];
const ASIDE: u8 = 245;

impl Canvas {
    /// The number of characters in a line of a terminal that does not say how wide it is.
    pub const DEFAULT_WIDTH: usize = 80;

    fn paint(self, colour: u8, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\x1b[38;5;{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Returns the chart, with what it shows above it. No line ends with a space.
#[must_use]
pub fn draw(table: &Table, chart: &Chart, canvas: Canvas) -> String {
    let (title, zone) = (table.title, zone_of(table));
    let title = format!("{title}, as of position {}\n{zone}\n\n", table.as_of);
    if chart.is_empty() {
        return title + "nothing to show\n";
    }
    let lines = match chart {
        Chart::Columns(columns) => draw_columns(columns, canvas),
        Chart::Bars(bars) => draw_bars(bars, canvas),
        Chart::Heat(heat) => draw_heat(heat, canvas),
    };
    lines.iter().fold(title, |text, line| text + line.trim_end() + "\n")
}

fn draw_columns(columns: &ColumnChart, canvas: Canvas) -> Vec<String> {
    let ColumnChart { measure, step, first, values, unknown } = columns;
    let most = values.iter().copied().fold(0.0, f64::max);
    let axis = number(Kind::Count, round_up(most)).chars().count();
    let room = canvas.width.saturating_sub(axis + 3).max(8);
    // When there are more days than characters, one column stands for several days.
    let each = values.len().div_ceil(room).max(1);
    let summed: Vec<f64> = values.chunks(each).map(|chunk| chunk.iter().sum()).collect();
    let wide = (room / summed.len().max(1)).clamp(1, 6);
    let top = round_up(summed.iter().copied().fold(0.0, f64::max));
    let mut lines: Vec<_> = (0..HEIGHT)
        .rev()
        .map(|level| {
            let label = match level {
                0 => String::new(),
                _ if level == HEIGHT - 1 => number(Kind::Count, top),
                _ if level == HEIGHT / 2 => number(Kind::Count, top / 2.0),
                _ => String::new(),
            };
            let bars: String =
                summed.iter().map(|value| slice(*value / top, level, wide)).collect();
            let axis = canvas.paint(ASIDE, &format!("{label:>axis$} │"));
            format!("{axis}{}", canvas.paint(SERIES[0], bars.trim_end()))
        })
        .collect();
    let across = "─".repeat(summed.len() * wide);
    lines.push(canvas.paint(ASIDE, &format!("{:>axis$} └{across}", "0")));
    let last = first + step * i32::try_from(values.len().saturating_sub(1)).unwrap_or(0);
    let (from, to) = (day(*first), day(last));
    let gap = (summed.len() * wide).saturating_sub(from.len() + to.len());
    let dates = match gap {
        _ if values.is_empty() => String::new(),
        0 => format!("{from} … {to}"),
        _ => format!("{from}{}{to}", " ".repeat(gap)),
    };
    let dates = if values.len() == 1 { from } else { dates };
    lines.push(canvas.paint(ASIDE, &format!("{:>axis$}  {dates}", "")));
    lines.push(String::new());
    let total: f64 = values.iter().sum::<f64>() + unknown;
    let unit = if *step == 7 { "week" } else { "day" };
    let per = if each > 1 { format!("{each} {unit}s") } else { format!("1 {unit}") };
    let beside = if *unknown > 0.0 {
        format!(", {} of them on an unknown {unit}", number(Kind::Count, *unknown))
    } else {
        String::new()
    };
    lines.push(format!(
        "{} {measure} in all{beside}; a column is {per}",
        number(Kind::Count, total)
    ));
    lines
}

/// Returns what is seen of a column at one level, with a gap after it where there is room.
fn slice(share: f64, level: usize, wide: usize) -> String {
    let full = eighths(share, HEIGHT);
    let here = full.saturating_sub(level * 8).min(8);
    let solid = if wide > 2 { wide - 1 } else { wide };
    let mut text = RISING[here].to_string().repeat(solid);
    text.push_str(&" ".repeat(wide - solid));
    text
}

/// Returns a share of a number of characters, in eighths; something is at least one eighth.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of a few hundred")]
#[expect(clippy::cast_precision_loss, reason = "of a few hundred")]
fn eighths(share: f64, characters: usize) -> usize {
    let all = (share.clamp(0.0, 1.0) * characters as f64 * 8.0).round() as usize;
    if share > 0.0 { all.max(1) } else { 0 }
}

fn draw_bars(bars: &BarChart, canvas: Canvas) -> Vec<String> {
    let BarChart { series, kind, bars } = bars;
    let label = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
    let label = label.min(LABEL).min(canvas.width / 2);
    let values = bars.iter().flat_map(|bar| &bar.values);
    let most = values.filter_map(|value| *value).fold(0.0, f64::max);
    let widest =
        bars.iter().flat_map(|bar| bar_texts(*kind, series, bar)).map(|text| text.chars().count());
    let room = canvas.width.saturating_sub(label + 3 + widest.max().unwrap_or(0)).max(4);
    let mut lines = Vec::new();
    for bar in bars {
        let texts = bar_texts(*kind, series, bar);
        for (at, (value, text)) in bar.values.iter().zip(texts).enumerate() {
            let name = if at == 0 { shortened(&bar.label, label) } else { String::new() };
            let colour = if bar.aside { ASIDE } else { SERIES[at % SERIES.len()] };
            let length =
                value.map_or(0, |value| eighths(value / most.max(f64::MIN_POSITIVE), room));
            let drawn = canvas.paint(colour, &strip(length));
            let gap = if length == 0 { "" } else { " " };
            lines.push(format!("{name:<label$}  {drawn}{gap}{text}"));
        }
        if series.len() > 1 {
            lines.push(String::new());
        }
    }
    if series.len() > 1 {
        lines.pop();
    }
    lines
}

/// Returns the text after each bar of a group.
fn bar_texts(kind: Kind, series: &[&str], bar: &super::chart::Bar) -> Vec<String> {
    let one = |(at, value): (usize, &Option<f64>)| {
        let value = value.map_or_else(|| NOTHING.to_owned(), |value| number(kind, value));
        let name = if series.len() > 1 {
            format!(" {}", series[at].replace('_', " "))
        } else {
            String::new()
        };
        let note = bar.note.as_ref().filter(|_| at == 0).map(|note| format!("  {note}"));
        format!("{value}{name}{}", note.unwrap_or_default())
    };
    bar.values.iter().enumerate().map(one).collect()
}

fn strip(eighths: usize) -> String {
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(GROWING[eighths % 8]);
    }
    text
}

/// Draws as many weeks as fit. The last ones are left out, and the chart says so.
fn draw_heat(heat: &HeatMap, canvas: Canvas) -> Vec<String> {
    const CELL: usize = 5;
    let label = heat.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0).min(LABEL);
    let room = canvas.width.saturating_sub(label + 9) / CELL;
    let weeks = heat.weeks.min(room.max(1));
    let numbers: Vec<_> = (0..weeks).map(|week| format!("{week:>CELL$}")).collect();
    let numbers = numbers.concat();
    let mut lines = vec![
        canvas.paint(ASIDE, &format!("{:<label$} {:>8}{numbers}", "weeks later, %", "accounts")),
    ];
    for row in &heat.rows {
        let shares: String = (0..weeks)
            .map(|week| row.shares.get(week).copied().flatten())
            .map(|share| share.map_or_else(|| " ".repeat(CELL), |share| shade(share, canvas)))
            .collect();
        let (name, size) = (shortened(&row.label, label), number(Kind::Count, row.size));
        lines.push(format!("{name:<label$} {size:>8}{shares}"));
    }
    if weeks < heat.weeks {
        let hidden = heat.weeks - weeks;
        lines.extend([
            String::new(),
            format!("{hidden} later weeks do not fit; --format csv has them"),
        ]);
    }
    lines
}

/// Returns a share as a number with a block after it.
fn shade(share: f64, canvas: Canvas) -> String {
    let at =
        if share <= 0.0 { 0 } else { 1 + [0.25, 0.5, 0.75].iter().filter(|b| share > **b).count() };
    let block = canvas.paint(SHARES[at], &SHADES[at].to_string());
    format!("{:>4.0}{block}", share * 100.0)
}
