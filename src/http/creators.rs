//! The handles of a user, under which they are a creator.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use whence_events::{Actor, Handle};

use super::csrf::check_csrf;
use super::error::{HandleProblem, Problem};
use super::extract::{JsonBody, RequestContext, SignedIn};
use super::typed_text::optional_text;
use crate::app::App;
use crate::app::creators::{ClaimError, CreatorHandles, handles_of};
use crate::domain::handle::{HandleRefusal, parse_for_user};

/// The body of a claim. A missing field counts as empty.
#[derive(Deserialize)]
pub(super) struct ClaimBody {
    #[serde(default, deserialize_with = "optional_text")]
    pub(super) handle: Option<String>,
}

/// `GET /v1/creators/me`: answers the handles of the user and the links of their pages.
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
    #[derive(Serialize)]
    struct Creator<'a> {
        handle: Option<&'a Handle>,
        link: Option<String>,
        handles: &'a [Handle],
    }
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
