//! What other services can ask about access tokens (RFC 7662), and where they ask it (RFC 8414).

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::admin::operator::AuthenticatedOperator;
use super::api_key::{ReadUsers, ScopedApiKey};
use super::error::Problem;
use super::limits::{BODY_TIMEOUT, MAX_BODY_BYTES};
use crate::app::App;

/// A caller who may ask about tokens: an operator (`X-Admin-Token`), or a back-end whose API key is for
/// reading users.
pub(super) struct Inquirer;

impl FromRequestParts<Arc<App>> for Inquirer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if parts.headers.contains_key("x-admin-token") {
            AuthenticatedOperator::from_request_parts(parts, app).await?;
        } else {
            ScopedApiKey::<ReadUsers>::from_request_parts(parts, app).await?;
        }
        Ok(Self)
    }
}

/// `POST /v1/auth/introspect`: answers an operator or a back-end whether an access token is valid now, and whose it is.
///
/// Every other text is inactive, whatever is wrong with it; session cookies and refresh tokens are for this
/// service alone. An answer that cannot be known is an error: a service would take "inactive" for final.
/// Being asked about is no use of the session.
pub(super) async fn introspect(
    _: Inquirer,
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let whole = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES));
    let token = match whole.await {
        Ok(Ok(bytes)) if is_form(&parts.headers) => token_of(&bytes),
        Ok(Ok(_) | Err(_)) | Err(_) => None,
    };
    let Some(token) = token else { return Ok(no_form()) };
    let answer = active(&app, &token).await?.unwrap_or_else(|| json!({ "active": false }));
    Ok(Json(answer).into_response())
}

/// Returns what is known of a token that is valid now; `None` for any other text.
async fn active(app: &App, token: &str) -> Result<Option<Value>, Problem> {
    let now = app.clock.now();
    let Some(facts) = app.access_tokens.read(token, now) else { return Ok(None) };
    let session = app.sessions.find(facts.session_id, now).await?;
    let session = session.filter(|session| session.user.user_id == facts.user_id);
    Ok(session.map(|session| {
        json!({
            "active": true,
            "token_type": "Bearer",
            "username": session.user.email.shown(),
            "sub": facts.user_id,
            "sid": facts.session_id,
            "iss": app.access_tokens.issuer(),
            "aud": app.access_tokens.issuer(),
            "iat": facts.issued_at,
            "exp": facts.expires_at,
            "jti": facts.token_id,
        })
    }))
}

/// Returns whether a body is the form that the specification asks for.
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or(kind).trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Returns the one `token` of a form.
fn token_of(form: &[u8]) -> Option<String> {
    let pairs = url::form_urlencoded::parse(form);
    let mut tokens = pairs.filter(|(name, _)| name == "token").map(|(_, value)| value);
    let (token, None) = (tokens.next()?, tokens.next()) else { return None };
    (!token.is_empty()).then(|| token.into_owned())
}

/// Returns the error of a request without a token (RFC 6749, section 5.2).
fn no_form() -> Response {
    let body = json!({
        "error": "invalid_request",
        "message": "Send the form token=..., application/x-www-form-urlencoded.",
    });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// `GET /.well-known/oauth-authorization-server`: answers where this issuer's keys and its introspection are.
///
/// There is no authorization and no token endpoint of OAuth here. The two lists are empty rather than absent:
/// one is required, and the absence of the other would mean grants that do not exist.
pub(super) async fn metadata(State(app): State<Arc<App>>) -> Response {
    let listening = &app.config.listening;
    let body = json!({
        "issuer": app.access_tokens.issuer(),
        "jwks_uri": listening.page(".well-known/jwks.json"),
        "introspection_endpoint": listening.page("v1/auth/introspect"),
        // The type of an access token, which an API key is (RFC 8414, section 2).
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
        "response_types_supported": [],
        "grant_types_supported": [],
    });
    let caching = HeaderValue::from_static("public, max-age=3600");
    ([(CACHE_CONTROL, caching)], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_one_token() {
        assert_eq!(token_of(b"token_type_hint=access_token&token=a%2Bb").as_deref(), Some("a+b"));
        for form in
            [&b""[..], b"token", b"token=", b"Token=a", b"token=a&token=a", b"{\"token\":1}"]
        {
            assert_eq!(token_of(form), None);
        }
    }
}
