//! What surrounds every request: its id, its time limit, the headers of its answer.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use whence_events::CorrelationId;

use super::error::{self, Problem};
use super::extract::RequestIdentity;
use super::limits::REQUEST_TIMEOUT;
use crate::app::App;
use crate::secrets::new_correlation_id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// Puts the frame around the routes.
pub(super) fn around(routes: Router, app: Arc<App>) -> Router {
    let origins: Vec<_> = app.config.allowed_origins.iter().map(|o| o.0.clone()).collect();
    let routes = if origins.is_empty() {
        routes
    } else {
        let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
        let asked = [http::header::CONTENT_TYPE, http::header::AUTHORIZATION, CSRF_TOKEN];
        let cors = CorsLayer::new()
            .allow_origin(origins)
            .allow_credentials(true)
            .allow_methods(methods)
            .allow_headers(asked)
            .expose_headers([REQUEST_ID, http::header::RETRY_AFTER]);
        routes.layer(cors)
    };
    let panicked = |_| Problem::Internal.into_response();
    routes.layer(CatchPanicLayer::custom(panicked)).layer(from_fn_with_state(app, frame))
}

async fn frame(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestIdentity(id));
    let path = request.uri().path().to_owned();
    // A command that is cut short is either on record or not; asking again finds out.
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    let response = answer.unwrap_or_else(|_| {
        tracing::error!(request = %id, "a request took too long");
        Problem::Internal.into_response()
    });
    let mut response = error::render(response, &path, id);
    set_headers(response.headers_mut(), id, app.config.https());
    response
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
