//! Users, for back-ends.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Value, json};
use whence_events::{Provider, UserId};

use super::user_id;
use crate::app::App;
use crate::app::sessions::User;
use crate::http::api_key::{ReadUsers, ScopedApiKey};
use crate::http::error::{ApiKeyProblem, Problem};

/// A user: identity and profile. What is not known is an empty text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlatformUser<'a> {
    id: UserId,
    email: &'a str,
    display_name: &'a str,
    avatar_url: &'a str,
    billing_customer_id: &'a str,
    provider: Provider,
    created_at: String,
    updated_at: String,
}

impl<'a> PlatformUser<'a> {
    fn of(user: &'a User) -> Self {
        Self {
            id: user.user_id,
            email: user.email.as_str(),
            display_name: user.display_name.as_deref().unwrap_or_default(),
            avatar_url: user.avatar_url.as_deref().unwrap_or_default(),
            billing_customer_id: user.billing_customer_id.as_deref().unwrap_or_default(),
            provider: user.provider,
            created_at: user.created_at.to_rfc3339_millis(),
            updated_at: user.updated_at.to_rfc3339_millis(),
        }
    }
}

/// `GET /api/v1/users/{id}`: answers a user.
pub(super) async fn profile(
    _: ScopedApiKey<ReadUsers>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let user = app
        .sessions
        .user(user_id(&id)?)
        .await?
        .ok_or(Problem::ApiKey(ApiKeyProblem::NoSuchUser))?;
    Ok(Json(json!({ "success": true, "data": PlatformUser::of(&user) })))
}
