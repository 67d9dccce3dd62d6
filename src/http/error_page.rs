//! The page that a person sees in the place of an error of the API.
//!
//! It loads nothing, has no script, and leads on to the landing page.

use std::sync::LazyLock;

use askama::Template;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use url::Url;
use whence_events::CorrelationId;

use super::extract::accepts;
use super::landing::short_link::is_short_link;
use crate::app::config::Config;
use crate::infra::hash::sha256;

/// The style of the page, to the byte that its policy names.
pub(super) const STYLE: &str = include_str!("error_page.css");

/// The policy of the page: nothing but this very style.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy_of(STYLE, "'none'"));

/// Returns the policy of a page that is made of words and one style, and whose forms lead there.
pub(super) fn policy_of(style: &str, forms: &str) -> HeaderValue {
    let hash = STANDARD.encode(sha256(style.as_bytes()).0);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action {forms}; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 is header text")
}

#[derive(Template)]
#[template(path = "error_page.html")]
struct ErrorPage {
    title: &'static str,
    sentence: &'static str,
    style: &'static str,
    way_on: Option<WayOn>,
    id: CorrelationId,
}

/// The link that leads on.
struct WayOn {
    url: String,
    name: String,
}

/// Returns whether a person is to read the answer to a request: it is for a short link and not of a
/// program that asks for JSON, or it is for a page and of a browser.
pub(super) fn is_for_person(request: &Request) -> bool {
    let path = request.uri().path();
    let accepts = |kind| accepts(request.headers(), kind);
    if is_short_link(path) {
        return accepts("text/html") || !accepts("json");
    }
    let is_page = path == "/" || path.starts_with("/creators/");
    is_page && accepts("text/html")
}

/// Returns the page that says the same as an error of the API; another answer as it is.
pub(super) fn instead_of(
    response: Response,
    path: &str,
    config: &Config,
    id: CorrelationId,
) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (title, sentence) = words(status);
    let landing = &config.landing.landing_url;
    let way_on = (landing.path() != path || is_short_link(path)).then(|| way_on(landing));
    let page = ErrorPage { title, sentence, style: STYLE, way_on, id };
    let Ok(page) = page.render() else { return response };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    parts.headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    parts.headers.append(VARY, HeaderValue::from_static("accept"));
    Response::from_parts(parts, Body::from(page))
}

fn way_on(landing: &Url) -> WayOn {
    let name = landing.host_str().unwrap_or("the site").to_owned();
    WayOn { url: landing.to_string(), name }
}

/// Returns the title and the sentence for a status.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => {
            ("There is no page here", "The address may have lost a part on its way to you.")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            ("This link can only be opened", "Open it in a browser, as any other link.")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            ("Too many visits at once", "Wait a moment, then open the link again.")
        }
        _ if status.is_server_error() => {
            ("This did not work just now", "It is not your fault. Open the link again in a moment.")
        }
        _ => ("This link cannot be read", "A part of it may have been lost on its way to you."),
    }
}
