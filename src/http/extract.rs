//! What handlers ask of a request.

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::HeaderMap;
use http::request::Parts;
use serde::de::DeserializeOwned;
use whence_events::{Actor, CorrelationId, Timestamp};

use super::client::ClientFacts;
use super::cookies::cookie_value;
use super::error::Problem;
use super::limits::{BODY_TIMEOUT, MAX_BODY};
use super::session_cookies;
use crate::app::App;
use crate::app::sessions::Session;
use crate::engine::handler::Context;
use crate::infra::random::new_correlation_id;
use crate::infra::tokens::SessionToken;

/// The request's id, put there by the outermost layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestIdentity(pub(super) CorrelationId);

/// When a request came, and under which id.
pub(super) struct RequestContext {
    pub(super) now: Timestamp,
    pub(super) id: CorrelationId,
}

impl RequestContext {
    /// A context for a command on behalf of `actor`.
    pub(super) fn context(&self, actor: Actor) -> Context {
        Context::of_request(self.id, actor)
    }
}

impl FromRequestParts<Arc<App>> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self { now: app.clock.now(), id: correlation_id(parts) })
    }
}

impl FromRequestParts<Arc<App>> for ClientFacts {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self::of(parts, &app.config, &app.config.landing.geo))
    }
}

pub(super) fn correlation_id(parts: &Parts) -> CorrelationId {
    parts.extensions.get::<RequestIdentity>().map_or_else(new_correlation_id, |id| id.0)
}

/// A JSON body of at most [`MAX_BODY`] bytes, whatever its content type says: the API that this one
/// stands in for does not ask for one either.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        // A client that does not send what it announced is no fault of ours, so no 500.
        let whole = tokio::time::timeout(BODY_TIMEOUT, to_bytes(request.into_body(), MAX_BODY));
        let bytes: Bytes = match whole.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) | Err(_) => return Err(Problem::InvalidJson),
        };
        object(&bytes).map(Body).ok_or(Problem::InvalidJson)
    }
}

/// Reads a JSON object. serde alone would also take a list of the fields in order, and does not look
/// whether what it skips is UTF-8 (RFC 8259, section 8.1).
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.trim_ascii_start().starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

/// The session token that a request carries, whoever it belongs to.
pub(super) fn session_token(headers: &HeaderMap, app: &App) -> Option<SessionToken> {
    let name = session_cookies::session_name(&app.config);
    SessionToken::parse(std::str::from_utf8(cookie_value(headers, name)?).ok()?)
}

/// A request with a session that is in use.
pub(super) struct SignedIn {
    pub(super) session: Arc<Session>,
    pub(super) token: SessionToken,
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = session_token(&parts.headers, app).ok_or(Problem::Unauthenticated)?;
        let session = app.sessions.get(&token, app.clock.now()).await?;
        let session = session.ok_or(Problem::Unauthenticated)?;
        Ok(Self { session, token })
    }
}

/// Refuses a call that changes something unless the page that makes it knows the session's CSRF
/// token, and the browser does not say that another site makes it.
pub(super) fn check_csrf(
    headers: &HeaderMap,
    app: &App,
    token: &SessionToken,
) -> Result<(), Problem> {
    refuse_cross_site(headers)?;
    let sent = headers.get("x-csrf-token").ok_or(Problem::CsrfMissing)?;
    let sent = sent.to_str().map_err(|_| Problem::CsrfInvalid)?;
    if token.csrf_token(&app.engine.keys).matches(sent) {
        Ok(())
    } else {
        Err(Problem::CsrfInvalid)
    }
}

/// Fetch Metadata (W3C): browsers say so when another site's page makes the call.
pub(super) fn refuse_cross_site(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    if site == Some(b"cross-site") { Err(Problem::CsrfInvalid) } else { Ok(()) }
}
