//! What operators do about users and codes, each time for a reason that goes on record.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use whence_events::{ReferralCode, UserId};

use super::operator::AuthenticatedOperator;
use super::users::user_id;
use crate::app::App;
use crate::app::moderation::{Moderation, ModerationError, code_owner};
use crate::domain::user::measure::{Act, Reason};
use crate::http::error::Problem;
use crate::http::extract::{JsonBody, RequestContext};
use crate::insight::sessions::{SessionList, sessions_on_record};

/// The body of a measure.
#[derive(Deserialize)]
pub(super) struct MeasureBody {
    /// The reason of the operator.
    #[serde(default)]
    reason: Option<String>,
    /// The session to end; all when there is none.
    #[serde(default)]
    session_id: Option<String>,
}

impl MeasureBody {
    fn reason(&self) -> Result<Reason, Problem> {
        Reason::parse(self.reason.as_deref().unwrap_or_default()).map_err(|_| {
            Problem::InvalidParameter("reason is 1 to 500 characters without control characters.")
        })
    }
}

/// `GET /v1/admin/users/{id}/sessions`: answers the sessions of a user that are in use.
pub(super) async fn sessions_of(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(id): Path<String>,
) -> Result<Json<SessionList>, Problem> {
    let context = request.context(operator.actor());
    Ok(Json(sessions_on_record(&app.engine, user_id(&id)?, request.now, &context).await?))
}

/// `POST /v1/admin/users/{id}/sessions/revoke`: ends one session of a user, or all.
pub(super) async fn revoke_sessions(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    let only = body.session_id.as_deref().map(str::parse).transpose();
    let only = only.map_err(|_| Problem::InvalidParameter("The id of a session is a UUID."))?;
    take(&operator, &app, &request, user_id(&id)?, Act::RevokeSessions { only }, &body).await
}

/// `POST /v1/admin/users/{id}/suspend`: ends all sessions of a user, who cannot log in from now on.
pub(super) async fn suspend(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    take(&operator, &app, &request, user_id(&id)?, Act::Suspend, &body).await
}

/// `POST /v1/admin/users/{id}/reinstate`: lets a suspended user log in again.
pub(super) async fn reinstate(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    take(&operator, &app, &request, user_id(&id)?, Act::Reinstate, &body).await
}

/// `POST /v1/admin/codes/{code}/disable`: makes a code attribute nobody from now on.
pub(super) async fn disable_code(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(code): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    let (owner, code) = code_of(&app, &code).await?;
    take(&operator, &app, &request, owner, Act::BlockCode(code), &body).await
}

/// `POST /v1/admin/codes/{code}/enable`: enables a code again that an operator disabled.
pub(super) async fn enable_code(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(code): Path<String>,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Json<Moderation>, Problem> {
    let (owner, code) = code_of(&app, &code).await?;
    take(&operator, &app, &request, owner, Act::UnblockCode(code), &body).await
}

async fn take(
    operator: &AuthenticatedOperator,
    app: &App,
    request: &RequestContext,
    user_id: UserId,
    act: Act,
    body: &MeasureBody,
) -> Result<Json<Moderation>, Problem> {
    let context = request.context(operator.actor());
    Ok(Json(app.moderate(user_id, act, body.reason()?, &context).await?))
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
