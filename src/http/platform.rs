//! What back-ends of the platform read and write with an API key, about any user.

mod attribution;
mod billing;
mod user;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use whence_events::UserId;

use super::admin::analytics;
use super::error::{Problem, ProblemWithDetail};
use crate::app::App;

/// Returns the routes.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(user::profile))
        .routes(routes!(attribution::of_user))
        .routes(routes!(attribution::of_users))
        .routes(routes!(billing::link))
        .routes(routes!(analytics::platform_view))
}

/// Parses the id of a user in a path.
fn user_id(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|_| Problem::InvalidParameter("The id of a user is a UUID."))
}

/// Returns the problem of a batch, with a sentence about it.
fn invalid_batch(sentence: impl Into<String>) -> ProblemWithDetail {
    ProblemWithDetail::new(Problem::InvalidParameter(""), sentence)
}
