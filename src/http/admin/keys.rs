//! The keys of the service, as operators list and rotate them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::operator::AuthenticatedOperator;
use crate::app::App;
use crate::engine::service_keys::{self, KeyList, MasterRotation, NewServiceKey, ServiceKeysError};
use crate::http::error::{Problem, ProblemWithDetail};
use crate::http::extract::{JsonBody, RequestContext};
use crate::http::openapi::{Refusals, refused};
use crate::infra::errors::with_causes;
use crate::infra::keys::Purpose;
use crate::infra::security::SecurityEvent;

/// The body of a rotation.
#[derive(Deserialize, ToSchema)]
pub(super) struct RotateKey {
    /// Whether what older keys signed is refused as soon as the new one signs.
    #[serde(default)]
    at_once: bool,
    /// How far the rotation of the master key is, as the answer to the step before says.
    #[serde(flatten)]
    master: MasterRotation,
}

/// What a key is for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "says what the path can have, which is read as a text")]
enum KeyPurpose {
    Bearer,
    Cookie,
    Csrf,
    Device,
    Refresh,
    Checkpoint,
    Master,
}

/// The answer to a step: the key that was made, or how far the rotation of the master key is.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RotationAnswer {
    Made(NewServiceKey),
    Master(MasterRotation),
}

/// `GET /v1/admin/keys`: answers the keys with their states, without a secret.
#[utoipa::path(get, path = "/keys",
    responses(
        (status = 200, body = KeyList),
        Refusals<(AuthenticatedOperator, refused::Command)>,
    )
)]
pub(super) async fn list(
    _: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
) -> Result<Json<KeyList>, ProblemWithDetail> {
    let engine = &app.engine;
    Ok(Json(service_keys::list(&engine.keys, &*engine.store, request.now).await?))
}

/// `POST /v1/admin/keys/{purpose}/rotate`: makes a new key, or takes one step of the rotation of the
/// master key.
#[utoipa::path(post, path = "/keys/{purpose}/rotate", request_body = RotateKey,
    params(("purpose" = inline(KeyPurpose), Path, description = "What the key is for.")),
    responses(
        (status = 200, body = RotationAnswer),
        Refusals<(AuthenticatedOperator, refused::InvalidJson, refused::InvalidParameter, refused::Command)>,
    )
)]
pub(super) async fn rotate(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(purpose): Path<String>,
    JsonBody(body): JsonBody<RotateKey>,
) -> Result<Json<RotationAnswer>, ProblemWithDetail> {
    let rotated = || {
        let actor = operator.actor();
        app.engine.security.record(SecurityEvent::KeyRotated, Some(&actor), Some(request.id));
    };
    let (keys, store, now) = (&app.engine.keys, &*app.engine.store, request.now);
    if purpose == "master" {
        let at = service_keys::rotate_master(keys, store, body.master, now).await?;
        if at.done {
            rotated();
            tracing::warn!(operator = operator.name, "the master key is rotated");
        }
        return Ok(Json(RotationAnswer::Master(at)));
    }
    let purpose = Purpose::parse(&purpose).ok_or(Problem::InvalidParameter(
        "A key is one of bearer, cookie, csrf, device, refresh, checkpoint and master.",
    ))?;
    let made = service_keys::rotate(keys, store, purpose, body.at_once, now).await?;
    rotated();
    let (generation, at_once) = (made.generation, body.at_once);
    tracing::warn!(operator = operator.name, %purpose, generation, at_once, "a key is rotated");
    Ok(Json(RotationAnswer::Made(made)))
}

impl From<ServiceKeysError> for ProblemWithDetail {
    fn from(error: ServiceKeysError) -> Self {
        match error {
            ServiceKeysError::Store(error) => Problem::from(error).into(),
            ServiceKeysError::Keys(error) => {
                tracing::error!(error = %with_causes(&error), "the keys of the vault are not read");
                Problem::Internal.into()
            }
            ServiceKeysError::Fixed(..)
            | ServiceKeysError::OtherRotation
            | ServiceKeysError::NoNewMaster => {
                Self::new(Problem::InvalidParameter(""), error.to_string())
            }
        }
    }
}
