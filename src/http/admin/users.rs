//! Users, as operators find and erase them.

use axum::Json;
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{EmailAddress, UserId};

use super::operator::OperatorCall;
use crate::app::erasure::{AddressErasure, EraseError, Erasure, Subject};
use crate::http::error::Problem;
use crate::http::extract::JsonBody;
use crate::http::openapi::{Refusals, refused};
use crate::http::typed_text::TypedText;

/// The body of a search.
#[derive(Deserialize, ToSchema)]
pub(super) struct FindUser {
    #[schema(value_type = String, format = "email", example = "ada@example.com")]
    email: TypedText,
}

/// The user who was found.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundUser {
    user_id: UserId,
}

/// `POST /v1/admin/users/find`: answers the user of an address, also one who was erased.
#[utoipa::path(post, path = "/users/find", request_body = FindUser,
    responses(
        (status = 200, body = FoundUser),
        Refusals<(OperatorCall, refused::InvalidJson, refused::NoEmail, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn find(
    call: OperatorCall,
    JsonBody(body): JsonBody<FindUser>,
) -> Result<Json<FoundUser>, Problem> {
    let email = EmailAddress::parse(&body.email.into_text()).map_err(|_| Problem::InvalidEmail)?;
    let user_id = crate::insight::audit::find(&call.app.engine, &email, &call.context).await?;
    Ok(Json(FoundUser { user_id }))
}

/// `POST /v1/admin/users/erase`: erases the user of an address, and forgets an address that nobody
/// verified.
#[utoipa::path(post, path = "/users/erase", request_body = FindUser,
    responses(
        (status = 200, body = AddressErasure),
        Refusals<(OperatorCall, refused::InvalidJson, refused::NoEmail, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn erase_address(
    call: OperatorCall,
    JsonBody(body): JsonBody<FindUser>,
) -> Result<Json<AddressErasure>, Problem> {
    let email = EmailAddress::parse(&body.email.into_text()).map_err(|_| Problem::InvalidEmail)?;
    match call.app.erase_address(&email, &call.context).await {
        Ok(erasure) => Ok(Json(erasure)),
        Err(EraseError::NoSuchUser) => Err(Problem::UserNotFound),
        Err(EraseError::Interrupted(error)) => Err(error.into()),
    }
}

/// `POST /v1/admin/users/{id}/erase`: erases a user.
#[utoipa::path(post, path = "/users/{id}/erase",
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = Erasure),
        Refusals<(OperatorCall, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn erase(
    call: OperatorCall,
    Path(id): Path<String>,
) -> Result<Json<Erasure>, Problem> {
    let subject = Subject { user_id: user_id(&id)?, email_key: None };
    match call.app.erase(subject, &call.context).await {
        Ok(erasure) => Ok(Json(erasure)),
        Err(EraseError::NoSuchUser) => Err(Problem::UserNotFound),
        Err(EraseError::Interrupted(error)) => Err(error.into()),
    }
}

/// Parses the id of a user in a path.
pub(super) fn user_id(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|_| Problem::InvalidParameter("The id of a user is a UUID."))
}
