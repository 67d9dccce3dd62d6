//! The parts of a request that handlers take as arguments.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::HeaderMap;
use http::header::ACCEPT;
use http::request::Parts;
use serde::de::DeserializeOwned;
use whence_events::{Actor, CorrelationId, Timestamp};

use super::cookies::{MAX_SAME_NAME, candidates};
use super::error::Problem;
use super::limits::{BODY_TIMEOUT, MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES};
use super::openapi::{Facts, Need, Refuses};
use super::renewal::used_by_cookie;
use super::session_cookies;
use crate::app::App;
use crate::app::sessions::Session;
use crate::engine::handler::Context;
use crate::infra::random::new_correlation_id;
use crate::infra::tokens::SessionToken;

/// The id of a request, which the envelope puts into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestIdentity(pub(super) CorrelationId);

/// The time at which a request arrived, and its id.
pub(super) struct RequestContext {
    /// The time at which the handler got the request.
    pub(super) now: Timestamp,
    /// The id of the request, and so of the events that it causes.
    pub(super) id: CorrelationId,
}

impl RequestContext {
    /// Returns the context of a command on behalf of `actor`.
    pub(super) fn context(&self, actor: Actor) -> Context {
        Context::of_request(self.id, actor)
    }
}

impl FromRequestParts<Arc<App>> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self { now: app.clock.now(), id: correlation_id(parts) })
    }
}

/// Returns the id of a request, or a new one when it came without the envelope.
pub(super) fn correlation_id(parts: &Parts) -> CorrelationId {
    parts.extensions.get::<RequestIdentity>().map_or_else(new_correlation_id, |id| id.0)
}

/// A JSON body of at most [`MAX_BODY_BYTES`], with any content type or none: the API that this one
/// replaces does not check it either.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request, MAX_BODY_BYTES).await.map(Self)
    }
}

/// A JSON body of at most [`MAX_BATCH_BODY_BYTES`], for calls about many things at once.
pub(super) struct LargeJsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for LargeJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request, MAX_BATCH_BODY_BYTES).await.map(Self)
    }
}

/// Reads the JSON body of a request.
async fn read<T: DeserializeOwned>(request: Request, most: usize) -> Result<T, Problem> {
    object(&body_of(request, most).await?).ok_or(Problem::InvalidJson)
}

/// Reads a body of at most [`MAX_BODY_BYTES`].
pub(super) async fn whole_body(request: Request) -> Result<Bytes, Problem> {
    body_of(request, MAX_BODY_BYTES).await
}

async fn body_of(request: Request, most: usize) -> Result<Bytes, Problem> {
    // A client that does not send what it announced is at fault, not the service: no 500.
    let whole = tokio::time::timeout(BODY_TIMEOUT, to_bytes(request.into_body(), most));
    whole.await.ok().and_then(Result::ok).ok_or(Problem::InvalidJson)
}

/// Reads a JSON object. serde alone would also accept a list of the fields in order, and does not
/// check whether what it skips is UTF-8 (RFC 8259, section 8.1).
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(without_bom(bytes)).ok()?;
    if text.trim_ascii_start().starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

/// Returns whether a request asks for a kind of content, such as `text/html`, in any of its `Accept` lines.
pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.into_iter().any(|line| line.to_ascii_lowercase().contains(kind))
}

/// Returns a JSON text without the byte order mark that some libraries put in front of it (RFC 8259,
/// section 8.1).
pub(super) fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Returns the session tokens that a request carries, each once; they may be of no session in use. The
/// problem is that there are more than anybody tries.
pub(super) fn session_tokens(headers: &HeaderMap, app: &App) -> Result<Vec<SessionToken>, Problem> {
    let name = session_cookies::session_name(&app.config);
    let parse = |value: &[u8]| SessionToken::parse(std::str::from_utf8(value).ok()?);
    let tokens = candidates(headers, name, parse);
    if tokens.len() > MAX_SAME_NAME { Err(Problem::SeveralSessions) } else { Ok(tokens) }
}

/// The session of a request, which is in use, and the token that proves it.
pub(super) struct SignedIn {
    pub(super) session: Arc<Session>,
    pub(super) token: SessionToken,
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let now = app.clock.now();
        let signed_in = Self::of(&parts.headers, app, now).await?;
        let proven = (&signed_in.session, &signed_in.token);
        used_by_cookie(parts, app, correlation_id(parts), proven, now);
        Ok(signed_in)
    }
}

impl Refuses for SignedIn {
    fn add_to(facts: &mut Facts) {
        facts.allow(Need::Session);
        facts.fail([Problem::Unauthenticated, Problem::SeveralSessions]);
    }
}

impl SignedIn {
    /// Returns the session that the cookies of a request prove: the only one of them that is in use.
    ///
    /// Of two that are in use one was planted, as by a page of a sibling domain, and nobody can say which
    /// one; then neither counts, and the response takes both away.
    async fn of(headers: &HeaderMap, app: &App, now: Timestamp) -> Result<Self, Problem> {
        let mut proven = None;
        for token in session_tokens(headers, app)? {
            if let Some(session) = app.sessions.get(&token, now).await? {
                if proven.is_some() {
                    return Err(Problem::SeveralSessions);
                }
                proven = Some(Self { session, token });
            }
        }
        proven.ok_or(Problem::Unauthenticated)
    }
}
