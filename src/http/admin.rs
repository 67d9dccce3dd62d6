//! The operators' API under `/v1/admin`. Each call needs an operator's token (`X-Admin-Token`).

mod analytics;
mod api_keys;
mod audit;
mod billing;
mod handles;
mod keys;
mod measures;
pub(super) mod operator;
mod projections;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};

use crate::app::App;

pub(super) use analytics::platform_view;

/// Returns the routes, with paths relative to `/v1/admin`.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api-keys", get(api_keys::list).post(api_keys::issue))
        .route("/api-keys/{id}", get(api_keys::show))
        .route("/api-keys/{id}/timeline", get(api_keys::timeline))
        .route("/api-keys/{id}/rotate", post(api_keys::rotate))
        .route("/api-keys/{id}/end-grace", post(api_keys::end_grace))
        .route("/api-keys/{id}/revoke", post(api_keys::revoke))
        .route("/projections", get(projections::list))
        .route("/projections/{name}/rebuild", post(projections::rebuild))
        .route("/keys", get(keys::list))
        .route("/keys/{purpose}/rotate", post(keys::rotate))
        .route("/users/find", post(users::find))
        .route("/users/erase", post(users::erase_address))
        .route("/users/{id}", get(audit::user))
        .route("/users/{id}/timeline", get(audit::timeline))
        .route("/users/{id}/attribution", get(audit::attribution))
        .route("/users/{id}/bundle", get(audit::user_bundle))
        .route("/users/{id}/sessions", get(measures::sessions_of))
        .route("/users/{id}/sessions/revoke", post(measures::revoke_sessions))
        .route("/users/{id}/suspend", post(measures::suspend))
        .route("/users/{id}/reinstate", post(measures::reinstate))
        .route("/users/{id}/handles", get(handles::list).post(handles::claim))
        .route("/users/{id}/unlock", post(measures::unlock))
        .route("/users/unlock", post(measures::unlock_address))
        .route("/codes/{code}", get(audit::code))
        .route("/codes/{code}/disable", post(measures::disable_code))
        .route("/codes/{code}/enable", post(measures::enable_code))
        .route("/codes/{code}/bundle", get(audit::code_bundle))
        .route("/referrals", get(audit::referrals))
        .route("/events", get(audit::events))
        .route("/users/{id}/erase", post(users::erase))
        .route("/users/{id}/billing-customer", put(billing::link))
        .route("/analytics/{view}", get(analytics::view))
}
