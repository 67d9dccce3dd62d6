//! The keys of the service, as operators list and rotate them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::operator::AuthenticatedOperator;
use crate::app::App;
use crate::engine::service_keys::{self, KeyList, MasterRotation, ServiceKeysError};
use crate::http::error::{Problem, ProblemWithDetail};
use crate::http::extract::{JsonBody, RequestContext};
use crate::infra::errors::with_causes;
use crate::infra::keys::Purpose;
use crate::infra::security::SecurityEvent;

/// The body of a rotation.
#[derive(Deserialize)]
pub(super) struct RotateKey {
    /// Whether what older keys signed is refused as soon as the new one signs.
    #[serde(default)]
    at_once: bool,
    /// How far the rotation of the master key is, as the answer to the step before says.
    #[serde(flatten)]
    master: MasterRotation,
}

/// `GET /v1/admin/keys`: answers the keys with their states, without a secret.
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
pub(super) async fn rotate(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(purpose): Path<String>,
    JsonBody(body): JsonBody<RotateKey>,
) -> Result<Response, ProblemWithDetail> {
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
        return Ok(Json(at).into_response());
    }
    let purpose = Purpose::parse(&purpose).ok_or(Problem::InvalidParameter(
        "A key is one of bearer, cookie, csrf, device, refresh, checkpoint and master.",
    ))?;
    let made = service_keys::rotate(keys, store, purpose, body.at_once, now).await?;
    rotated();
    let (generation, at_once) = (made.generation, body.at_once);
    tracing::warn!(operator = operator.name, %purpose, generation, at_once, "a key is rotated");
    Ok(Json(made).into_response())
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
