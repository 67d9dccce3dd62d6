//! What surrounds every request: its id, its time limit, the headers of its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method};
use tower::Service as _;
use tower_http::cors::CorsLayer;
use whence_events::CorrelationId;

use super::error::{self, Family, Problem};
use super::extract::RequestIdentity;
use super::limits::REQUEST_TIMEOUT;
use crate::app::App;
use crate::infra::random::new_correlation_id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// All routes, with what surrounds every request. The frame is no layer of the router: those are
/// boxed, once a route and once a request.
#[derive(Clone)]
pub struct Envelope {
    routes: Router,
    app: Arc<App>,
}

impl Envelope {
    pub(super) fn new(routes: Router, app: Arc<App>) -> Self {
        Self { routes: with_cors(routes, &app), app }
    }

    /// Answers one request, whatever happens.
    pub(super) async fn answer(mut self, mut request: Request) -> Response {
        let id = request_id(request.headers());
        request.extensions_mut().insert(RequestIdentity(id));
        let family = Family::of(request.uri().path());
        let answer = AssertUnwindSafe(self.routes.call(request)).catch_unwind();
        // A command that is cut short is either on record or not; asking again finds out.
        let response = match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
            Ok(Ok(Ok(response))) => response,
            // The panic's own message went to standard error.
            Ok(Err(_)) => Problem::Internal.into_response(),
            Err(_) => {
                tracing::error!(request = %id, "a request took too long");
                Problem::Unavailable.into_response()
            }
        };
        let mut response = error::render(response, family, id);
        set_headers(response.headers_mut(), id, self.app.config.listening.https());
        response
    }
}

fn with_cors(routes: Router, app: &App) -> Router {
    let origins: Vec<_> =
        app.config.listening.allowed_origins.iter().map(|o| o.0.clone()).collect();
    if origins.is_empty() {
        return routes;
    }
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    let asked = [http::header::CONTENT_TYPE, http::header::AUTHORIZATION, CSRF_TOKEN];
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods(methods)
        .allow_headers(asked)
        .expose_headers([REQUEST_ID, http::header::RETRY_AFTER]);
    routes.layer(cors)
}

/// The caller's id when it is a UUID, else a fresh one.
fn request_id(headers: &HeaderMap) -> CorrelationId {
    let sent = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    sent.and_then(|text| text.parse().ok()).unwrap_or_else(new_correlation_id)
}

/// OWASP's headers for an API; what a handler set itself stays.
fn set_headers(headers: &mut HeaderMap, id: CorrelationId, https: bool) {
    let mut buffer = uuid::Uuid::encode_buffer();
    let id = id.0.hyphenated().encode_lower(&mut buffer);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    let mut set = |name, value| {
        if let Entry::Vacant(place) = headers.entry(name) {
            place.insert(HeaderValue::from_static(value));
        }
    };
    set(CACHE_CONTROL, "no-store");
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(X_FRAME_OPTIONS, "DENY");
    set(REFERRER_POLICY, "no-referrer");
    set(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    if https {
        set(STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
}
