//! Values of columns, shortened to what people read.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The most characters in which a value is shown.
const WIDTH: usize = 80;

/// The most characters that are shown before the place where two long texts begin to differ.
const COMMON: usize = 16;

/// The characters around a text.
const QUOTES: usize = 2;

/// What stands for the part of a text that is not shown.
const CUT: &str = "...";

/// The most bytes of a key that are shown as hexadecimal digits.
const KEY_BYTES: usize = 32;

/// A value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum CellValue<'a> {
    Null,
    Int(i64),
    Real(f64),
    Uuid(Uuid),
    Text(&'a str),
    /// Also what is in a column of text and is none.
    Bytes(&'a [u8]),
}

impl CellValue<'_> {
    /// Returns the value as a part of a key: bytes as hexadecimal digits, so that the row can be found
    /// by it.
    pub(super) fn as_key(&self) -> String {
        match self {
            Self::Bytes(bytes) if bytes.len() <= KEY_BYTES => hex(bytes),
            Self::Null
            | Self::Int(_)
            | Self::Real(_)
            | Self::Uuid(_)
            | Self::Text(_)
            | Self::Bytes(_) => self.shown(0),
        }
    }

    /// Returns this value and the one that it should be. Long texts are shown around the place where
    /// they begin to differ.
    pub(super) fn beside(&self, other: &Self) -> (String, String) {
        let from = match (self, other) {
            (Self::Text(one), Self::Text(other)) if !(fits(one) && fits(other)) => {
                start_near_difference(one, other)
            }
            _ => 0,
        };
        (self.shown(from), other.shown(from))
    }

    /// Returns the value in at most [`WIDTH`] characters, a text from one of its characters on.
    fn shown(&self, from: usize) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Uuid(id) => id.to_string(),
            Self::Text(text) => quoted(text, from),
            Self::Bytes(bytes) => {
                let digest = Sha256::digest(bytes);
                format!("{} bytes, sha256 {}{CUT}", bytes.len(), hex(&digest[..4]))
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Returns the character at which two texts are shown from, a little before they begin to differ.
fn start_near_difference(one: &str, other: &str) -> usize {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other);
    let same: Vec<_> = same.map(|(character, _)| character).collect();
    let mut used = 0;
    let shown = same.iter().rev().take_while(|character| {
        used += width(&escaped(**character));
        used <= COMMON
    });
    same.len() - shown.count()
}

/// Returns a character as it is written between quotation marks. One that does not print, or steers a
/// terminal, is written as its number.
fn escaped(character: char) -> String {
    match character {
        '\'' => "'".to_owned(),
        other => other.escape_debug().to_string(),
    }
}

fn width(escaped: &str) -> usize {
    escaped.chars().count()
}

/// Returns whether a text can be shown in full.
fn fits(text: &str) -> bool {
    text.chars().map(|character| width(&escaped(character))).sum::<usize>() <= WIDTH - QUOTES
}

/// Returns a text from one of its characters on, between quotation marks. What is left out is outside
/// of them.
fn quoted(text: &str, from: usize) -> String {
    let before = if from == 0 { "" } else { CUT };
    let room = WIDTH - QUOTES - before.len();
    let (mut shown, mut used, mut end_if_cut) = (String::new(), 0, 0);
    for part in text.chars().skip(from).map(escaped) {
        used += width(&part);
        if used > room {
            shown.truncate(end_if_cut);
            return format!("{before}\"{shown}\"{CUT}");
        }
        shown.push_str(&part);
        if used <= room - CUT.len() {
            end_if_cut = shown.len();
        }
    }
    format!("{before}\"{shown}\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn beside(one: &str, other: &str) -> (String, String) {
        CellValue::Text(one).beside(&CellValue::Text(other))
    }

    #[test]
    fn a_text_is_told_from_null_and_from_a_number() {
        assert_eq!(
            CellValue::Text("null").beside(&CellValue::Null),
            ("\"null\"".into(), "null".into())
        );
        assert_eq!(CellValue::Text("1").beside(&CellValue::Int(1)), ("\"1\"".into(), "1".into()));
    }

    #[test]
    fn a_long_text_is_shown_around_the_first_difference() {
        let page = format!("https://example.com/{}", "a".repeat(4000));
        let (live, rebuilt) = (format!("{page}?x=1#{}", "b".repeat(500)), format!("{page}?x=2"));
        let (live, rebuilt) = beside(&live, &rebuilt);
        assert_eq!(live, format!("...\"{}?x=1#{}\"...", "a".repeat(13), "b".repeat(54)));
        assert_eq!(rebuilt, format!("...\"{}?x=2\"", "a".repeat(13)));
        assert_eq!(live.len(), WIDTH);
    }

    #[test]
    fn a_text_that_just_fits_is_shown_in_full() {
        let (fits, long) = ("a".repeat(WIDTH - QUOTES), "a".repeat(WIDTH - QUOTES + 1));
        assert_eq!(CellValue::Text(&fits).beside(&CellValue::Null).0, format!("\"{fits}\""));
        let cut = format!("\"{}\"...", "a".repeat(WIDTH - QUOTES - CUT.len()));
        assert_eq!(CellValue::Text(&long).beside(&CellValue::Null).0, cut);
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        let steers = "\u{1b}[2J\r\n\u{9b}1m\u{7f}\u{202e}\0\"\\";
        let shown = r#""\u{1b}[2J\r\n\u{9b}1m\u{7f}\u{202e}\0\"\\""#;
        assert_eq!(beside(steers, "it's").0, shown);
        assert_eq!(beside(steers, "it's").1, "\"it's\"");
    }

    #[test]
    fn bytes_are_a_length_and_a_digest_and_digits_where_they_name_a_row() {
        let (live, rebuilt) = CellValue::Bytes(b"abc").beside(&CellValue::Bytes(b""));
        assert_eq!(live, "3 bytes, sha256 ba7816bf...");
        assert_eq!(rebuilt, "0 bytes, sha256 e3b0c442...");
        assert_eq!(CellValue::Bytes(&[5; 16]).as_key(), "05".repeat(16));
        assert_eq!(CellValue::Bytes(&[5; 33]).as_key().len(), "33 bytes, sha256 9f2c41d0...".len());
    }

    proptest! {
        #[test]
        fn two_texts_are_never_shown_alike_or_wide(
            (common, one, other) in ("\\PC{0,120}", ".{0,120}", ".{0,120}")
        ) {
            prop_assume!(one != other);
            let (one, other) = beside(&format!("{common}{one}"), &format!("{common}{other}"));
            for shown in [&one, &other] {
                prop_assert!(width(shown) <= WIDTH, "{shown}");
                prop_assert!(!shown.chars().any(char::is_control), "{shown}");
            }
            prop_assert_ne!(one, other);
        }
    }
}
