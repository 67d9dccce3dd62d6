//! Users, for back-ends.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{Provider, UserId};

use super::user_id;
use crate::app::App;
use crate::app::sessions::User;
use crate::http::api_key::{ReadUsers, ScopedApiKey};
use crate::http::error::{ApiKeyProblem, Problem};
use crate::http::openapi::{Millis, Refusals, refused};
use crate::http::portal::success;

/// A user: identity and profile. What is not known is an empty text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlatformUser<'a> {
    id: UserId,
    #[schema(example = "ada@example.com")]
    email: &'a str,
    #[schema(example = "Ada Lovelace")]
    display_name: &'a str,
    #[schema(example = "https://img.example.com/ada.png")]
    avatar_url: &'a str,
    #[schema(example = "cus_1815")]
    billing_customer_id: &'a str,
    provider: Provider,
    #[schema(value_type = Millis)]
    created_at: String,
    #[schema(value_type = Millis)]
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
#[utoipa::path(get, path = "/api/v1/users/{id}",
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = PlatformUser),
        Refusals<(ScopedApiKey<ReadUsers>, refused::InvalidParameter, refused::NoSuchUser)>,
    )
)]
pub(super) async fn profile(
    _: ScopedApiKey<ReadUsers>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let user = app
        .sessions
        .user(user_id(&id)?)
        .await?
        .ok_or(Problem::ApiKey(ApiKeyProblem::NoSuchUser))?;
    Ok(success(PlatformUser::of(&user)))
}
