//! Refresh tokens over HTTP: the exchange of one for its successor, and log-out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{Actor, RevokeReason, Timestamp};

use super::body::Fields;
use super::{Message, refresh_cookie, success};
use crate::app::App;
use crate::app::refresh::{RefreshError, Refreshed};
use crate::http::cookies::with_cookies;
use crate::http::csrf::refuse_cross_site;
use crate::http::error::Problem;
use crate::http::extract::RequestContext;
use crate::http::openapi::{Refusals, refused};
use crate::http::session::end_session;
use crate::http::token::access_token;
use crate::http::typed_text::TypedText;
use crate::infra::tokens::RefreshToken;

/// The field that carries a token of a client without cookies.
const FIELD: &str = "refreshToken";

/// How a client keeps its refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// In a cookie that no script reads.
    Cookie,
    /// By itself, out of the body.
    Body,
}

/// The tokens of a session that are handed out.
pub(super) struct Issued<'a> {
    pub(super) access_token: String,
    pub(super) expires_in: i64,
    pub(super) refresh_token: &'a RefreshToken,
    /// When the session ends, unless it is extended.
    pub(super) expires_at: Timestamp,
    /// Whether the user registered just now; at a login only.
    pub(super) is_new_user: Option<bool>,
}

/// Tokens that are handed out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedTokens {
    #[schema(example = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl")]
    access_token: String,
    /// In seconds.
    #[schema(example = 900)]
    expires_in: i64,
    /// Whether the user registered just now; at a login only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    is_new_user: Option<bool>,
    /// The refresh token, for clients that keep it by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "AZKnxDtffSKdDhw_W3qeAv8Q")]
    refresh_token: Option<String>,
}

/// The body of a call with a refresh token; it may be empty, and the cookie counts.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "says what the field is, which is taken out by its name")]
struct RefreshBody {
    refresh_token: Option<TypedText>,
}

impl Issued<'_> {
    /// Returns the answer that hands the tokens out.
    pub(super) fn answer(self, delivery: Delivery, app: &App, now: Timestamp) -> Response {
        let mut data = IssuedTokens {
            access_token: self.access_token,
            expires_in: self.expires_in,
            is_new_user: self.is_new_user,
            refresh_token: None,
        };
        match delivery {
            Delivery::Body => {
                data.refresh_token = Some(self.refresh_token.to_text());
                success(data)
            }
            Delivery::Cookie => {
                let token = self.refresh_token;
                let line = refresh_cookie::set(&app.config, token, now, self.expires_at);
                with_cookies(success(data), [line])
            }
        }
    }
}

/// `POST /api/v1/auth/refresh`: exchanges a refresh token for its successor and an access token.
///
/// The successor goes the way that the token came: a script that may send the cookie must not get to
/// read it.
#[utoipa::path(post, path = "/api/v1/auth/refresh", request_body = Option<RefreshBody>,
    responses(
        (status = 200, body = IssuedTokens),
        Refusals<(refused::RefreshCookie, refused::CrossSite, refused::InvalidJson, refused::InvalidField, refused::WrongRefreshToken, refused::RateLimited, refused::Command)>,
    )
)]
pub(super) async fn refresh(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    request: RequestContext,
    mut body: Fields,
) -> Result<Response, Problem> {
    refuse_cross_site(&headers, &app)?;
    let (tokens, delivery) = match body.text(FIELD)? {
        Some(text) => {
            (RefreshToken::parse(&text, &app.engine.keys).into_iter().collect(), Delivery::Body)
        }
        None => (refresh_cookie::tokens(&headers, &app), Delivery::Cookie),
    };
    let refused = |problem: Problem| {
        let cookies = match delivery {
            Delivery::Cookie => refresh_cookie::clear(&app.config, &headers, uri.path()),
            Delivery::Body => vec![],
        };
        with_cookies(problem.into_response(), cookies)
    };
    let [token] = &tokens[..] else {
        // Of several that this service issued nobody can say which one is the browser's own.
        let several = !tokens.is_empty();
        return if several {
            Ok(refused(Problem::RefreshInvalid))
        } else {
            Err(Problem::RefreshInvalid)
        };
    };
    match app.refresh(token, request.now, &request.context(Actor::Owner)).await {
        Ok(Refreshed { session, token, expires_at }) => {
            let (access_token, expires_in) = access_token(&app, (&*session).into(), request.now)?;
            let issued = Issued {
                access_token,
                expires_in,
                refresh_token: &token,
                expires_at,
                is_new_user: None,
            };
            Ok(issued.answer(delivery, &app, request.now))
        }
        Err(RefreshError::Reused) => Ok(refused(Problem::RefreshReused)),
        // The cookie stays: it may be a newer one by the time that this answer comes.
        Err(RefreshError::Invalid) => Err(Problem::RefreshInvalid),
        Err(RefreshError::TooOften { until }) => Err(Problem::rate_limited(request.now, until)),
        Err(RefreshError::Session(error)) => Err(error.into()),
        Err(RefreshError::Store(error)) => Err(error.into()),
    }
}

/// `POST /api/v1/auth/logout`: ends the session of a refresh token, also of one that was exchanged.
/// It is well, too, when there is none.
#[utoipa::path(post, path = "/api/v1/auth/logout", request_body = Option<RefreshBody>,
    responses(
        (status = 200, body = Message),
        Refusals<(refused::RefreshCookie, refused::CrossSite, refused::InvalidJson, refused::InvalidField, refused::LogoutFailed, refused::Command)>,
    )
)]
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    request: RequestContext,
    mut body: Fields,
) -> Result<Response, Problem> {
    refuse_cross_site(&headers, &app)?;
    let mut tokens = refresh_cookie::tokens(&headers, &app);
    if let Some(text) = body.text(FIELD)? {
        tokens.extend(RefreshToken::parse(&text, &app.engine.keys));
    }
    for token in &tokens {
        // The cookie stays when this fails, so that the client can try again.
        end(&app, token, &request, RevokeReason::Logout)
            .await
            .map_err(|_| Problem::LogoutFailed)?;
    }
    let lines = refresh_cookie::clear(&app.config, &headers, uri.path());
    Ok(with_cookies(success(Message { message: "Logged out." }), lines))
}

/// Ends the session that a browser brought to a login: its cookie is replaced. The login goes on when
/// this fails.
pub(super) async fn end_replaced(app: &App, headers: &HeaderMap, request: &RequestContext) {
    for token in refresh_cookie::tokens(headers, app) {
        if end(app, &token, request, RevokeReason::Replaced).await.is_err() {
            tracing::warn!("the session that a login replaced goes on");
        }
    }
}

/// Ends the session of a token, if it is in use.
async fn end(
    app: &App,
    token: &RefreshToken,
    request: &RequestContext,
    reason: RevokeReason,
) -> Result<(), Problem> {
    match app.sessions.find(token.session_id, request.now).await? {
        Some(session) => end_session(app, &session, request, reason).await,
        None => Ok(()),
    }
}
