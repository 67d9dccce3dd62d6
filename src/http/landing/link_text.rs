//! What stands in the path of a short link, however it was written and passed on.

use crate::domain::text::percent_decoded;

/// How often a text is decoded at most: programs encode what is encoded already.
const MAX_DECODINGS: usize = 3;

/// The ways in which the beginning of a query is written that was glued to a path.
const QUERY_MARKS: [&str; 7] = ["&", "%26", "%2526", "%3F", "%3f", "%253F", "%253f"];

/// The path of a short link behind `/r/`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LinkText {
    /// The text in the place of the code.
    pub(super) code: String,
    /// The parameters that were glued to it without a question mark.
    pub(super) query: String,
}

impl LinkText {
    /// Reads the path as it was sent.
    pub(super) fn of(path: &str) -> Self {
        let path = without_entity(path);
        let (code, query) = split(path);
        Self { code: decoded(code), query }
    }
}

/// Returns a path without the HTML entity that it begins with, such as `&lt;`.
fn without_entity(path: &str) -> &str {
    let Some(name) = path.strip_prefix('&') else { return path };
    let end = name.bytes().take(10).position(|b| b == b';');
    end.map_or(path, |end| &name[end + 1..])
}

/// Divides a path into the part of the code and the query that was glued to it.
fn split(path: &str) -> (&str, String) {
    // A mark before the code is no end of it.
    let begun = path.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(path.len());
    let begun = if path.starts_with('&') { 0 } else { begun };
    let marks =
        QUERY_MARKS.iter().filter_map(|mark| Some((begun + path[begun..].find(mark)?, *mark)));
    let Some((at, mark)) = marks.min() else { return (path, String::new()) };
    let rest = &path[at + mark.len()..];
    let rest = if mark.starts_with('%') { decoded(rest) } else { rest.to_owned() };
    let query = rest.strip_prefix("amp;").unwrap_or(&rest).replace("&amp;", "&");
    // Other entities, such as `&gt;`, are no parameters.
    (&path[..at], if query.contains('=') { query } else { String::new() })
}

/// Returns a text without percent-encoding.
fn decoded(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..MAX_DECODINGS {
        let next = percent_decoded(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(path: &str, code: &str, query: &str) {
        let expected = LinkText { code: code.to_owned(), query: query.to_owned() };
        assert_eq!(LinkText::of(path), expected, "{path}");
    }

    #[test]
    fn the_text_is_decoded_however_often_it_was_encoded() {
        reads("oak", "oak", "");
        reads("oak%20", "oak ", "");
        reads("oak%2520", "oak ", "");
        reads("oak%2Dtree", "oak-tree", "");
        reads("%22oak%22", "\"oak\"", "");
        reads("oak%E2%80%9D", "oak\u{201d}", "");
        reads("oak%94", "oak\u{201d}", "");
        reads("oak%A0", "oak\u{a0}", "");
        reads("caf%E9", "caf\u{e9}", "");
        reads("oak%", "oak%", "");
        reads("oak%zz", "oak%zz", "");
        reads("", "", "");
    }

    #[test]
    fn what_was_glued_on_as_a_query_is_one() {
        reads("oak&utm_source=a%20b&x=1", "oak", "utm_source=a%20b&x=1");
        reads("oak&amp;utm_source=a&amp;x=1", "oak", "utm_source=a&x=1");
        reads("oak%3Futm_source%3Da%26x%3D1", "oak", "utm_source=a&x=1");
        reads("oak%26utm_source=a", "oak", "utm_source=a");
        reads("oak/&utm_source=a", "oak/", "utm_source=a");
        reads("oak&gt;", "oak", "");
        reads("&lt;oak&gt;", "oak", "");
        reads("oak&", "oak", "");
        reads("&x=1", "", "x=1");
        reads("%3Foak", "?oak", "");
    }
}
