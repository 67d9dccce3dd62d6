//! The keys of back-ends, as operators issue, list, rotate and revoke them.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use utoipa::ToSchema;
use whence_events::{ApiKeyId, ApiKeyScope, Timestamp};

use super::operator::OperatorCall;
use crate::app::api_keys::{
    self, ApiKeyChanged, ApiKeyLine, ApiKeyList, ApiKeyRequest, IssuedApiKey, KeyChange,
};
use crate::domain::api_key::{ApiKeyName, ApiKeyRejection, DEFAULT_GRACE};
use crate::domain::user::measure::Reason;
use crate::http::error::Problem;
use crate::http::extract::JsonBody;
use crate::http::openapi::{Refusals, refused};
use crate::http::typed_text::{TypedText, optional_text};
use crate::insight::audit::{self, EventLine, Show};

/// The body of a new key.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewApiKeyBody {
    /// The name that operators know the key by.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = TypedText, required = true)]
    name: Option<String>,
    /// What the key may be used for.
    #[serde(default)]
    #[schema(value_type = Vec<ApiKeyScope>, min_items = 1, required = true)]
    scopes: Vec<String>,
    /// The time from which the key is no longer valid (RFC 3339); none: it does not expire.
    #[serde(default)]
    #[schema(value_type = Option<Timestamp>)]
    expires_at: Option<String>,
}

/// The body of a rotation.
#[derive(Deserialize, ToSchema)]
pub(super) struct RotateApiKeyBody {
    /// How long the secret until now still counts; 0 ends earlier ones as well.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    grace_seconds: Option<u64>,
}

/// The body of a revocation.
#[derive(Deserialize, ToSchema)]
pub(super) struct RevokeApiKeyBody {
    /// The reason of the operator.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = TypedText, required = true)]
    reason: Option<String>,
}

impl NewApiKeyBody {
    fn into_key(self) -> Result<ApiKeyRequest, Problem> {
        let name = ApiKeyName::parse(self.name.as_deref().unwrap_or_default()).map_err(|_| {
            Problem::InvalidParameter("name is 1 to 64 characters that can be seen.")
        })?;
        let scopes = self.scopes.iter().map(|scope| ApiKeyScope::parse(scope));
        let scopes = scopes.collect::<Option<Vec<_>>>().ok_or(ApiKeyRejection::NoScope)?;
        let expires_at = self.expires_at.map(|text| text.parse::<Timestamp>()).transpose();
        let expires_at = expires_at.map_err(|_| ApiKeyRejection::ExpiresInPast)?;
        Ok(ApiKeyRequest { name, scopes, expires_at })
    }
}

/// `GET /v1/admin/api-keys`: answers the keys, also those that are over.
#[utoipa::path(get, path = "/api-keys",
    responses(
        (status = 200, body = ApiKeyList),
        Refusals<(OperatorCall, refused::Command)>,
    )
)]
pub(super) async fn list(call: OperatorCall) -> Result<Json<ApiKeyList>, Problem> {
    Ok(Json(api_keys::list(&call.app.engine, call.now).await?))
}

/// `POST /v1/admin/api-keys`: issues a key, whose secret is in this answer only.
#[utoipa::path(post, path = "/api-keys", request_body = NewApiKeyBody,
    responses(
        (status = 200, body = IssuedApiKey),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::Command)>,
    )
)]
pub(super) async fn issue(
    call: OperatorCall,
    JsonBody(body): JsonBody<NewApiKeyBody>,
) -> Result<Json<IssuedApiKey>, Problem> {
    Ok(Json(call.app.issue_api_key(body.into_key()?, &call.context).await?))
}

/// `GET /v1/admin/api-keys/{id}`: answers a key.
#[utoipa::path(get, path = "/api-keys/{id}",
    params(("id" = ApiKeyId, Path, description = "The id of an API key.")),
    responses(
        (status = 200, body = ApiKeyLine),
        Refusals<(OperatorCall, refused::InvalidParameter, refused::ApiKeyNotFound, refused::Command)>,
    )
)]
pub(super) async fn show(
    call: OperatorCall,
    Path(id): Path<String>,
) -> Result<Json<ApiKeyLine>, Problem> {
    Ok(Json(api_keys::find(&call.app.engine, key_id(&id)?, call.now).await?))
}

/// `GET /v1/admin/api-keys/{id}/timeline`: answers the events of a key, in order.
#[utoipa::path(get, path = "/api-keys/{id}/timeline",
    params(("id" = ApiKeyId, Path, description = "The id of an API key.")),
    responses(
        (status = 200, body = Vec<EventLine>),
        Refusals<(OperatorCall, refused::InvalidParameter, refused::ApiKeyNotFound, refused::Command)>,
    )
)]
pub(super) async fn timeline(
    call: OperatorCall,
    Path(id): Path<String>,
) -> Result<Json<Vec<EventLine>>, Problem> {
    let lines = audit::api_key(&call.app.engine, key_id(&id)?, Show::Masked, &call.context).await?;
    if lines.is_empty() {
        return Err(ApiKeyRejection::NoSuchKey.into());
    }
    Ok(Json(lines))
}

/// `POST /v1/admin/api-keys/{id}/rotate`: gives a key another secret, which is in this answer only.
#[utoipa::path(post, path = "/api-keys/{id}/rotate", request_body = RotateApiKeyBody,
    params(("id" = ApiKeyId, Path, description = "The id of an API key.")),
    responses(
        (status = 200, body = IssuedApiKey),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::ApiKeyNotFound, refused::ApiKeyOver, refused::Command)>,
    )
)]
pub(super) async fn rotate(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<RotateApiKeyBody>,
) -> Result<Json<IssuedApiKey>, Problem> {
    let grace = body.grace_seconds.map_or(DEFAULT_GRACE, Duration::from_secs);
    Ok(Json(call.app.rotate_api_key(key_id(&id)?, grace, &call.context).await?))
}

/// `POST /v1/admin/api-keys/{id}/end-grace`: lets no earlier secret count from now on.
#[utoipa::path(post, path = "/api-keys/{id}/end-grace",
    params(("id" = ApiKeyId, Path, description = "The id of an API key.")),
    responses(
        (status = 200, body = ApiKeyChanged),
        Refusals<(OperatorCall, refused::InvalidParameter, refused::ApiKeyNotFound, refused::ApiKeyOver, refused::Command)>,
    )
)]
pub(super) async fn end_grace(
    call: OperatorCall,
    Path(id): Path<String>,
) -> Result<Json<ApiKeyChanged>, Problem> {
    let change = KeyChange::EndGrace;
    Ok(Json(call.app.change_api_key(key_id(&id)?, change, &call.context).await?))
}

/// `POST /v1/admin/api-keys/{id}/revoke`: revokes a key for good.
#[utoipa::path(post, path = "/api-keys/{id}/revoke", request_body = RevokeApiKeyBody,
    params(("id" = ApiKeyId, Path, description = "The id of an API key.")),
    responses(
        (status = 200, body = ApiKeyChanged),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::ApiKeyNotFound, refused::Command)>,
    )
)]
pub(super) async fn revoke(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<RevokeApiKeyBody>,
) -> Result<Json<ApiKeyChanged>, Problem> {
    let reason = Reason::parse(body.reason.as_deref().unwrap_or_default()).map_err(|_| {
        Problem::InvalidParameter("reason is 1 to 500 characters without control characters.")
    })?;
    let change = KeyChange::Revoke(reason);
    Ok(Json(call.app.change_api_key(key_id(&id)?, change, &call.context).await?))
}

fn key_id(text: &str) -> Result<ApiKeyId, Problem> {
    text.parse().map_err(|_| Problem::InvalidParameter("The id of an API key is a UUID."))
}
