//! The erasure of an account by its own user: asked for, seen, and undone within a grace time.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{Actor, Timestamp};

use super::answers::Done;
use super::cookies::with_cookies;
use super::csrf::check_csrf;
use super::error::Problem;
use super::extract::{RequestContext, SignedIn};
use super::openapi::{Refusals, refused};
use super::recent_login::check_recent_login;
use super::session_cookies;
use crate::app::App;
use crate::domain::user::ErasureRequest;
use crate::infra::errors::with_causes;

/// The erasure that a user asked for.
#[derive(Serialize, ToSchema)]
struct ErasureBody {
    /// When it was asked for.
    requested_at: Timestamp,
    /// When it is done.
    due_at: Timestamp,
}

impl ErasureBody {
    fn of(request: ErasureRequest) -> Self {
        Self { requested_at: request.requested_at, due_at: request.due_at }
    }
}

/// The answer of the calls about an erasure.
#[derive(Serialize, ToSchema)]
pub(super) struct ErasureAnswer {
    /// The erasure that is due; `null`: there is none.
    erasure: Option<ErasureBody>,
}

/// `GET /v1/auth/erasure`: answers when the user is erased, if they asked for it.
#[utoipa::path(get, path = "/v1/auth/erasure",
    responses(
        (status = 200, body = ErasureAnswer),
        Refusals<(SignedIn, refused::Command)>,
    )
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    SignedIn { session, .. }: SignedIn,
) -> Result<Json<ErasureAnswer>, Problem> {
    let request = app.erasure_request(session.user.user_id).await?;
    Ok(Json(ErasureAnswer { erasure: request.map(ErasureBody::of) }))
}

/// `POST /v1/auth/erasure`: asks for the erasure of the user, which is done after the grace time.
#[utoipa::path(post, path = "/v1/auth/erasure",
    responses(
        (status = 200, description = "There is no grace time: the user is erased.", body = ErasureAnswer),
        (status = 202, description = "The user is erased at `due_at`.", body = ErasureAnswer),
        Refusals<(SignedIn, refused::Csrf, refused::LoginNotRecent, refused::Command)>,
    )
)]
pub(super) async fn request(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    uri: Uri,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    check_recent_login(&session, request.now)?;
    let context = request.context(Actor::Owner);
    let asked = app.request_erasure(&session.user, request.now, &context).await?;
    let asked = asked.ok_or(Problem::Internal)?;
    let answer = Json(ErasureAnswer { erasure: Some(ErasureBody::of(asked)) });
    if asked.due_at > request.now {
        return Ok((StatusCode::ACCEPTED, answer).into_response());
    }
    // It is on record, so that the sweep completes what is interrupted here.
    if let Err(error) = app.erase_if_due(session.user.user_id).await {
        tracing::warn!(error = %with_causes(&error), "an erasure is not complete yet");
        return Ok((StatusCode::ACCEPTED, answer).into_response());
    }
    let cookies = session_cookies::clear(&app.config, &headers, uri.path());
    Ok(with_cookies(answer.into_response(), cookies))
}

/// `DELETE /v1/auth/erasure`: withdraws the request to be erased, if there is one.
#[utoipa::path(delete, path = "/v1/auth/erasure",
    responses(
        (status = 200, body = Done),
        Refusals<(SignedIn, refused::Csrf, refused::Command)>,
    )
)]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Json<Done>, Problem> {
    check_csrf(&headers, &app, &token)?;
    app.cancel_erasure(session.user.user_id, &request.context(Actor::Owner)).await?;
    Ok(Done::answer())
}
