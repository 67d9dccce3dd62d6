//! `GET /v1/touch/forward`: a proxy, or a layer of another service, reports a page view that it is about to
//! answer, and passes the cookies of the answer on.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::REFERER;
use whence_events::Consent;

use super::Landing;
use super::layer::Handled;
use super::visited_page::{VisitedPage, header, navigation};
use crate::app::App;
use crate::domain::touch::Navigation;
use crate::http::client::original::OriginalRequest;
use crate::http::forward::number_cookies;
use crate::http::openapi::Refusals;

/// The service, and what recognizes its landings.
pub(super) type ForwardState = (Arc<App>, Arc<Landing>);

/// Returns what a layer in JavaScript reports of a navigation. `fetch` of Node.js overwrites
/// `Sec-Fetch-Mode` with its own `cors`, which no browser says of a document or without a destination.
fn reported(navigation: Navigation<'_>) -> Navigation<'_> {
    match (navigation.fetch_mode, navigation.fetch_dest) {
        (Some("cors"), Some("document")) => {
            Navigation { fetch_mode: Some("navigate"), ..navigation }
        }
        (Some("cors"), None) => Navigation { fetch_mode: None, ..navigation },
        _ => navigation,
    }
}

/// Records the page view as a layer around the page would, and answers 204 with the cookies that it gets,
/// whether or not there are any: a page is never refused for the sake of a landing. What a peer says that
/// is no trusted proxy is no page view.
#[utoipa::path(get, path = "/v1/touch/forward",
    responses(
        (status = 204, description = "The landing cookies are in the headers, if the page view is a landing."),
        Refusals<()>,
    )
)]
pub(super) async fn pick_up(
    State((app, landing)): State<ForwardState>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let mut answer = (axum::Extension(Handled), StatusCode::NO_CONTENT).into_response();
    let Some(original) = OriginalRequest::of(&parts, &app.config.listening) else {
        return answer;
    };
    let page = VisitedPage {
        path: original.path(),
        query: original.query(),
        fragment: "",
        referrer: header(&parts.headers, REFERER.as_str()),
        host: original.host,
        consent: Consent::Unknown,
    };
    let method = original.method.unwrap_or("GET");
    let navigation = reported(Navigation { method, ..navigation(&parts) });
    if let Some(arrival) = landing.arrive_at(&page, navigation, &parts.headers) {
        let arrival = landing.look_up(arrival).await;
        let client = landing.client(&parts);
        landing.touch(arrival, &client).add_to(answer.headers_mut());
        number_cookies(Some(&original), answer.headers_mut());
    }
    answer
}
