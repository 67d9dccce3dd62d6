//! What operators do about users and codes, each time for a reason that goes on record.

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use utoipa::ToSchema;
use whence_events::{EmailAddress, ReferralCode, SessionId, UserId};

use super::operator::OperatorCall;
use super::users::user_id;
use crate::app::App;
use crate::app::login_limits::{Unlocking, address_of, clear_lock};
use crate::app::moderation::{Moderation, ModerationError, code_owner};
use crate::domain::user::measure::{Act, Reason};
use crate::http::error::Problem;
use crate::http::extract::JsonBody;
use crate::http::openapi::{Refusals, refused};
use crate::http::typed_text::{TypedText, optional_text};
use crate::insight::sessions::{SessionList, sessions_on_record};

/// The body of a measure.
#[derive(Deserialize, ToSchema)]
pub(super) struct MeasureBody {
    /// The reason of the operator.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = TypedText, required = true)]
    reason: Option<String>,
}

/// The body of the end of sessions.
#[derive(Deserialize, ToSchema)]
pub(super) struct RevokeSessionsBody {
    /// The reason of the operator.
    #[schema(value_type = Option<TypedText>)]
    #[serde(default, deserialize_with = "optional_text")]
    reason: Option<String>,
    /// The session to end; all when there is none.
    #[schema(value_type = Option<SessionId>)]
    #[serde(default)]
    session_id: Option<String>,
}

impl MeasureBody {
    fn reason(&self) -> Result<Reason, Problem> {
        reason(self.reason.as_deref())
    }
}

/// Parses the reason of an operator.
fn reason(text: Option<&str>) -> Result<Reason, Problem> {
    Reason::parse(text.unwrap_or_default()).map_err(|_| {
        Problem::InvalidParameter("reason is 1 to 500 characters without control characters.")
    })
}

/// `GET /v1/admin/users/{id}/sessions`: answers the sessions of a user that are in use.
#[utoipa::path(get, path = "/users/{id}/sessions",
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = SessionList),
        Refusals<(OperatorCall, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn sessions_of(
    call: OperatorCall,
    Path(id): Path<String>,
) -> Result<Json<SessionList>, Problem> {
    Ok(Json(sessions_on_record(&call.app.engine, user_id(&id)?, call.now, &call.context).await?))
}

/// The reason on record of sessions that were ended without one.
const NO_REASON: &str = "no reason given";

/// `POST /v1/admin/users/{id}/sessions/revoke`: ends one session of a user, or all. It is urgent and does
/// no lasting harm, so it alone is not refused for want of a reason.
#[utoipa::path(post, path = "/users/{id}/sessions/revoke", request_body = RevokeSessionsBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = Moderation),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::UserNotFound, refused::NotFound, refused::Command)>,
    )
)]
pub(super) async fn revoke_sessions(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<RevokeSessionsBody>,
) -> Result<Json<Moderation>, Problem> {
    let reason = Some(body.reason.unwrap_or_else(|| NO_REASON.to_owned()));
    let only = body.session_id.as_deref().map(str::parse).transpose();
    let only = only.map_err(|_| Problem::InvalidParameter("The id of a session is a UUID."))?;
    take(&call, user_id(&id)?, Act::RevokeSessions { only }, &MeasureBody { reason }).await
}

/// `POST /v1/admin/users/{id}/suspend`: ends all sessions of a user, who cannot log in from now on.
#[utoipa::path(post, path = "/users/{id}/suspend", request_body = MeasureBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = Moderation),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn suspend(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    take(&call, user_id(&id)?, Act::Suspend, &body).await
}

/// `POST /v1/admin/users/{id}/reinstate`: lets a suspended user log in again.
#[utoipa::path(post, path = "/users/{id}/reinstate", request_body = MeasureBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = Moderation),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn reinstate(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    take(&call, user_id(&id)?, Act::Reinstate, &body).await
}

/// The body of a measure about an address, which travels in a body because URLs are logged.
#[derive(Deserialize, ToSchema)]
pub(super) struct AddressMeasureBody {
    /// The address.
    #[schema(value_type = String, format = "email", example = "ada@example.com", required = true)]
    #[serde(default, deserialize_with = "optional_text")]
    email: Option<String>,
    /// The reason of the operator.
    #[schema(value_type = TypedText, required = true)]
    #[serde(default, deserialize_with = "optional_text")]
    reason: Option<String>,
}

impl AddressMeasureBody {
    pub(super) fn parse(&self) -> Result<(EmailAddress, Reason), Problem> {
        let reason = reason(self.reason.as_deref())?;
        let email = EmailAddress::parse(self.email.as_deref().unwrap_or_default());
        Ok((email.map_err(|_| Problem::InvalidEmail)?, reason))
    }
}

/// `POST /v1/admin/users/unlock`: lets an address take codes again, also one without a user.
#[utoipa::path(post, path = "/users/unlock", request_body = AddressMeasureBody,
    responses(
        (status = 200, body = Unlocking),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::NoEmail, refused::Command)>,
    )
)]
pub(super) async fn unlock_address(
    call: OperatorCall,
    JsonBody(body): JsonBody<AddressMeasureBody>,
) -> Result<Json<Unlocking>, Problem> {
    let (email, reason) = body.parse()?;
    Ok(Json(clear_lock(&call.app.engine, &email, &reason, &call.context).await?))
}

/// `POST /v1/admin/users/{id}/unlock`: lets the address of a user take codes again.
#[utoipa::path(post, path = "/users/{id}/unlock", request_body = MeasureBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = Unlocking),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn unlock(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Unlocking>, Problem> {
    let reason = body.reason()?;
    let email = address_of(&call.app.engine, user_id(&id)?).await?.ok_or(Problem::UserNotFound)?;
    Ok(Json(clear_lock(&call.app.engine, &email, &reason, &call.context).await?))
}

/// `POST /v1/admin/codes/{code}/disable`: makes a code attribute nobody from now on.
#[utoipa::path(post, path = "/codes/{code}/disable", request_body = MeasureBody,
    params(("code" = ReferralCode, Path, description = "A referral code.")),
    responses(
        (status = 200, body = Moderation),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::CodeNotFound, refused::Command)>,
    )
)]
pub(super) async fn disable_code(
    call: OperatorCall,
    Path(code): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    let (owner, code) = code_of(&call.app, &code).await?;
    take(&call, owner, Act::BlockCode(code), &body).await
}

/// `POST /v1/admin/codes/{code}/enable`: enables a code again that an operator disabled.
#[utoipa::path(post, path = "/codes/{code}/enable", request_body = MeasureBody,
    params(("code" = ReferralCode, Path, description = "A referral code.")),
    responses(
        (status = 200, body = Moderation),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::CodeNotFound, refused::Command)>,
    )
)]
pub(super) async fn enable_code(
    call: OperatorCall,
    Path(code): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    let (owner, code) = code_of(&call.app, &code).await?;
    take(&call, owner, Act::UnblockCode(code), &body).await
}

async fn take(
    call: &OperatorCall,
    user_id: UserId,
    act: Act,
    body: &MeasureBody,
) -> Result<Json<Moderation>, Problem> {
    Ok(Json(call.app.moderate(user_id, act, body.reason()?, &call.context).await?))
}

async fn code_of(app: &App, text: &str) -> Result<(UserId, ReferralCode), Problem> {
    let code: ReferralCode =
        text.parse().map_err(|_| Problem::InvalidParameter("This is not a referral code."))?;
    Ok((code_owner(&app.engine, &code).await?, code))
}

impl From<ModerationError> for Problem {
    fn from(error: ModerationError) -> Self {
        match error {
            ModerationError::NoSuchUser => Self::UserNotFound,
            ModerationError::NoSuchSession => Self::NotFound,
            ModerationError::NoSuchCode => Self::CodeNotFound,
            ModerationError::Store(error) => error.into(),
        }
    }
}
