//! The operators' API under `/v1/admin`. Each call needs an operator's token (`X-Admin-Token`).

pub(super) mod analytics;
mod api_keys;
mod audit;
mod billing;
mod email;
mod handles;
mod keys;
mod measures;
pub(super) mod operator;
mod projections;
mod users;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// Returns the routes, with paths relative to `/v1/admin`.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(api_keys::list, api_keys::issue))
        .routes(routes!(api_keys::show))
        .routes(routes!(api_keys::timeline))
        .routes(routes!(api_keys::rotate))
        .routes(routes!(api_keys::end_grace))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(projections::list))
        .routes(routes!(projections::rebuild))
        .routes(routes!(keys::list))
        .routes(routes!(keys::rotate))
        .routes(routes!(users::find))
        .routes(routes!(users::erase_address))
        .routes(routes!(audit::user))
        .routes(routes!(audit::timeline))
        .routes(routes!(audit::attribution))
        .routes(routes!(audit::user_bundle))
        .routes(routes!(measures::sessions_of))
        .routes(routes!(measures::revoke_sessions))
        .routes(routes!(measures::suspend))
        .routes(routes!(measures::reinstate))
        .routes(routes!(handles::list, handles::claim))
        .routes(routes!(measures::unlock))
        .routes(routes!(measures::unlock_address))
        .routes(routes!(audit::code))
        .routes(routes!(measures::disable_code))
        .routes(routes!(measures::enable_code))
        .routes(routes!(audit::code_bundle))
        .routes(routes!(audit::referrals))
        .routes(routes!(audit::events))
        .routes(routes!(users::erase))
        .routes(routes!(billing::link))
        .routes(routes!(email::change))
        .routes(routes!(analytics::view))
}
