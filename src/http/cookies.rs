//! Reading the cookies of a request, and setting those of a response.

use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// The number of `Cookie` header lines that are read. HTTP/2 clients may send one line a cookie
/// (RFC 9113, section 8.2.3), and browsers keep about 180 cookies a site.
const MAX_LINES: usize = 256;

/// The number of different cookies of one name that are tried.
pub(super) const MAX_SAME_NAME: usize = 4;

/// The number of cookies of one line that are read.
const MAX_COOKIES: usize = 512;

/// Returns the value of the first cookie called `name`, without surrounding quotes.
///
/// Names are compared exactly (RFC 6265, section 5.4, lists the cookie of the longest path first).
/// Anything else in the headers, including text that is not UTF-8, does no harm. The value is bytes
/// for that reason, and its reader checks them.
#[must_use]
pub fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    cookie_values(headers, name).next()
}

/// Returns the values of all cookies called `name`, as [`cookie_value`] does that of the first.
pub fn cookie_values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(COOKIE).into_iter().take(MAX_LINES);
    let pairs = lines.flat_map(|line| line.as_bytes().split(|b| *b == b';').take(MAX_COOKIES));
    pairs.filter_map(move |pair| {
        let equals = pair.iter().position(|b| *b == b'=')?;
        let (found, value) = pair.split_at(equals);
        (found.trim_ascii() == name.as_bytes()).then(|| unquoted(value[1..].trim_ascii()))
    })
}

/// Returns the one value among all cookies called `name` that proves itself.
///
/// A browser sends several cookies of one name when they are of different domains or paths, and a page of
/// a sibling domain may have set some of them. No value but the one that only this service can have made is
/// of any meaning, so the others do no harm. Of two that both prove themselves nobody can say which one
/// is the browser's own, and among more than [`MAX_SAME_NAME`] candidates nobody looks.
///
/// `read` returns `None` for a value that can prove nothing, which costs nothing and is not counted.
pub(super) fn sole_proof<T: PartialEq>(
    headers: &HeaderMap,
    name: &str,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Proof<T> {
    let mut candidates = candidates(headers, name, read);
    match candidates.pop() {
        Some(proof) if candidates.is_empty() => Proof::One(proof),
        Some(_) => Proof::Several,
        None => Proof::None,
    }
}

/// Returns what `read` makes of the cookies called `name`, each value once, in the order in which the
/// browser sent them, and no more than one beyond [`MAX_SAME_NAME`].
pub(super) fn candidates<T: PartialEq>(
    headers: &HeaderMap,
    name: &str,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Vec<T> {
    let mut found = Vec::new();
    for candidate in cookie_values(headers, name).filter_map(read) {
        if !found.contains(&candidate) {
            found.push(candidate);
        }
        if found.len() > MAX_SAME_NAME {
            break;
        }
    }
    found
}

/// Which of the cookies of one name proves itself.
pub(super) enum Proof<T> {
    /// None does.
    None,
    /// This one does, and no other.
    One(T),
    /// Several do.
    Several,
}

/// Returns whether a request has more than one cookie called `name`.
pub(super) fn is_repeated(headers: &HeaderMap, name: &str) -> bool {
    cookie_values(headers, name).nth(1).is_some()
}

/// Returns the value without the quotes around it.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
}

/// Adds `Set-Cookie` lines to a response.
pub(super) fn with_cookies(
    mut response: Response,
    lines: impl IntoIterator<Item = HeaderValue>,
) -> Response {
    for line in lines {
        response.headers_mut().append(SET_COOKIE, line);
    }
    response
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers<T: AsRef<[u8]>>(lines: &[T]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            if let Ok(line) = HeaderValue::from_bytes(line.as_ref()) {
                headers.append(COOKIE, line);
            }
        }
        headers
    }

    #[track_caller]
    fn found(line: &[u8], value: Option<&str>) {
        let headers = headers(&[line]);
        assert_eq!(cookie_value(&headers, "a"), value.map(str::as_bytes));
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        found(b"a=1", Some("1"));
        found(b"b=2; a=1;c=3", Some("1"));
        found(b"aa=2; ba=3; A=4", None);
        found(b" a = 1 ", Some("1"));
        found(b"a=", Some(""));
        found(b"a=x=y", Some("x=y"));
        found(b"a", None);
        found(b";;=;a;a=1;", Some("1"));
    }

    #[test]
    fn quotes_around_a_value_are_not_part_of_it() {
        found(br#"a="1""#, Some("1"));
        found(br#"a="1"#, Some("\"1"));
        found(br#"a=""#, Some("\""));
    }

    #[test]
    fn the_first_of_several_counts() {
        found(b"a=1; a=2", Some("1"));
        let headers = headers(&["b=1", "a=2", "a=3"]);
        assert_eq!(cookie_value(&headers, "a"), Some(&b"2"[..]));
    }

    #[test]
    fn each_value_of_a_name_is_a_candidate_once() {
        let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<u8>().ok();
        let found = |line: &str| candidates(&headers(&[line]), "a", number);
        assert_eq!(found("a=x; a=2; b=3; a=2; a=1"), [2, 1]);
        assert_eq!(found("a=1; a=2; a=3; a=4; a=5; a=6").len(), MAX_SAME_NAME + 1);
        assert!(is_repeated(&headers(&["a=1", "a=1"]), "a"));
        assert!(!is_repeated(&headers(&["a=1", "b=1"]), "a"));
    }

    #[test]
    fn broken_text_elsewhere_does_not_hide_it() {
        found(b"\xff\xfe=\xc3; a=1; \x80", Some("1"));
        let headers = headers(&[b"a=\xff"]);
        assert_eq!(cookie_value(&headers, "a"), Some(&b"\xff"[..]));
    }

    #[test]
    fn the_search_has_an_end() {
        let line = "b=1;".repeat(MAX_COOKIES) + "a=1";
        found(line.as_bytes(), None);
        let mut lines = vec!["b=1"; MAX_LINES];
        lines.push("a=1");
        assert_eq!(cookie_value(&headers(&lines), "a"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4)) {
            let headers = headers(&lines);
            let _ = cookie_value(&headers, "a");
            let _ = cookie_value(&headers, "");
        }
    }
}
