//! Adding the landing cookies to a response.

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// The `Set-Cookie` lines of one touch: `ref_code` and `whence_touch`, each where it is to be set.
pub(super) struct SetCookies(pub(super) [Option<HeaderValue>; 2]);

impl SetCookies {
    /// Appends the lines to the headers of a response, which no shared cache may then keep.
    pub(super) fn add_to(self, headers: &mut HeaderMap) {
        let mut any = false;
        for line in self.0.into_iter().flatten() {
            headers.append(SET_COOKIE, line);
            any = true;
        }
        if any {
            keep_private(headers);
        }
    }
}

/// Makes `Cache-Control` say `private`, unless it says `no-store`, and keeps its other directives.
///
/// A response that sets cookies is one visitor's own: a shared cache that kept it would credit one
/// referrer for all visitors who come after (RFC 9111, section 7.3).
fn keep_private(headers: &mut HeaderMap) {
    let lines = headers.get_all(CACHE_CONTROL);
    let directives: Vec<&str> = lines
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .collect();
    let is = |directive: &str, name: &str| {
        let before_value = directive.split('=').next().unwrap_or(directive);
        before_value.eq_ignore_ascii_case(name)
    };
    if directives.iter().any(|directive| is(directive, "no-store")) {
        return;
    }
    let shared = ["public", "private", "s-maxage"];
    let mut kept = vec!["private"];
    kept.extend(
        directives.iter().filter(|directive| !shared.iter().any(|name| is(directive, name))),
    );
    if let Ok(line) = HeaderValue::from_str(&kept.join(", ")) {
        headers.insert(CACHE_CONTROL, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn kept(before: &[&'static str], after: &str) {
        let mut headers = HeaderMap::new();
        for line in before {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
        }
        keep_private(&mut headers);
        let lines: Vec<_> = headers.get_all(CACHE_CONTROL).into_iter().collect();
        assert_eq!(lines, [after]);
    }

    #[test]
    fn no_shared_cache_keeps_an_answer_that_plants() {
        kept(&[], "private");
        kept(&["public, max-age=60, S-MaxAge=600"], "private, max-age=60");
        kept(&["public", "immutable"], "private, immutable");
        kept(&["private=\"x\", no-cache"], "private, no-cache");
        kept(&["no-store"], "no-store");
    }
}
