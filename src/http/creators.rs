//! The handles of a user, under which they are a creator.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{Actor, Handle};

use super::csrf::check_csrf;
use super::error::{HandleProblem, Problem};
use super::extract::{JsonBody, RequestContext, SignedIn};
use super::openapi::{Refusals, refused};
use super::typed_text::{TypedText, optional_text};
use crate::app::App;
use crate::app::creators::{ClaimError, CreatorHandles, handles_of};
use crate::domain::handle::{HandleRefusal, parse_for_user};

/// The body of a claim. A missing field counts as empty.
#[derive(Deserialize, ToSchema)]
pub(super) struct ClaimBody {
    /// 2 to 32 of a-z and 0-9, with single `_`, `.` and `-` between them; in any case.
    #[schema(value_type = TypedText, required = true)]
    #[serde(default, deserialize_with = "optional_text")]
    pub(super) handle: Option<String>,
}

/// The handles of a user.
#[derive(Serialize, ToSchema)]
struct Creator<'a> {
    /// The newest; of a claim, the one that was claimed.
    handle: Option<&'a Handle>,
    #[schema(example = "https://login.example.com/creators/ada.lovelace")]
    link: Option<String>,
    /// All of them, the newest last.
    handles: &'a [Handle],
}

/// `GET /v1/creators/me`: answers the handles of the user and the links of their pages.
#[utoipa::path(get, path = "/v1/creators/me",
    responses(
        (status = 200, body = Creator),
        Refusals<(SignedIn, refused::Command)>,
    )
)]
pub(super) async fn me(
    State(app): State<Arc<App>>,
    SignedIn { session, .. }: SignedIn,
) -> Result<Response, Problem> {
    let mine = handles_of(&app.engine, session.user.user_id).await?;
    let newest = mine.handles.last();
    Ok(body(&app, newest, &mine))
}

/// `PUT /v1/creators/me`: gives the user the handle that they chose. It stays theirs, and so do the
/// handles that they chose before.
#[utoipa::path(put, path = "/v1/creators/me", request_body = ClaimBody,
    responses(
        (status = 200, body = Creator),
        Refusals<(SignedIn, refused::Csrf, refused::InvalidJson, refused::WrongHandle, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    headers: HeaderMap,
    request: RequestContext,
    JsonBody(wanted): JsonBody<ClaimBody>,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let handle = parse_for_user(wanted.handle.as_deref().unwrap_or_default())?;
    let context = request.context(Actor::Owner);
    let mine = app.claim_handle(session.user.user_id, handle.clone(), &context).await?;
    Ok(body(&app, Some(&handle), &mine))
}

/// Returns the answer about the handles of a user, with this one in the first place.
fn body(app: &App, first: Option<&Handle>, mine: &CreatorHandles) -> Response {
    let link = first.map(|handle| app.creator_link(handle));
    Json(Creator { handle: first, link, handles: &mine.handles }).into_response()
}

impl From<HandleRefusal> for Problem {
    fn from(refusal: HandleRefusal) -> Self {
        match refusal {
            HandleRefusal::Invalid => Self::Handle(HandleProblem::Invalid),
            HandleRefusal::Reserved => Self::Handle(HandleProblem::Reserved),
        }
    }
}

impl From<ClaimError> for Problem {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Taken => Self::Handle(HandleProblem::Taken),
            ClaimError::LooksTaken => Self::Handle(HandleProblem::Confusable),
            ClaimError::TooMany => Self::Handle(HandleProblem::Limit),
            ClaimError::NoSuchUser => Self::UserNotFound,
            ClaimError::Store(error) => error.into(),
        }
    }
}
