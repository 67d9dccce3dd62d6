//! Who the user is, together with where they came from.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use whence_events::{Provider, UserId};

use super::success;
use super::user::PortalUser;
use crate::app::App;
use crate::http::attribution::SnapshotBody;
use crate::http::error::Problem;

/// A user in the shape of the portal family.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileBody<'a> {
    id: UserId,
    email: &'a str,
    display_name: Option<&'a str>,
    avatar_url: Option<&'a str>,
    billing_customer_id: Option<&'a str>,
    provider: Provider,
    updated_at: String,
    #[serde(flatten)]
    snapshot: SnapshotBody,
}

/// `GET /api/v1/users/profile`: answers the user with the fields of their attribution snapshot.
pub(super) async fn profile(
    State(app): State<Arc<App>>,
    PortalUser(session): PortalUser,
) -> Result<Response, Problem> {
    let user = &session.user;
    let user_id = user.user_id;
    let snapshot = app.engine.read_db.snapshot(user_id).await?.ok_or(Problem::UserNotFound)?;
    let email = user.email.shown();
    Ok(success(ProfileBody {
        id: user_id,
        email: &email,
        display_name: user.display_name.as_deref(),
        avatar_url: user.avatar_url.as_deref(),
        billing_customer_id: user.billing_customer_id.as_deref(),
        provider: user.provider,
        updated_at: user.updated_at.to_rfc3339_millis(),
        snapshot: SnapshotBody::of(&app, user_id, snapshot).await?,
    }))
}
