//! The address of a user who lost their mailbox, as operators change it.

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use utoipa::ToSchema;
use whence_events::{EmailAddress, UserId};

use super::measures::reason;
use super::operator::OperatorCall;
use super::users::user_id;
use crate::app::email_change::{AddressMove, MoveError, WantedMove};
use crate::http::error::{AddressProblem, Problem};
use crate::http::extract::JsonBody;
use crate::http::openapi::{Refusals, refused};
use crate::http::typed_text::{TypedText, optional_text};

/// The body of a change.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewEmailBody {
    /// The address that the account is to have.
    #[schema(value_type = String, format = "email", example = "ada@example.com", required = true)]
    #[serde(default, deserialize_with = "optional_text")]
    email: Option<String>,
    /// The reason of the operator.
    #[schema(value_type = TypedText, required = true)]
    #[serde(default, deserialize_with = "optional_text")]
    reason: Option<String>,
}

/// `POST /v1/admin/users/{id}/email`: moves the account of a user to another address, and ends all of
/// its sessions. The previous address can object for 72 hours.
#[utoipa::path(post, path = "/users/{id}/email", request_body = NewEmailBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = AddressMove),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::NoEmail, refused::UserNotFound, refused::NotMoved, refused::AddressUnchanged, refused::Command)>,
    )
)]
pub(super) async fn change(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<NewEmailBody>,
) -> Result<Json<AddressMove>, Problem> {
    let user_id = user_id(&id)?;
    let reason = &reason(body.reason.as_deref())?;
    let email = EmailAddress::parse(body.email.as_deref().unwrap_or_default());
    let email = &email.map_err(|_| Problem::InvalidEmail)?;
    let wanted = WantedMove { user_id, email, reason };
    Ok(Json(call.app.move_address(wanted, call.now, &call.context).await?))
}

impl From<MoveError> for Problem {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::NoSuchUser => Self::UserNotFound,
            MoveError::Suspended => Self::Address(AddressProblem::UserSuspended),
            MoveError::Leaving => Self::Address(AddressProblem::UserLeaves),
            MoveError::Unchanged => Self::Address(AddressProblem::Unchanged),
            MoveError::Taken => Self::Address(AddressProblem::Taken),
            MoveError::ChangeOpen => Self::Address(AddressProblem::ChangeOpen),
            MoveError::Store(error) => error.into(),
        }
    }
}
