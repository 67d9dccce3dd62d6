//! What back-ends of the platform read and write with an API key, about any user.

mod attribution;
mod billing;
mod user;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};
use whence_events::UserId;

use super::admin::platform_view;
use super::error::{Problem, ProblemWithDetail};
use crate::app::App;

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/users/{id}", get(user::profile))
        .route("/api/v1/users/{id}/attribution", get(attribution::of_user))
        .route("/api/v1/users/attribution/batch", post(attribution::of_users))
        .route("/api/v1/users/{id}/billing-customer", put(billing::link))
        .route("/api/v1/analytics/{view}", get(platform_view))
}

/// Parses the id of a user in a path.
fn user_id(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|_| Problem::InvalidParameter("The id of a user is a UUID."))
}

/// Returns the problem of a batch, with a sentence about it.
fn invalid_batch(sentence: impl Into<String>) -> ProblemWithDetail {
    ProblemWithDetail::new(Problem::InvalidParameter(""), sentence)
}
