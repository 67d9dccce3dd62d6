//! Protection against cross-site request forgery (CSRF).
//!
//! Every call that changes something for the sake of a cookie, or sets one, goes through here.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::Problem;
use crate::app::App;
use crate::app::config::ListeningConfig;
use crate::infra::tokens::SessionToken;

/// The header that a page repeats the CSRF token of its session in, and that tells the token to it.
pub(super) const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// Tells the page of a response the CSRF token of its session. A page of an allowed origin on another host
/// cannot read the cookie; that of any other origin cannot read the response.
pub(super) fn tell_token(headers: &mut HeaderMap, app: &App, token: &SessionToken) {
    let text = HeaderValue::from_str(token.csrf_token(&app.engine.keys).as_str());
    headers.insert(CSRF_TOKEN, text.expect("base64url is header text"));
}

/// Refuses a call that changes something unless the page that makes it knows the session's CSRF
/// token, and the browser does not say that another site makes it.
pub(super) fn check_csrf(
    headers: &HeaderMap,
    app: &App,
    token: &SessionToken,
) -> Result<(), Problem> {
    check_csrf_of_any(headers, app, std::slice::from_ref(token))
}

/// Refuses a call as [`check_csrf`] does, when the token that is sent is that of none of these sessions.
pub(super) fn check_csrf_of_any(
    headers: &HeaderMap,
    app: &App,
    tokens: &[SessionToken],
) -> Result<(), Problem> {
    refuse_cross_site(headers, app)?;
    let sent = headers.get(&CSRF_TOKEN).ok_or(Problem::CsrfMissing)?;
    let sent = sent.to_str().map_err(|_| Problem::CsrfInvalid)?;
    if tokens.iter().any(|token| token.csrf_token(&app.engine.keys).matches(sent)) {
        Ok(())
    } else {
        Err(Problem::CsrfInvalid)
    }
}

/// Refuses a call that the page of another site makes.
pub(super) fn refuse_cross_site(headers: &HeaderMap, app: &App) -> Result<(), Problem> {
    if is_cross_site(headers, &app.config.listening) { Err(Problem::CrossSite) } else { Ok(()) }
}

/// Returns whether a page makes the call that is neither of this service nor of an allowed origin.
///
/// `Sec-Fetch-Site` and `Origin` are written by browsers and not by pages (W3C Fetch Metadata; Fetch,
/// 3.2). A sibling domain is of the same site, and may yet be somebody else's, so its pages have to be of
/// an allowed origin. A call with neither header is no browser's.
fn is_cross_site(headers: &HeaderMap, listening: &ListeningConfig) -> bool {
    let mut same_origin = false;
    for site in headers.get_all("sec-fetch-site") {
        match site.as_bytes() {
            b"cross-site" => return true,
            site => same_origin = site == b"same-origin",
        }
    }
    // Where the referrer policy of the page makes `Origin` null, the first header still says it.
    !same_origin
        && headers.get_all(ORIGIN).iter().any(|origin| !listening.allows(origin.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::app::config::AllowedOrigin;

    #[track_caller]
    fn refused(lines: &[(&'static str, &'static str)], expected: bool) {
        let mut listening = ListeningConfig::new("127.0.0.1:8080".parse().unwrap()).unwrap();
        listening.public_url = "https://login.example.com/base".parse().unwrap();
        listening.allowed_origins.push(AllowedOrigin::parse("https://app.example.com").unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(is_cross_site(&headers, &listening), expected, "{lines:?}");
    }

    #[test]
    fn where_fetch_metadata_is_missing_the_origin_decides() {
        refused(&[], false);
        refused(&[("origin", "https://login.example.com")], false);
        refused(&[("origin", "https://app.example.com")], false);
        for origin in [
            "null",
            "",
            "https://evil.test",
            "http://login.example.com",
            "https://login.example.com:8443",
            "https://login.example.com.evil.test",
            "https://x.app.example.com",
            "https://app.example.com/",
        ] {
            refused(&[("origin", origin)], true);
        }
        refused(&[("origin", "https://app.example.com"), ("origin", "https://evil.test")], true);
    }

    #[test]
    fn fetch_metadata_is_believed_before_the_origin() {
        refused(&[("sec-fetch-site", "same-origin"), ("origin", "null")], false);
        refused(&[("sec-fetch-site", "none")], false);
        refused(&[("sec-fetch-site", "cross-site")], true);
        refused(&[("sec-fetch-site", "cross-site"), ("origin", "https://app.example.com")], true);
        refused(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], true);
    }

    #[test]
    fn a_page_of_a_sibling_domain_has_to_be_allowed() {
        let sibling = ("sec-fetch-site", "same-site");
        refused(&[sibling], false);
        refused(&[sibling, ("origin", "https://app.example.com")], false);
        refused(&[sibling, ("origin", "https://blog.example.com")], true);
        refused(&[sibling, ("origin", "null")], true);
        refused(&[("sec-fetch-site", "unheard-of"), ("origin", "https://evil.test")], true);
    }
}
