//! `GET /r/{code}`: a link that is short enough to say aloud.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, StatusCode};
use url::{Url, form_urlencoded};
use whence_events::ReferralCode;

use super::Landing;
use super::layer::Handled;
use super::visited_page::{VisitedPage, navigation};
use crate::domain::touch::{is_ref, segments};
use crate::http::limits::MAX_LINK_QUERY_BYTES;

/// The longest text, in characters, that is recorded as a code: a longer one is never a code.
const MAX_CODE_CHARS: usize = 64;

/// Redirects the visitor to the landing page, with the query and `ref={code}`.
///
/// The cookies are set here, by the rules for the page that the visitor is sent to, because that
/// page may be on a server without whence. HEAD, prefetches and frames are only redirected.
pub(super) async fn follow(
    State(landing): State<Arc<Landing>>,
    code: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // A path that is not UTF-8 holds no code; the visitor is redirected all the same.
    let text = code.map_or_else(|_| "?".to_owned(), |Path(text)| text);
    let code = text.parse::<ReferralCode>().ok();
    let (parts, _) = request.into_parts();
    let query = cut(parts.uri.query().unwrap_or(""));
    let target = target(&landing.settings.landing_url, query, code.as_ref());

    let mut answer = StatusCode::FOUND.into_response();
    let headers = answer.headers_mut();
    if let Ok(location) = HeaderValue::from_str(target.as_str()) {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));

    let shown: String = text.chars().take(MAX_CODE_CHARS).collect();
    // The code of the path is the first `ref`; those of the query are evidence.
    let reference: String = form_urlencoded::byte_serialize(shown.as_bytes()).collect();
    let own = landing.settings.landing_url.query().unwrap_or("");
    let page = VisitedPage {
        path: target.path(),
        query: &format!("ref={reference}&{query}&{own}"),
        ..VisitedPage::of(&parts)
    };
    if let Some(arrival) = landing.arrive_at(&page, navigation(&parts), &parts.headers) {
        let arrival = landing.without_erased(arrival).await;
        let client = landing.client(&parts);
        landing.touch(arrival, &client).add_to(headers);
    }
    answer.extensions_mut().insert(Handled);
    answer
}

/// Returns as many whole parameters from the beginning of a query as may be read, so that the length
/// of a link does not decide what it costs.
fn cut(query: &str) -> &str {
    if query.len() <= MAX_LINK_QUERY_BYTES {
        return query;
    }
    let readable = &query[..query.floor_char_boundary(MAX_LINK_QUERY_BYTES + 1)];
    readable.rfind('&').map_or("", |end| &readable[..end])
}

/// Returns the landing page with the visitor's parameters, then its own, then `ref` exactly once,
/// or not at all when there is no code. Parameters keep the spelling in which they came.
fn target(landing_url: &Url, query: &str, code: Option<&ReferralCode>) -> Url {
    let own = landing_url.query().unwrap_or("");
    let mut parameters: Vec<&str> = segments(query).chain(segments(own)).collect();
    parameters.retain(|parameter| !is_ref(parameter));
    let reference = code.map(|code| format!("ref={code}"));
    parameters.extend(reference.as_deref());
    let query = parameters.join("&");
    let mut target = landing_url.clone();
    target.set_query((!query.is_empty()).then_some(&query));
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_has_the_code_exactly_once() {
        let code: ReferralCode = "AbC".parse().unwrap();
        for (landing, query, expected) in [
            ("https://x.test/", "", "https://x.test/?ref=AbC"),
            ("https://x.test/a#top", "", "https://x.test/a?ref=AbC#top"),
            ("https://x.test/?ref=own", "ref=b&r%65f=c&ref", "https://x.test/?ref=AbC"),
            ("https://x.test/?REF=own", "a=1&amp;Ref=b&amp;b=2;ref=c", "https://x.test/?a=1&b=2&ref=AbC"),
            (
                "https://x.test/?utm_source=link",
                "utm_term=a%20b+c&&flag",
                "https://x.test/?utm_term=a%20b+c&flag&utm_source=link&ref=AbC",
            ),
        ] {
            let landing = Url::parse(landing).unwrap();
            assert_eq!(target(&landing, query, Some(&code)).as_str(), expected);
        }
    }

    #[test]
    fn a_long_query_is_cut_between_two_parameters() {
        let long = |length: usize| format!("a=b&c={}", "x".repeat(length - 6));
        assert_eq!(cut(&long(2048)).len(), 2048);
        assert_eq!(cut(&long(2049)), "a=b");
        assert_eq!(cut(&format!("{}&ref=EVIL", long(2048))), long(2048));
        assert_eq!(cut(&"x".repeat(3000)), "");
        assert_eq!(cut(&"é".repeat(3000)), "");
        assert_eq!(cut(&"&".repeat(3000)), "&".repeat(2048));
    }

    #[test]
    fn without_a_code_the_target_has_none() {
        let landing = Url::parse("https://x.test/").unwrap();
        let target = |query| target(&landing, query, None).to_string();
        assert_eq!(target("ref=b"), "https://x.test/");
        assert_eq!(target("ref=b&x=1"), "https://x.test/?x=1");
    }

    #[test]
    fn a_query_cannot_lead_elsewhere() {
        let landing = Url::parse("https://x.test/").unwrap();
        for query in ["@evil.test", "//evil.test", "#@evil.test", "\r\nx: y", "\u{e9}"] {
            let target = target(&landing, query, None);
            assert_eq!(target.host_str(), Some("x.test"));
            assert_eq!(target.fragment(), None);
            assert!(HeaderValue::from_str(target.as_str()).is_ok());
        }
    }
}
