//! Users, as operators find and erase them.

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};
use whence_events::{EmailAddress, UserId};

use super::operator::OperatorCall;
use crate::app::erasure::{AddressErasure, EraseError, Erasure, Subject};
use crate::http::error::Problem;
use crate::http::extract::JsonBody;
use crate::http::typed_text::TypedText;

/// The body of a search.
#[derive(Deserialize)]
pub(super) struct FindUser {
    email: TypedText,
}

/// `POST /v1/admin/users/find`: answers the user of an address, also one who was erased.
pub(super) async fn find(
    call: OperatorCall,
    JsonBody(body): JsonBody<FindUser>,
) -> Result<Json<Value>, Problem> {
    let email = EmailAddress::parse(&body.email.into_text()).map_err(|_| Problem::InvalidEmail)?;
    let user_id = crate::insight::audit::find(&call.app.engine, &email, &call.context).await?;
    Ok(Json(json!({ "user_id": user_id })))
}

/// `POST /v1/admin/users/erase`: erases the user of an address, and forgets an address that nobody
/// verified.
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
