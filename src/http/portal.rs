//! The portal family: login, refresh tokens and sessions of clients that use bearer tokens, and what
//! they read of their user.

mod body;
mod login;
mod profile;
mod refresh;
mod refresh_cookie;
mod sessions;
pub(super) mod user;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde_json::json;

use super::attribution;
use super::landing::Landing;
use crate::app::App;

/// Returns the routes of the family.
pub(super) fn routes(landing: Arc<Landing>) -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/auth/login/start", post(login::start).layer(Extension(landing)))
        .route("/api/v1/auth/login", post(login::login))
        .route("/api/v1/auth/refresh", post(refresh::refresh))
        .route("/api/v1/auth/logout", post(refresh::logout))
        .route("/api/v1/auth/sessions", get(sessions::list))
        .route("/api/v1/auth/sessions/{id}", delete(sessions::revoke))
        .route("/api/v1/auth/sessions/revoke-all", post(sessions::revoke_others))
        .route("/api/v1/users/attribution", get(attribution::snapshot))
        .route("/api/v1/users/profile", get(profile::profile))
}

/// Returns an answer that something went well, in the shape of the family.
fn success(data: impl Serialize) -> Response {
    Json(json!({ "success": true, "data": data })).into_response()
}
