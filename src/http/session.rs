//! The session of a browser: who is logged in, and log-out.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{Actor, EmailAddress, Provider, RevokeReason, StreamId, Timestamp, UserId};

use super::answers::Done;
use super::cookies::with_cookies;
use super::csrf::{check_csrf_of_any, refuse_cross_site, tell_token};
use super::error::Problem;
use super::extract::{RequestContext, SignedIn, session_tokens};
use super::openapi::{Refusals, refused};
use super::session_cookies;
use crate::app::App;
use crate::app::sessions::{self, Session};
use crate::domain::user::{User, UserCommand};
use crate::engine::handler::HandleError;
use crate::infra::tokens::SessionToken;

/// A user in the shape of the console family: texts are empty where nothing is known.
#[derive(Serialize, ToSchema)]
pub(super) struct UserBody<'a> {
    id: UserId,
    #[schema(example = "ada@example.com")]
    email: Cow<'a, str>,
    #[schema(example = "Ada Lovelace")]
    display_name: &'a str,
    #[schema(example = "https://img.example.com/ada.png")]
    avatar_url: &'a str,
    #[schema(example = "cus_1815")]
    billing_customer_id: &'a str,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> UserBody<'a> {
    /// Returns the body of a user who has just registered.
    pub(super) fn fresh(id: UserId, email: &'a EmailAddress, at: Timestamp) -> Self {
        Self {
            id,
            email: email.shown(),
            display_name: "",
            avatar_url: "",
            billing_customer_id: "",
            created_at: at,
            updated_at: at,
        }
    }

    /// Returns the body of a user as the read models have them.
    pub(super) fn of(user: &'a sessions::User) -> Self {
        Self {
            id: user.user_id,
            email: user.email.shown(),
            display_name: user.display_name.as_deref().unwrap_or_default(),
            avatar_url: user.avatar_url.as_deref().unwrap_or_default(),
            billing_customer_id: user.billing_customer_id.as_deref().unwrap_or_default(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// The answer of calls about who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct UserAnswer<'a> {
    user: UserBody<'a>,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct Me<'a> {
    user: UserBody<'a>,
    /// How the user logs in.
    #[schema(value_type = Provider)]
    provider: &'static str,
    /// When the user is erased, as they asked; absent when they did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    erasure_due_at: Option<Timestamp>,
}

impl IntoResponse for UserBody<'_> {
    fn into_response(self) -> Response {
        Json(UserAnswer { user: self }).into_response()
    }
}

/// `GET /v1/auth/me`: answers the user who is logged in.
#[utoipa::path(get, path = "/v1/auth/me",
    responses(
        (status = 200, body = Me, headers(
            ("x-csrf-token" = String, description = "The token of the session, for pages that cannot read the cookie."),
        )),
        Refusals<(SignedIn,)>,
    )
)]
pub(super) async fn me(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
) -> Response {
    let provider = session.user.provider.as_str();
    let erasure_due_at = session.user.erasure_due_at;
    let me = Me { user: UserBody::of(&session.user), provider, erasure_due_at };
    let mut response = Json(me).into_response();
    tell_token(response.headers_mut(), &app, &token);
    response
}

/// `POST /v1/auth/logout`: ends the session and takes its cookies away.
#[utoipa::path(post, path = "/v1/auth/logout",
    responses(
        (status = 200, body = Done),
        Refusals<(refused::AnySession, refused::Csrf, refused::OrNobody, refused::LogoutFailed)>,
    )
)]
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    // First of all: a form that another site posts carries no Lax cookie, but browsers keep the
    // cookies of the response, and clearing them would log that site's visitors out.
    refuse_cross_site(&headers, &app)?;
    let tokens = session_tokens(&headers, &app)?;
    if !tokens.is_empty() {
        // Also for a session that has ended: the CSRF token depends on the session token alone. A page
        // that reads one of several CSRF cookies logs the browser out of all its sessions.
        check_csrf_of_any(&headers, &app, &tokens)?;
    }
    for token in &tokens {
        // The cookie stays when this fails, so that the client can try again.
        end(&app, token, &request, RevokeReason::Logout)
            .await
            .map_err(|_| Problem::LogoutFailed)?;
    }
    let cookies = session_cookies::clear(&app.config, &headers, uri.path());
    Ok(with_cookies(Done::answer().into_response(), cookies))
}

/// Ends the session that a browser brought to a login: its cookie is replaced, so that nobody could
/// end it later. Only the right secret half of the token names a session here, so that another site
/// that makes a browser log in ends none but the one whose cookie that login replaces anyway. The
/// login goes on when this fails.
pub(super) async fn end_replaced(app: &App, headers: &HeaderMap, request: &RequestContext) {
    for token in session_tokens(headers, app).unwrap_or_default() {
        if end(app, &token, request, RevokeReason::Replaced).await.is_err() {
            tracing::warn!("the session that a login replaced goes on");
        }
    }
}

/// Ends the session of this token, if it is in use.
async fn end(
    app: &App,
    token: &SessionToken,
    request: &RequestContext,
    reason: RevokeReason,
) -> Result<(), Problem> {
    match app.sessions.get(token, request.now).await? {
        Some(session) => end_session(app, &session, request, reason).await,
        None => Ok(()),
    }
}

/// Ends a session that was found in use.
pub(super) async fn end_session(
    app: &App,
    session: &Session,
    request: &RequestContext,
    reason: RevokeReason,
) -> Result<(), Problem> {
    let command = UserCommand::RevokeSession { session_id: session.session_id, reason };
    let stream = StreamId::User(session.user.user_id);
    match app.engine.handler.run::<User>(&stream, &command, &request.context(Actor::Owner)).await {
        Ok(done) => {
            // So that the next request, on any connection, finds it ended, also when the read
            // models do not catch up in time.
            app.ended(&[session.session_id], done.position).await;
            Ok(())
        }
        // Another call has ended it.
        Err(HandleError::Rejected(_)) => Ok(()),
        Err(HandleError::Store(error)) => Err(error.into()),
    }
}
