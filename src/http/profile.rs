//! What users say about themselves: the name and the picture that they are shown by.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;
use whence_events::{Actor, StreamId, UserId};

use super::csrf::check_csrf;
use super::error::Problem;
use super::extract::{JsonBody, RequestContext, SignedIn};
use super::openapi::{Refusals, refused};
use super::session::{UserAnswer, UserBody};
use super::typed_text::TypedText;
use crate::app::App;
use crate::domain::profile::{AvatarUrl, DisplayName};
use crate::domain::user::profile::UpdateProfile;
use crate::domain::user::{User, UserCommand};

/// The body of an update. What is missing stays as it is, an empty text or null is taken away.
#[derive(Deserialize, ToSchema)]
pub(super) struct ProfilePatch {
    /// At most 80 characters.
    #[schema(value_type = Option<TypedText>)]
    #[serde(default, deserialize_with = "present")]
    display_name: Option<Value>,
    /// An https URL of at most 2048 bytes that names a host and no user.
    #[schema(value_type = Option<TypedText>)]
    #[serde(default, deserialize_with = "present")]
    avatar_url: Option<Value>,
}

/// Deserializes a field that is there: null is a value, and not a missing field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// `PATCH /v1/auth/me`: changes what the user is shown by, and answers the user.
#[utoipa::path(patch, path = "/v1/auth/me", request_body = ProfilePatch,
    responses(
        (status = 200, body = UserAnswer),
        Refusals<(SignedIn, refused::Csrf, refused::InvalidJson, refused::InvalidParameter, refused::RateLimited, refused::Command)>,
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    request: RequestContext,
    headers: HeaderMap,
    JsonBody(patch): JsonBody<ProfilePatch>,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let user_id = session.user.user_id;
    let shown = shown_as(&app, user_id).await?;
    let command = patched(patch, shown, &request)?;
    let Some(command) = command else { return Ok(UserBody::of(&session.user).into_response()) };
    let stream = StreamId::User(user_id);
    let context = request.context(Actor::Owner);
    let command = UserCommand::UpdateProfile(command);
    let done = app.engine.handler.run::<User>(&stream, &command, &context).await?;
    app.progress.wait_for(done.position).await;
    let session = app.sessions.find(session.session_id, request.now).await?;
    let session = session.ok_or(Problem::Unauthenticated)?;
    Ok(UserBody::of(&session.user).into_response())
}

/// What a user is shown by, by their own stream: the read models of a node may be behind.
#[derive(Default)]
struct ShownAs {
    display_name: Option<String>,
    avatar_url: Option<String>,
}

async fn shown_as(app: &App, user_id: UserId) -> Result<ShownAs, Problem> {
    let stream = StreamId::User(user_id);
    let user = app.engine.handler.load::<User>(&stream).await?.state;
    let Some((shown, version)) = &user.shown_as else { return Ok(ShownAs::default()) };
    let vault = &app.engine.vault;
    let mut opened = ShownAs::default();
    if let Some(name) = &shown.display_name {
        opened.display_name = vault.open(&stream, *version, "display_name", name).await?;
    }
    if let Some(url) = &shown.avatar_url {
        opened.avatar_url = vault.open(&stream, *version, "avatar_url", url).await?;
    }
    Ok(opened)
}

/// Returns the command of an update; `None` when nothing is another.
fn patched(
    patch: ProfilePatch,
    shown: ShownAs,
    request: &RequestContext,
) -> Result<Option<UpdateProfile>, Problem> {
    let (name_now, avatar_now) = (shown.display_name, shown.avatar_url);
    let name = match patch.display_name {
        Some(value) => text(value, NAME)?,
        None => name_now.clone().unwrap_or_default(),
    };
    let avatar = match patch.avatar_url {
        Some(value) => text(value, AVATAR)?,
        None => avatar_now.clone().unwrap_or_default(),
    };
    let display_name = DisplayName::parse(&name).map_err(|_| Problem::InvalidParameter(NAME))?;
    let avatar_url = AvatarUrl::parse(&avatar).map_err(|_| Problem::InvalidParameter(AVATAR))?;
    let is_same = display_name.clone().map(DisplayName::into_text) == name_now
        && avatar_url.clone().map(AvatarUrl::into_text) == avatar_now;
    let update = UpdateProfile { now: request.now, display_name, avatar_url };
    Ok((!is_same).then_some(update))
}

const NAME: &str = "display_name is a text of at most 80 characters.";
const AVATAR: &str =
    "avatar_url is an https URL of at most 2048 bytes that names a host and no user.";

/// Returns the text of a field; null is an empty one.
fn text(value: Value, problem: &'static str) -> Result<String, Problem> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(Problem::InvalidParameter(problem))
        }
    }
}
