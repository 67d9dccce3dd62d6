//! The handles of users, as operators see and give them.

use axum::Json;
use axum::extract::Path;

use whence_events::UserId;

use super::operator::OperatorCall;
use super::users::user_id;
use crate::app::creators::{CreatorHandles, handles_of};
use crate::domain::handle::parse;
use crate::http::creators::ClaimBody;
use crate::http::error::Problem;
use crate::http::extract::JsonBody;
use crate::http::openapi::{Refusals, refused};

/// `GET /v1/admin/users/{id}/handles`: answers the handles of a user.
#[utoipa::path(get, path = "/users/{id}/handles",
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = CreatorHandles),
        Refusals<(OperatorCall, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn list(
    call: OperatorCall,
    Path(id): Path<String>,
) -> Result<Json<CreatorHandles>, Problem> {
    Ok(Json(handles_of(&call.app.engine, user_id(&id)?).await?))
}

/// `POST /v1/admin/users/{id}/handles`: gives a user a handle, also a reserved one.
#[utoipa::path(post, path = "/users/{id}/handles", request_body = ClaimBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = CreatorHandles),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::WrongHandle, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn claim(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<ClaimBody>,
) -> Result<Json<CreatorHandles>, Problem> {
    let handle = parse(body.handle.as_deref().unwrap_or_default())?;
    Ok(Json(call.app.claim_handle(user_id(&id)?, handle, &call.context).await?))
}
