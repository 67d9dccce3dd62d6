//! The sessions of a user: which there are, and the end of one or of all others.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{Actor, RevokeReason, SessionId, StreamId, UserId};

use super::answers::Done;
use super::cookies::with_cookies;
use super::csrf::check_csrf;
use super::error::Problem;
use super::extract::{RequestContext, SignedIn};
use super::openapi::{Refusals, refused};
use super::session_cookies;
use crate::app::App;
use crate::domain::user::{User, UserCommand, UserRejection, ended_sessions};
use crate::engine::handler::HandleError;
use crate::insight::sessions::{SessionList, sessions};

/// `GET /v1/auth/sessions`: answers the sessions of the user that are in use.
#[utoipa::path(get, path = "/v1/auth/sessions",
    responses(
        (status = 200, body = SessionList),
        Refusals<(SignedIn, refused::Command)>,
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    SignedIn { session, .. }: SignedIn,
    request: RequestContext,
) -> Result<Json<SessionList>, Problem> {
    let (user_id, asking) = (session.user.user_id, Some(session.session_id));
    Ok(Json(sessions(&app.engine, user_id, asking, request.now).await?))
}

/// `DELETE /v1/auth/sessions/{id}`: ends a session of the user, be it this one.
#[utoipa::path(delete, path = "/v1/auth/sessions/{id}",
    params(("id" = SessionId, Path, description = "A session of the list.")),
    responses(
        (status = 200, body = Done),
        Refusals<(SignedIn, refused::Csrf, refused::NotFound, refused::Command)>,
    )
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    uri: Uri,
    headers: HeaderMap,
    request: RequestContext,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let session_id: SessionId = id.parse().map_err(|_| Problem::NotFound)?;
    end_one(&app, session.user.user_id, session_id, &request).await?;
    let own = session_id == session.session_id;
    let lines =
        if own { session_cookies::clear(&app.config, &headers, uri.path()) } else { vec![] };
    Ok(with_cookies(Done::answer().into_response(), lines))
}

/// The answer that other sessions are over.
#[derive(Serialize, ToSchema)]
pub(super) struct RevokedOthers {
    ok: bool,
    /// How many there were.
    revoked: usize,
}

/// `POST /v1/auth/sessions/revoke-all`: ends all sessions of the user but this one.
#[utoipa::path(post, path = "/v1/auth/sessions/revoke-all",
    responses(
        (status = 200, body = RevokedOthers),
        Refusals<(SignedIn, refused::Csrf, refused::Command)>,
    )
)]
pub(super) async fn revoke_others(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Json<RevokedOthers>, Problem> {
    check_csrf(&headers, &app, &token)?;
    let ended = end_others(&app, session.user.user_id, session.session_id, &request).await?;
    Ok(Json(RevokedOthers { ok: true, revoked: ended }))
}

/// Ends a session of a user who asks for it.
pub(super) async fn end_one(
    app: &App,
    user_id: UserId,
    session_id: SessionId,
    request: &RequestContext,
) -> Result<(), Problem> {
    let command = UserCommand::RevokeSession { session_id, reason: RevokeReason::Revoked };
    let (stream, context) = (StreamId::User(user_id), request.context(Actor::Owner));
    let done = match app.engine.handler.run::<User>(&stream, &command, &context).await {
        // Another user's session is as unknown as none at all.
        Err(HandleError::Rejected(UserRejection::NoSuchSession)) => return Err(Problem::NotFound),
        done => done?,
    };
    app.ended(&[session_id], done.position).await;
    Ok(())
}

/// Ends all sessions of a user but the one that asks for it, and returns how many there were.
pub(super) async fn end_others(
    app: &App,
    user_id: UserId,
    keep: SessionId,
    request: &RequestContext,
) -> Result<usize, Problem> {
    let command = UserCommand::RevokeOtherSessions { now: request.now, keep };
    let (stream, context) = (StreamId::User(user_id), request.context(Actor::Owner));
    let done = app.engine.handler.run::<User>(&stream, &command, &context).await?;
    let ended = ended_sessions(&done.events);
    app.ended(&ended, done.position).await;
    Ok(ended.len())
}
