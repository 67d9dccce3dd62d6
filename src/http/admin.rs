//! The operators' API, under `/v1/admin`: for whoever holds a token (`X-Admin-Token`).

mod audit;
mod projections;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::routing::{get, post};
use http::request::Parts;
use whence_events::Actor;

use super::error::Problem;
use crate::app::App;

/// Its routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/projections", get(projections::list))
        .route("/projections/{name}/rebuild", post(projections::rebuild))
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
        .route("/analytics/{view}", get(super::analytics::view))
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
