//! `POST /v1/touch`: a page reports a visit, the server sets the cookies.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use url::Url;
use whence_events::Consent;

use super::{Landing, Page, header, request_host};
use crate::domain::touch::{Navigation, same_host};

/// Longest report, in bytes.
pub const MAX_REPORT: usize = 4096;

/// What `/touch.js` sends. Fields that are not known are ignored.
#[derive(Deserialize)]
struct Report {
    /// The page's whole address.
    location: String,
    /// `document.referrer`
    #[serde(default)]
    referrer: Option<String>,
    /// What the visitor agreed to, as far as the page says.
    #[serde(default)]
    consent: Option<Consent>,
}

/// Why a report is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// Another site sent it: that would be cookie stuffing.
    CrossSite,
    /// Too long, not JSON, or not a report.
    InvalidJson,
    /// Not the address of a page of ours.
    InvalidLocation,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site"),
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::InvalidLocation => (StatusCode::BAD_REQUEST, "invalid_location"),
        };
        (status, Json(serde_json::json!({ "error": error }))).into_response()
    }
}

/// Answers 204, whether or not there was anything to plant.
///
/// `application/json` and `text/plain` are taken, the second because it is what `sendBeacon` and a
/// request without preflight can send. The rules for documents are applied to the page that is
/// reported, for the call itself is never one.
pub(super) async fn report(State(landing): State<Arc<Landing>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut answer = match read(&landing, &parts, body).await {
        Ok((report, location)) => {
            let mut answer = StatusCode::NO_CONTENT.into_response();
            plant(&landing, &parts, &report, &location, answer.headers_mut());
            answer
        }
        Err(refused) => refused.into_response(),
    };
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(CACHE_CONTROL, no_store);
    answer
}

async fn read(
    landing: &Landing,
    parts: &Parts,
    body: axum::body::Body,
) -> Result<(Report, Url), Refused> {
    let kind = Kind::of(&parts.headers).ok_or(Refused::InvalidJson)?;
    if !from_our_pages(landing, parts, kind) {
        return Err(Refused::CrossSite);
    }
    let bytes = axum::body::to_bytes(body, MAX_REPORT).await;
    let bytes = bytes.map_err(|_| Refused::InvalidJson)?;
    let report: Report = serde_json::from_slice(&bytes).map_err(|_| Refused::InvalidJson)?;
    let location = Url::parse(&report.location).map_err(|_| Refused::InvalidLocation)?;
    if is_ours(landing, parts, &location) {
        Ok((report, location))
    } else {
        Err(Refused::InvalidLocation)
    }
}

/// What the body says it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A browser asks before it sends one across origins.
    Json,
    /// Any page can send one anywhere, unasked.
    Text,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = header(headers, CONTENT_TYPE.as_str())?;
        let essence = kind.split(';').next().unwrap_or(kind).trim();
        match essence.to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "text/plain" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Whether a page of ours sent it, by what browsers say and pages cannot change.
fn from_our_pages(landing: &Landing, parts: &Parts, kind: Kind) -> bool {
    let site = header(&parts.headers, "sec-fetch-site");
    match site {
        Some("cross-site") => return false,
        // Said even where the page's referrer policy makes its `Origin` null.
        Some("same-origin") => return true,
        Some(_) | None => {}
    }
    match header(&parts.headers, ORIGIN.as_str()) {
        Some(origin) => Url::parse(origin).is_ok_and(|origin| is_ours(landing, parts, &origin)),
        // No browser leaves out both, at least not where it asks nobody before.
        None => site.is_some() || kind == Kind::Json,
    }
}

fn is_ours(landing: &Landing, parts: &Parts, url: &Url) -> bool {
    let hosts = &landing.settings.rules.own_hosts;
    let asked = request_host(parts);
    let is_ours = |host| hosts.contain(host) || asked.is_some_and(|asked| same_host(asked, host));
    matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(is_ours)
}

fn plant(landing: &Landing, parts: &Parts, report: &Report, location: &Url, to: &mut HeaderMap) {
    let page = Page {
        path: location.path(),
        query: location.query().unwrap_or(""),
        referrer: report.referrer.as_deref(),
        host: location.host_str(),
        consent: report.consent.unwrap_or(Consent::Unknown),
    };
    let document = Navigation { method: "GET", ..Navigation::default() };
    if let Some(arrival) = landing.arrive_at(&page, document, &parts.headers) {
        let client = landing.client(parts);
        landing.touch(arrival, &client).add_to(to);
    }
}
