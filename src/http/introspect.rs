//! What other services can ask about access tokens (RFC 7662), and where they ask it (RFC 8414).

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{SessionId, UserId};

use super::admin::operator::AuthenticatedOperator;
use super::api_key::{ReadUsers, ScopedApiKey};
use super::error::Problem;
use super::limits::{BODY_TIMEOUT, MAX_BODY_BYTES};
use super::openapi::{Facts, Refusals, Refuses};
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

impl Refuses for Inquirer {
    fn add_to(facts: &mut Facts) {
        AuthenticatedOperator::add_to(facts);
        ScopedApiKey::<ReadUsers>::add_to(facts);
    }
}

/// The form that asks about a token (RFC 7662, section 2.1).
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what the form has; it is read pair by pair")]
struct TokenForm {
    #[schema(min_length = 1, example = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl")]
    token: String,
}

/// What is known of a token (RFC 7662, section 2.2).
#[derive(Serialize, ToSchema)]
struct Introspection {
    /// Whether it is valid now. The rest is there when it is.
    active: bool,
    #[serde(flatten)]
    claims: Option<ActiveToken>,
}

/// Whose a token is that is valid now.
#[derive(Serialize, ToSchema)]
struct ActiveToken {
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// The address of the user.
    #[schema(example = "ada@example.com")]
    username: String,
    sub: UserId,
    sid: SessionId,
    #[schema(example = "https://login.example.com")]
    iss: String,
    #[schema(example = "https://login.example.com")]
    aud: String,
    #[schema(example = 1_796_000_000)]
    iat: i64,
    #[schema(example = 1_796_000_900)]
    exp: i64,
    #[schema(value_type = String, format = "uuid")]
    jti: uuid::Uuid,
}

/// The error of a request without the form (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
struct FormProblem {
    #[schema(example = "invalid_request")]
    error: &'static str,
    #[schema(example = "Send the form token=..., application/x-www-form-urlencoded.")]
    message: &'static str,
}

/// What there is of an authorization server (RFC 8414).
#[derive(Serialize, ToSchema)]
struct IssuerMetadata {
    #[schema(example = "https://login.example.com")]
    issuer: String,
    #[schema(example = "https://login.example.com/.well-known/jwks.json")]
    jwks_uri: String,
    #[schema(example = "https://login.example.com/v1/auth/introspect")]
    introspection_endpoint: String,
    /// The type of an access token, which an API key is (RFC 8414, section 2).
    #[schema(value_type = Vec<String>, example = json!(["Bearer"]))]
    introspection_endpoint_auth_methods_supported: &'static [&'static str],
    #[schema(value_type = Vec<String>, example = json!([]))]
    response_types_supported: &'static [&'static str],
    #[schema(value_type = Vec<String>, example = json!([]))]
    grant_types_supported: &'static [&'static str],
}

/// `POST /v1/auth/introspect`: answers an operator or a back-end whether an access token is valid now, and whose it is.
///
/// Every other text is inactive, whatever is wrong with it; session cookies and refresh tokens are for this
/// service alone. An answer that cannot be known is an error: a service would take "inactive" for final.
/// Being asked about is no use of the session.
#[utoipa::path(post, path = "/v1/auth/introspect", request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = Introspection),
        (status = 400, description = "The form has not one `token`.", body = FormProblem),
        Refusals<(Inquirer,)>,
    )
)]
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
    let answer =
        active(&app, &token).await?.unwrap_or(Introspection { active: false, claims: None });
    Ok(Json(answer).into_response())
}

/// Returns what is known of a token that is valid now; `None` for any other text.
async fn active(app: &App, token: &str) -> Result<Option<Introspection>, Problem> {
    let now = app.clock.now();
    let Some(facts) = app.access_tokens.read(token, now) else { return Ok(None) };
    let session = app.sessions.find(facts.session_id, now).await?;
    let session = session.filter(|session| session.user.user_id == facts.user_id);
    Ok(session.map(|session| {
        let claims = ActiveToken {
            token_type: "Bearer",
            username: session.user.email.shown().into_owned(),
            sub: facts.user_id,
            sid: facts.session_id,
            iss: app.access_tokens.issuer().to_owned(),
            aud: app.access_tokens.issuer().to_owned(),
            iat: facts.issued_at,
            exp: facts.expires_at,
            jti: facts.token_id,
        };
        Introspection { active: true, claims: Some(claims) }
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
    let body = FormProblem {
        error: "invalid_request",
        message: "Send the form token=..., application/x-www-form-urlencoded.",
    };
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// `GET /.well-known/oauth-authorization-server`: answers where this issuer's keys and its introspection are.
///
/// There is no authorization and no token endpoint of OAuth here. The two lists are empty rather than absent:
/// one is required, and the absence of the other would mean grants that do not exist.
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server",
    responses(
        (status = 200, body = IssuerMetadata),
        Refusals<()>,
    )
)]
pub(super) async fn metadata(State(app): State<Arc<App>>) -> Response {
    let listening = &app.config.listening;
    let body = IssuerMetadata {
        issuer: app.access_tokens.issuer().to_owned(),
        jwks_uri: listening.page(".well-known/jwks.json"),
        introspection_endpoint: listening.page("v1/auth/introspect"),
        introspection_endpoint_auth_methods_supported: &["Bearer"],
        response_types_supported: &[],
        grant_types_supported: &[],
    };
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
