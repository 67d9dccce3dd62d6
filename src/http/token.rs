//! Access tokens over HTTP: requests that carry one, the call that issues them, and the public key.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use whence_events::Timestamp;

use super::csrf::check_csrf;
use super::error::Problem;
use super::extract::{RequestContext, SignedIn, correlation_id};
use crate::app::App;
use crate::app::access_tokens::Bearer;
use crate::app::sessions::Session;

/// The session behind the access token of a request (`Authorization: Bearer`). The session is in
/// use.
pub(super) struct BearerUser(pub(super) Arc<Session>);

impl FromRequestParts<Arc<App>> for BearerUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let now = app.clock.now();
        let token = bearer_token(&parts.headers).ok_or(Problem::InvalidCredentials)?;
        let (user_id, session_id) =
            app.access_tokens.check(token, now).ok_or(Problem::InvalidCredentials)?;
        let session = app.sessions.find(session_id, now).await?;
        match session.filter(|session| session.user.user_id == user_id) {
            Some(session) => {
                app.activity.used(&session, now, correlation_id(parts));
                Ok(Self(session))
            }
            // The token is right: either its session has ended, or its user was erased.
            None if app.engine.read_db.user(user_id).await?.is_some() => {
                Err(Problem::InvalidCredentials)
            }
            None => Err(Problem::UserNotFound),
        }
    }
}

/// Returns the bearer token that a request carries.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `POST /v1/auth/token`: issues an access token for the session of the request.
pub(super) async fn issue(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let (access_token, expires_in) = access_token(&app, (&*session).into(), request.now)?;
    Ok(Json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": expires_in,
    }))
    .into_response())
}

/// Returns a new access token, and for how many seconds it is valid.
pub(super) fn access_token(
    app: &App,
    bearer: Bearer,
    now: Timestamp,
) -> Result<(String, i64), Problem> {
    app.access_tokens.issue(bearer, now).map_err(|error| {
        tracing::error!(%error, "an access token could not be signed");
        Problem::Internal
    })
}

/// `GET /.well-known/jwks.json`: answers the keys that verify access tokens (RFC 7517, RFC 8037).
pub(super) async fn jwks(State(app): State<Arc<App>>) -> Response {
    let caching = HeaderValue::from_static("public, max-age=3600");
    // `Purpose::lead` of bearer keys is longer than this.
    ([(CACHE_CONTROL, caching)], Json(json!({ "keys": app.access_tokens.public_keys() })))
        .into_response()
}
