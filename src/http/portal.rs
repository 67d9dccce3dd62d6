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
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::attribution;
use super::landing::Landing;
use crate::app::App;

/// Returns the routes of the family.
pub(super) fn routes(landing: Arc<Landing>) -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(login::start).layer(Extension(landing)))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(refresh::logout))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::revoke))
        .routes(routes!(sessions::revoke_others))
        .routes(routes!(attribution::snapshot))
        .routes(routes!(profile::profile))
}

/// The answer that something is done.
#[derive(Serialize, ToSchema)]
struct Message {
    #[schema(example = "Logged out.")]
    message: &'static str,
}

/// Returns an answer that something went well, in the shape of the family.
pub(super) fn success(data: impl Serialize) -> Response {
    Json(json!({ "success": true, "data": data })).into_response()
}
