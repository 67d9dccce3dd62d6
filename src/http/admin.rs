//! The operators' API, under `/v1/admin`: for whoever holds a token (`X-Admin-Token`).

mod audit;
mod users;

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::request::Parts;
use serde_json::{Value, json};
use whence_events::Actor;

use super::error::Problem;
use crate::app::App;

/// Its routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/projections", get(projections))
        .route("/users/find", post(users::find))
        .route("/users/{id}", get(audit::user))
        .route("/users/{id}/timeline", get(audit::timeline))
        .route("/users/{id}/attribution", get(audit::attribution))
        .route("/users/{id}/bundle", get(audit::user_bundle))
        .route("/codes/{code}", get(audit::code))
        .route("/codes/{code}/bundle", get(audit::code_bundle))
        .route("/referrals", get(audit::referrals))
        .route("/events", get(audit::events))
        .route("/users/{id}/erase", post(users::erase))
}

/// Somebody whose token was right.
pub(super) struct Operator {
    pub(super) name: String,
}

impl Operator {
    /// How the log calls them.
    pub(super) fn actor(&self) -> Actor {
        Actor::Operator(self.name.clone())
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let operators = &app.config.operators;
        if operators.is_empty() {
            return Err(Problem::AdminTokenUnset);
        }
        let token = parts.headers.get("x-admin-token").ok_or(Problem::AdminTokenInvalid)?;
        let operator = operators.iter().find(|operator| operator.has(token.as_bytes()));
        let operator = operator.ok_or(Problem::AdminTokenInvalid)?;
        Ok(Self { name: operator.name.clone() })
    }
}

/// `GET /v1/admin/projections`: how far each projector is.
async fn projections(_: Operator, State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let head = app.store.head().await?;
    let checkpoints = app.reads.checkpoints().await.map_err(|error| {
        tracing::error!(%error, "the read models do not answer");
        Problem::Unavailable
    })?;
    let projections: Vec<_> = checkpoints
        .iter()
        .map(|at| json!({ "name": at.projector, "position": at.position }))
        .collect();
    let stopped = app.progress.stopped();
    Ok(Json(json!({ "head": head, "projections": projections, "stopped": stopped })))
}
