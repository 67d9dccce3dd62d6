//! The envelope around every request: its id, its time limit, CORS, and the headers of its
//! response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, HeaderName, REFERRER_POLICY, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method};
use quick_cache::sync::Cache;
use tower::Service as _;
use tower_http::cors::{AllowOrigin, CorsLayer};
use whence_events::CorrelationId;

use super::client::{Peer, is_of_unnamed_proxy};
use super::csrf::CSRF_TOKEN;
use super::error::{self, Family, Problem};
use super::error_page;
use super::extract::RequestIdentity;
use super::host::{has_local_host, has_valid_host};
use super::landing::short_link;
use super::limits::{MAX_QUERY_BYTES, REQUEST_TIMEOUT};
use super::renewal::RenewedCookies;
use super::session_cookies;
use crate::app::{App, ROUTE_GROUPS};
use crate::infra::random::new_correlation_id;

/// The header that carries the id of a request, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The most ids of callers that are remembered, at some 50 bytes each.
const MAX_TAKEN_IDS: usize = 10_000;

/// All routes in what surrounds every request. It is not a layer of the router, because layers are
/// boxed, once for each route and once for each request.
#[derive(Clone)]
pub struct Envelope {
    routes: Router,
    app: Arc<App>,
    /// The ids that callers gave to their requests.
    taken: Arc<Cache<CorrelationId, ()>>,
}

impl Envelope {
    /// Returns the envelope around these routes, with CORS for the allowed origins.
    pub(super) fn new(routes: Router, app: Arc<App>) -> Self {
        let taken = Arc::new(Cache::new(MAX_TAKEN_IDS));
        Self { routes: with_cors(routes, &app), app, taken }
    }

    /// Returns the service behind the routes.
    pub(super) fn app(&self) -> Arc<App> {
        self.app.clone()
    }

    /// Answers one request, also when its handler panics or takes longer than [`REQUEST_TIMEOUT`].
    pub(super) async fn answer(mut self, mut request: Request) -> Response {
        let id = self.request_id(request.method(), request.headers());
        request.extensions_mut().insert(RequestIdentity(id));
        let peer = request.extensions().get::<Peer>();
        if is_of_unnamed_proxy(peer, request.headers(), &self.app.config.listening) {
            self.app.unnamed_proxy.note(self.app.clock.now());
        }
        let renewed = RenewedCookies::default();
        request.extensions_mut().insert(renewed.clone());
        let family = Family::of(request.uri().path());
        if let Some(uri) = short_link::in_own_spelling(request.uri()) {
            *request.uri_mut() = uri;
        }
        let path = request.uri().path().to_owned();
        let for_person = error_page::is_for_person(&request);
        let group = route_group(request.uri().path());
        let development = self.app.config.listening.development;
        let answer = AssertUnwindSafe(route(&mut self.routes, request, development)).catch_unwind();
        // A command that is cut short is either in the log or not; another request finds out.
        let response = match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
            Ok(Ok(response)) => response,
            // The panic's own message went to standard error.
            Ok(Err(_)) => Problem::Internal.into_response(),
            Err(_) => {
                tracing::error!(request = %id, "a request took too long");
                Problem::Unavailable.into_response()
            }
        };
        if let Some(problem) = response.extensions().get::<Problem>()
            && let Some(event) = problem.security_event()
        {
            self.app.engine.security.record(event, None, Some(id));
        }
        self.app.requests.count(group, response.status().as_u16());
        let several = response.extensions().get() == Some(&Problem::SeveralSessions);
        let mut response = error::render(response, family, id);
        if for_person {
            response = error_page::instead_of(response, &path, &self.app.config, id);
        }
        renewed.set_on(&mut response, &self.app);
        if several {
            for line in session_cookies::clear_everywhere(&self.app.config, &path) {
                response.headers_mut().append(SET_COOKIE, line);
            }
        }
        set_headers(response.headers_mut(), id, self.app.config.listening.https());
        response
    }

    /// Returns the id that the caller sent, or else a new one.
    ///
    /// The id ties events together, so the caller's has to be one UUID, and of one request that changes
    /// something: what two requests did is not on record as the doing of one.
    fn request_id(&self, method: &Method, headers: &HeaderMap) -> CorrelationId {
        let mut lines = headers.get_all(&REQUEST_ID).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return new_correlation_id() };
        let Some(id) = line.to_str().ok().and_then(|text| text.parse().ok()) else {
            return new_correlation_id();
        };
        if method.is_safe() {
            return if self.taken.get(&id).is_some() { new_correlation_id() } else { id };
        }
        let mut is_first = false;
        let mark = || {
            is_first = true;
            Ok::<_, std::convert::Infallible>(())
        };
        let Ok(()) = self.taken.get_or_insert_with(&id, mark);
        if is_first { id } else { new_correlation_id() }
    }
}

/// Answers a request that is well-formed, and refuses any other.
async fn route(routes: &mut Router, request: Request, development: bool) -> Response {
    // In development, so that no name that leads to this machine reads what is on it (DNS rebinding).
    if !has_valid_host(&request) || development && !has_local_host(&request) {
        return Problem::InvalidHost.into_response();
    }
    let query = request.uri().query().map_or(0, str::len);
    let path = request.uri().path();
    if query > MAX_QUERY_BYTES
        && !short_link::is_short_link(path)
        && !path.starts_with("/v1/admin/")
    {
        return Problem::InvalidQuery.into_response();
    }
    let Ok(response) = routes.call(request).await;
    response
}

/// Adds CORS for the allowed origins; without any, browsers refuse calls of other origins.
fn with_cors(routes: Router, app: &App) -> Router {
    let listening = &app.config.listening;
    let origins: Vec<_> = listening.allowed_origins.iter().map(|o| o.0.clone()).collect();
    if origins.is_empty() && !listening.development {
        return routes;
    }
    let origins = if listening.development {
        let listening = listening.clone();
        AllowOrigin::predicate(move |origin, _| listening.allows(origin.as_bytes()))
    } else {
        AllowOrigin::list(origins)
    };
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let headers = [http::header::CONTENT_TYPE, http::header::AUTHORIZATION, CSRF_TOKEN];
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods(methods)
        .allow_headers(headers)
        .expose_headers([REQUEST_ID, http::header::RETRY_AFTER, CSRF_TOKEN]);
    routes.layer(cors)
}

/// Returns the place in [`ROUTE_GROUPS`] of a path.
fn route_group(path: &str) -> usize {
    let group = match path {
        "/healthz" | "/readyz" | "/metrics" => "health",
        "/v1/touch" | "/touch.js" => "landing",
        _ if path.starts_with("/v1/auth/email/") => "login",
        _ if path.starts_with("/v1/auth/") => "session",
        _ if path.starts_with("/v1/referrals/") || path.starts_with("/v1/creators/") => "referrals",
        _ if path.starts_with("/api/") => "portal",
        _ if path.starts_with("/v1/admin/") => "admin",
        _ if path.starts_with("/v1/log/") || path.starts_with("/.well-known/") => "log",
        _ if short_link::is_short_link(path) || path.starts_with("/creators/") => "landing",
        _ if path.starts_with("/v1/touch/") => "landing",
        _ => "other",
    };
    ROUTE_GROUPS.iter().position(|name| *name == group).unwrap_or(ROUTE_GROUPS.len() - 1)
}

/// Sets OWASP's headers for an API, and the request's id; headers that a handler set itself are
/// kept.
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
