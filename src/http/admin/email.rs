//! The address of a user who lost their mailbox, as operators change it.

use axum::Json;
use axum::extract::Path;
use whence_events::UserId;

use super::measures::AddressMeasureBody;
use super::operator::OperatorCall;
use super::users::user_id;
use crate::app::email_change::{AddressMove, MoveError, WantedMove};
use crate::http::error::{AddressProblem, Problem};
use crate::http::extract::JsonBody;
use crate::http::openapi::{Refusals, refused};

/// `POST /v1/admin/users/{id}/email`: moves the account of a user to another address, and ends all of
/// its sessions. The previous address can object for 72 hours.
#[utoipa::path(post, path = "/users/{id}/email", request_body = AddressMeasureBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = AddressMove),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::NoEmail, refused::UserNotFound, refused::NotMoved, refused::AddressUnchanged, refused::Command)>,
    )
)]
pub(super) async fn change(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<AddressMeasureBody>,
) -> Result<Json<AddressMove>, Problem> {
    let user_id = user_id(&id)?;
    let (email, reason) = &body.parse()?;
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
