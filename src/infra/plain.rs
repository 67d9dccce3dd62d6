//! Text that others wrote, made harmless for a terminal: one place decides what that takes.

use std::fmt::Write as _;

/// Returns a text in one line in which nothing steers a terminal or changes the order of what is read.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Returns a text of several lines in which nothing steers a terminal.
#[must_use]
pub fn plain_lines(text: &str) -> String {
    let keep = |c: char| matches!(c, '\n' | '\t') || !steers(c);
    text.chars().map(|c| if keep(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Returns JSON in which what would steer a terminal is escaped, so that the value stays the same.
#[must_use]
pub fn plain_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of strings JSON has no such characters but line breaks.
        if c != '\n' && steers(c) {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// Makes every text in a JSON value [`plain`].
#[must_use]
pub fn plain_value(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(plain(&text)),
        Value::Array(items) => items.into_iter().map(plain_value).collect(),
        Value::Object(members) => {
            let plain_member = |(name, value): (String, Value)| (plain(&name), plain_value(value));
            Value::Object(members.into_iter().map(plain_member).collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

/// Returns whether a character moves the cursor, begins a sequence that a terminal obeys (C0, C1),
/// ends a line, or changes the direction of text (Unicode's bidirectional controls).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_is_left() {
        let hostile = "a\u{1b}[2J\u{9b}2J\u{7}\r\n\u{202e}b\u{2069}\u{2028}c\u{7f}\té";
        let kept: String = plain(hostile).chars().filter(|c| *c != '\u{fffd}').collect();
        assert_eq!(kept, "a[2J2Jbcé");
        let kept: String = plain_lines(hostile).chars().filter(|c| *c != '\u{fffd}').collect();
        assert_eq!(kept, "a[2J2J\nbc\té");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "a": ["x\u{1b}[2J\u{9b}\u{202e}y\n", 1, null] });
        let text = plain_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && steers(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        let expected = "x\u{fffd}[2J\u{fffd}\u{fffd}y\u{fffd}";
        assert_eq!(plain_value(value)["a"][0], expected);
    }
}
