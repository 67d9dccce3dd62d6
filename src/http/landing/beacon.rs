//! `POST /v1/touch`: a page reports a visit, and the response sets the cookies.

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

use super::Landing;
use super::visited_page::{VisitedPage, header, request_host};
use crate::domain::touch::{Navigation, same_host};
use crate::http::extract::without_bom;
use crate::http::limits::BODY_TIMEOUT;

/// The longest report, in bytes.
pub const MAX_REPORT_BYTES: usize = 4096;

/// The report of a visit, as `/touch.js` sends it. Unknown fields are ignored.
#[derive(Deserialize)]
struct BeaconReport {
    /// The whole address of the page.
    location: String,
    /// `document.referrer` of the page.
    #[serde(default)]
    referrer: Option<String>,
    /// The consent of the visitor, if the page knows it.
    #[serde(default)]
    consent: Option<Consent>,
}

/// The reason why a report is refused.
#[derive(Debug, PartialEq, Eq)]
enum BeaconRefusal {
    /// Another site sent the report: setting cookies for it would be cookie stuffing.
    CrossSite,
    /// The body is too long, not JSON, or not a report.
    InvalidJson,
    /// The location is not the address of a page of the platform.
    InvalidLocation,
}

impl IntoResponse for BeaconRefusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site"),
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::InvalidLocation => (StatusCode::BAD_REQUEST, "invalid_location"),
        };
        (status, Json(serde_json::json!({ "error": error }))).into_response()
    }
}

/// Records a reported visit and sets its cookies; answers 204 whether or not there were cookies to
/// set.
///
/// `application/json` and `text/plain` are accepted, the second because it is what `sendBeacon` and
/// a request without preflight can send. The rules for documents are applied to the page that is
/// reported, because the call itself never asks for a document.
pub(super) async fn report(State(landing): State<Arc<Landing>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut answer = match read(&landing, &parts, body).await {
        Ok((report, location)) => {
            let mut answer = StatusCode::NO_CONTENT.into_response();
            plant(&landing, &parts, &report, &location, answer.headers_mut()).await;
            answer
        }
        Err(refused) => refused.into_response(),
    };
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(CACHE_CONTROL, no_store);
    answer
}

/// Reads a report that comes from a page of the platform, and the address of that page.
async fn read(
    landing: &Landing,
    parts: &Parts,
    body: axum::body::Body,
) -> Result<(BeaconReport, Url), BeaconRefusal> {
    let format = BeaconFormat::of(&parts.headers).ok_or(BeaconRefusal::InvalidJson)?;
    if !from_our_pages(landing, &parts.headers, format) {
        return Err(BeaconRefusal::CrossSite);
    }
    // A client that does not send what it announced is at fault, not the service: no 500.
    let whole = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_REPORT_BYTES));
    let Ok(Ok(bytes)) = whole.await else { return Err(BeaconRefusal::InvalidJson) };
    let report: BeaconReport =
        serde_json::from_slice(without_bom(&bytes)).map_err(|_| BeaconRefusal::InvalidJson)?;
    let location = Url::parse(&report.location).map_err(|_| BeaconRefusal::InvalidLocation)?;
    if is_ours(landing, parts, &location) {
        Ok((report, location))
    } else {
        Err(BeaconRefusal::InvalidLocation)
    }
}

/// The content type of a report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BeaconFormat {
    /// `application/json`, which browsers send to another origin only after a preflight request.
    Json,
    /// `text/plain`, which any page can send to any origin without a preflight request.
    Text,
}

impl BeaconFormat {
    /// Returns the format that the headers name; `None` when it is another one, or missing.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = header(headers, CONTENT_TYPE.as_str())?;
        let essence = content_type.split(';').next().unwrap_or(content_type).trim();
        match essence.to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "text/plain" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Returns whether a page of the platform sent the report, by the headers that browsers set and
/// pages cannot change. A page of another origin has to be of one that is allowed, by scheme, host and
/// port.
fn from_our_pages(landing: &Landing, headers: &HeaderMap, format: BeaconFormat) -> bool {
    let site = header(headers, "sec-fetch-site");
    match site {
        Some("cross-site") => return false,
        // Browsers send it even where the page's referrer policy makes `Origin` null.
        Some("same-origin") => return true,
        Some(_) | None => {}
    }
    match header(headers, ORIGIN.as_str()) {
        Some(origin) => landing.takes_reports_of(origin),
        // No browser omits both, at least not where it sends no preflight request.
        None => site.is_some() || format == BeaconFormat::Json,
    }
}

/// Returns whether an address is of the platform: one of its own hosts, or the host of the request.
fn is_ours(landing: &Landing, parts: &Parts, url: &Url) -> bool {
    let hosts = &landing.settings.rules.own_hosts;
    let requested = request_host(parts);
    let is_ours =
        |host| hosts.contain(host) || requested.is_some_and(|requested| same_host(requested, host));
    matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(is_ours)
}

/// Records the touch that a report is of, if it is one, and adds its cookies to `headers`.
async fn plant(
    landing: &Landing,
    parts: &Parts,
    report: &BeaconReport,
    location: &Url,
    headers: &mut HeaderMap,
) {
    let page = VisitedPage {
        path: location.path(),
        query: location.query().unwrap_or(""),
        fragment: location.fragment().unwrap_or(""),
        referrer: report.referrer.as_deref(),
        host: location.host_str(),
        consent: report.consent.unwrap_or(Consent::Unknown),
    };
    let document = Navigation { method: "GET", ..Navigation::default() };
    if let Some(arrival) = landing.arrive_at(&page, document, &parts.headers) {
        let arrival = landing.look_up(arrival).await;
        let client = landing.client(parts);
        landing.touch(arrival, &client).add_to(headers);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use whence_events::Timestamp;

    use super::*;
    use crate::domain::touch::LandingRules;
    use crate::http::landing::cookies::CookieSettings;
    use crate::http::landing::{LandingClient, LandingSettings, TouchRecorder};
    use crate::infra::clock::Clock;
    use crate::infra::keys::MacKey;

    /// The client is at fault, and waits no longer than with any other body.
    #[tokio::test(start_paused = true)]
    async fn a_report_that_does_not_arrive_is_not_waited_for() {
        let settings = LandingSettings {
            rules: LandingRules::default(),
            cookies: CookieSettings::default(),
            landing_url: "https://www.shop.test/".parse().unwrap(),
            allowed_origins: Vec::new(),
        };
        let (recorder, _queue) = TouchRecorder::bounded(1);
        let clock = Clock::manual(Timestamp::from_micros(0));
        let resolver = Arc::new(|_: &Parts| LandingClient::default());
        let landing = Landing::new(settings, MacKey::generate(), clock, recorder, resolver);
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>());
        let request = Request::post("/v1/touch").header(CONTENT_TYPE, "application/json");
        let begun = tokio::time::Instant::now();
        let answer = report(State(Arc::new(landing)), request.body(body).unwrap()).await;
        assert_eq!((answer.status(), begun.elapsed()), (StatusCode::BAD_REQUEST, BODY_TIMEOUT));
    }
}
