//! Numbers and names for people.

use whence_projections::report::{Cell, Kind};

use crate::infra::plain::plain;
use crate::insight::report::UNKNOWN;

/// Returns a number of a kind, such as `12 345`, `12.3 %` or `3 d 4 h`.
pub(super) fn number(kind: Kind, value: f64) -> String {
    match kind {
        Kind::Ratio => format!("{:.1} %", value * 100.0),
        Kind::Credit => format!("{value:.2}"),
        Kind::Seconds => seconds(value),
        Kind::Count | Kind::Text | Kind::Day => grouped(&format!("{value:.0}")),
    }
}

/// Returns a cell as in a table for people. A visitor chose some of these words: none of them may
/// control a terminal.
pub(super) fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Unknown => UNKNOWN.to_owned(),
        Cell::Count(count) => grouped(&count.to_string()),
        Cell::Credit(credit) => number(Kind::Credit, *credit),
        Cell::Ratio(ratio) => number(Kind::Ratio, *ratio),
        Cell::Seconds(length) => seconds(*length),
        Cell::Text(text) => plain(text),
        Cell::Day(_) => cell.to_text().unwrap_or_default(),
    }
}

/// The text where there is nothing to count or to divide by.
pub(super) const NOTHING: &str = "–";

/// Returns a cell of a named column. The viral coefficient is a ratio, but not a share.
pub(super) fn named(column: &str, value: &Cell) -> String {
    match value {
        Cell::Ratio(ratio) if column == "k" => format!("{ratio:.2}"),
        Cell::Unknown
        | Cell::Text(_)
        | Cell::Day(_)
        | Cell::Count(_)
        | Cell::Credit(_)
        | Cell::Ratio(_)
        | Cell::Seconds(_) => cell(value),
    }
}

/// Returns the same with its name, such as `k 0.35` or `94.0 % of previous`.
pub(super) fn with_name(column: &str, value: &Cell) -> String {
    let (text, name) = (named(column, value), column.replace('_', " "));
    match column {
        "of_previous" | "signups" => format!("{text} {name}"),
        _ => format!("{name} {text}"),
    }
}

/// Returns a day, such as `2026-03-14`.
pub(super) fn day(day: i32) -> String {
    Cell::Day(day).to_text().unwrap_or_default()
}

/// Returns digits in groups of three, with narrow spaces that do not break.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Returns a length of time in two units at most.
fn seconds(length: f64) -> String {
    const UNITS: [(&str, f64); 3] = [("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)];
    let Some(at) = UNITS.iter().position(|(_, unit)| length >= *unit) else {
        return format!("{length:.1} s");
    };
    let (name, unit) = UNITS[at];
    let whole = (length / unit).floor();
    let (next, part) = UNITS.get(at + 1).copied().unwrap_or(("s", 1.0));
    let rest = ((length - whole * unit) / part).floor();
    if rest > 0.0 {
        format!("{whole:.0} {name} {rest:.0} {next}")
    } else {
        format!("{whole:.0} {name}")
    }
}

/// Returns a text of at most `most` characters. Both ends stay: ids differ at their end, names at
/// their beginning.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let letters: Vec<_> = text.chars().collect();
    if letters.len() <= most {
        return text.to_owned();
    }
    let end = most.saturating_sub(1) / 2;
    let begin = most.saturating_sub(1 + end);
    let (begin, end) = (&letters[..begin], &letters[letters.len() - end..]);
    begin.iter().chain(&['…']).chain(end).collect()
}

/// Returns a round number at or above a count, for the top of an axis; half of it is whole, too.
pub(super) fn round_up(count: f64) -> f64 {
    if count <= 2.0 {
        return 2.0;
    }
    let power = 10_f64.powf(count.log10().floor());
    let steps: &[f64] = if power < 10.0 {
        &[2.0, 4.0, 6.0, 8.0, 10.0]
    } else {
        &[1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0]
    };
    steps.iter().map(|step| step * power).find(|top| *top >= count).unwrap_or(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!(number(Kind::Count, 1_234_567.0), "1\u{202f}234\u{202f}567");
        assert_eq!(number(Kind::Count, 999.0), "999");
        assert_eq!(number(Kind::Ratio, 0.12345), "12.3 %");
        let lengths = [0.0, 59.94, 61.0, 7_200.0, 270_000.0].map(seconds);
        assert_eq!(lengths, ["0.0 s", "59.9 s", "1 min 1 s", "2 h", "3 d 3 h"]);
        let tops = [0.0, 3.0, 10.0, 11.0, 630.0].map(|most| number(Kind::Count, round_up(most)));
        assert_eq!(tops, ["2", "4", "10", "20", "800"]);
    }

    #[test]
    fn no_word_speaks_to_the_terminal() {
        assert_eq!(cell(&Cell::Text("a\u{1b}[2Jb".to_owned())), "a\u{fffd}[2Jb");
        assert_eq!(shortened("abcdefgh", 6), "abc…gh");
    }
}
