//! `GET /r/{code}`: a link that is short enough to say aloud; `GET /creators/{handle}`: the link of a
//! creator.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode, Uri};
use url::Url;

use super::Landing;
use super::layer::Handled;
use super::link_text::LinkText;
use super::visited_page::{VisitedPage, navigation};
use crate::domain::touch::{self, codes_of_link, is_called, segments};
use crate::http::limits::MAX_LINK_QUERY_BYTES;
use crate::http::openapi::{Refusals, refused};

/// Redirects the visitor to the landing page, with the query and `ref={code}`.
///
/// The cookies are set here, by the rules for the page that the visitor is sent to, because that
/// page may be on a server without whence. HEAD, prefetches and frames are only redirected.
#[utoipa::path(get, path = "/r/{*code}",
    params(("code" = String, Path, description = "A referral code.")),
    responses(
        (status = 302, description = "The landing page, with the code."),
        Refusals<(refused::ErrorAsPage,)>,
    )
)]
pub(super) async fn follow(State(landing): State<Arc<Landing>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path();
    let text = LinkText::of(path.strip_prefix("/r/").unwrap_or(""));
    let sent = parts.uri.query().unwrap_or("");
    let query = joined(&text.query, sent);
    let query = cut(&query);
    let parameter = if text.code.trim().is_empty() {
        // Without a code it is only a way to the landing page, and the query may have one.
        LinkParameter { parameter: None, name: "" }
    } else {
        let code = landing.choose(codes_of_link(&text.code)).await;
        // What is no code is recorded as such; the visitor is redirected all the same.
        let name = "ref";
        LinkParameter { parameter: code.map(|code| (name, code.to_string())), name }
    };
    let target = target(&landing.settings.landing_url, query, &parameter);
    let own = landing.settings.landing_url.query().unwrap_or("");
    // The code of the path is the first `ref`; those of the query are evidence.
    let visited = joined(&joined(&parameter.written_or("?"), query), own);
    let page = VisitedPage { path: target.path(), query: &visited, ..VisitedPage::of(&parts) };
    lead_on(&landing, &parts, &page, &target).await
}

/// Redirects the visitor to the landing page, with the query.
#[utoipa::path(get, path = "/r",
    responses(
        (status = 302, description = "The landing page."),
        Refusals<(refused::ErrorAsPage,)>,
    )
)]
pub(super) async fn lead_on_without_code(
    landing: State<Arc<Landing>>,
    request: Request,
) -> Response {
    follow(landing, request).await
}

/// Redirects the visitor to the landing page, with the query.
#[utoipa::path(get, path = "/r/",
    responses(
        (status = 302, description = "The landing page."),
        Refusals<(refused::ErrorAsPage,)>,
    )
)]
pub(super) async fn lead_on_with_slash(landing: State<Arc<Landing>>, request: Request) -> Response {
    follow(landing, request).await
}

/// Redirects the visitor to the landing page, with the query and `creator={handle}`.
///
/// The page of a creator may be a page of the platform: then this is not asked for it.
#[utoipa::path(get, path = "/creators/{handle}",
    params(("handle" = String, Path, description = "The handle of a creator.")),
    responses(
        (status = 302, description = "The landing page, with the creator."),
        Refusals<(refused::ErrorAsPage,)>,
    )
)]
pub(super) async fn follow_creator(
    State(landing): State<Arc<Landing>>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path();
    let query = cut(parts.uri.query().unwrap_or(""));
    let handle = touch::creator_of_path(path).map(|handle| ("creator", handle.to_string()));
    let parameter = LinkParameter { parameter: handle, name: "creator" };
    let target = target(&landing.settings.landing_url, query, &parameter);
    let visited = joined(query, landing.settings.landing_url.query().unwrap_or(""));
    let page = VisitedPage { path, query: &visited, ..VisitedPage::of(&parts) };
    lead_on(&landing, &parts, &page, &target).await
}

/// Redirects to the landing page, and sets the cookies of a visit to `page`.
async fn lead_on(
    landing: &Landing,
    parts: &Parts,
    page: &VisitedPage<'_>,
    target: &Url,
) -> Response {
    let mut answer = StatusCode::FOUND.into_response();
    let headers = answer.headers_mut();
    if let Ok(location) = HeaderValue::from_str(target.as_str()) {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(arrival) = landing.arrive_at(page, navigation(parts), &parts.headers) {
        let arrival = landing.look_up(arrival).await;
        let client = landing.client(parts);
        landing.touch(arrival, &client).add_to(headers);
    }
    answer.extensions_mut().insert(Handled);
    answer
}

/// Returns whether a path is that of a short link.
pub(crate) fn is_short_link(path: &str) -> bool {
    path == "/r" || path.starts_with("/r/")
}

/// Returns the address of a short link in its own spelling, when it is one in another: with more slashes
/// before it, or in capitals, as the codes of printed pages have it.
pub(crate) fn in_own_spelling(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if is_short_link(path) {
        return None;
    }
    let text = path.strip_prefix('/')?.trim_start_matches('/');
    let rest = text.strip_prefix(['r', 'R'])?;
    let slash = |slash| rest.strip_prefix(slash);
    let code = slash("/").or_else(|| slash("%2F")).or_else(|| slash("%2f"));
    let code = code.or_else(|| rest.is_empty().then_some(""))?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("/r/{code}{query}").parse().ok();
    Uri::from_parts(parts).ok()
}

/// The parameter of the landing page that a link is for.
struct LinkParameter {
    /// Its name and value; `None` when the link has no readable one.
    parameter: Option<(&'static str, String)>,
    /// The name of parameters that it takes the place of; empty: it takes that of none.
    name: &'static str,
}

impl LinkParameter {
    /// Returns the parameter as it is written in a query, with another value when it has none; an empty
    /// text when it is for no parameter.
    fn written_or(&self, value: &str) -> String {
        match &self.parameter {
            Some((name, value)) => format!("{name}={value}"),
            None if self.name.is_empty() => String::new(),
            None => format!("{}={value}", self.name),
        }
    }
}

/// Returns two queries as one.
fn joined(first: &str, second: &str) -> String {
    let between = if first.is_empty() || second.is_empty() { "" } else { "&" };
    format!("{first}{between}{second}")
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

/// Returns the landing page with the visitor's parameters, then its own, then that of the link exactly
/// once, or not at all when there is none. Parameters keep the spelling in which they came.
fn target(landing_url: &Url, query: &str, of_link: &LinkParameter) -> Url {
    let own = landing_url.query().unwrap_or("");
    let mut parameters: Vec<&str> = segments(query).chain(segments(own)).collect();
    parameters.retain(|parameter| !is_called(parameter, of_link.name));
    let own = of_link.parameter.as_ref().map(|(name, value)| format!("{name}={value}"));
    parameters.extend(own.as_deref());
    let query = parameters.join("&");
    let mut target = landing_url.clone();
    target.set_query((!query.is_empty()).then_some(&query));
    target
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_path_leads_to_the_landing_page(path in ".{0,80}", raw in "[ -~]{0,80}") {
            let landing = Url::parse("https://x.test/a?own=1").unwrap();
            for path in [path, raw] {
                let text = LinkText::of(&path);
                let code = codes_of_link(&text.code).into_iter().next().map(|code| code.to_string());
                let target = target(&landing, &text.query, &reference(code.as_deref()));
                prop_assert_eq!((target.host_str(), target.path()), (Some("x.test"), "/a"));
                prop_assert!(HeaderValue::from_str(target.as_str()).is_ok());
                if let Some(code) = code {
                    let all = target.query_pairs().filter(|(name, _)| name == "ref").count();
                    prop_assert_eq!(all, 1);
                    // Each character of a code stands in the text, in some form of it.
                    prop_assert!(code.len() <= text.code.chars().count() * 3);
                }
            }
        }
    }

    fn reference(code: Option<&str>) -> LinkParameter {
        LinkParameter { parameter: code.map(|code| ("ref", code.to_owned())), name: "ref" }
    }

    #[test]
    fn other_spellings_of_the_path_are_known() {
        let own = |uri: &str| in_own_spelling(&uri.parse().unwrap()).map(|uri| uri.to_string());
        for (other, expected) in [
            ("//r/oak", "/r/oak"),
            ("///r//oak?x=1", "/r//oak?x=1"),
            ("/R/OAK", "/r/OAK"),
            ("/r%2Foak", "/r/oak"),
            ("/R", "/r/"),
            ("//r", "/r/"),
        ] {
            assert_eq!(own(other).as_deref(), Some(expected), "{other}");
        }
        for same in ["/r", "/r/", "/r/oak", "/", "/rr/oak", "/readyz", "/R2/oak", "//v1"] {
            assert_eq!(own(same), None, "{same}");
        }
    }

    #[test]
    fn the_target_has_the_code_exactly_once() {
        for (landing, query, expected) in [
            ("https://x.test/", "", "https://x.test/?ref=AbC"),
            ("https://x.test/a#top", "", "https://x.test/a?ref=AbC#top"),
            ("https://x.test/?ref=own", "ref=b&r%65f=c&ref", "https://x.test/?ref=AbC"),
            (
                "https://x.test/?REF=own",
                "a=1&amp;Ref=b&amp;b=2;ref=c",
                "https://x.test/?a=1&b=2&ref=AbC",
            ),
            (
                "https://x.test/?utm_source=link",
                "utm_term=a%20b+c&&flag",
                "https://x.test/?utm_term=a%20b+c&flag&utm_source=link&ref=AbC",
            ),
        ] {
            let landing = Url::parse(landing).unwrap();
            assert_eq!(target(&landing, query, &reference(Some("AbC"))).as_str(), expected);
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
        let target = |query| target(&landing, query, &reference(None)).to_string();
        assert_eq!(target("ref=b"), "https://x.test/");
        assert_eq!(target("ref=b&x=1"), "https://x.test/?x=1");
    }

    #[test]
    fn a_query_cannot_lead_elsewhere() {
        let landing = Url::parse("https://x.test/").unwrap();
        for query in ["@evil.test", "//evil.test", "#@evil.test", "\r\nx: y", "\u{e9}"] {
            let target = target(&landing, query, &reference(None));
            assert_eq!(target.host_str(), Some("x.test"));
            assert_eq!(target.fragment(), None);
            assert!(HeaderValue::from_str(target.as_str()).is_ok());
        }
    }
}
