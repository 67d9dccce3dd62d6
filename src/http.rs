//! The HTTP side: the route table, what surrounds every request, and the server.

mod admin;
mod analytics;
mod attribution;
pub(crate) mod bearer;
mod client;
pub mod cookies;
mod email_login;
pub(crate) mod error;
mod extract;
mod frame;
mod health;
pub mod landing_cookies;
pub mod limits;
mod log;
mod referrals;
mod serve;
mod session;
mod session_cookies;
mod slug;
pub mod touch;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;
use crate::domain::touch::{LandingRules, Visitor};
use error::Problem;
use touch::{ClientFacts, Landing, LandingSettings};

pub use frame::Site;
pub use serve::serve;

/// Every route.
#[must_use]
pub fn router(app: Arc<App>) -> Site {
    let landing = Arc::new(landing(&app));
    let routes = Router::new()
        .route("/v1/auth/email/start", post(email_login::start))
        .route("/v1/auth/email/verify", post(email_login::verify))
        .route("/v1/auth/me", get(session::me))
        .route("/v1/auth/logout", post(session::logout))
        .route("/v1/auth/attribute", post(attribution::attribute))
        .route("/v1/auth/token", post(bearer::token))
        .route("/v1/referrals/me", get(referrals::me))
        .route("/v1/referrals/invitees", get(referrals::invitees))
        .route("/v1/referrals/code", post(slug::choose).delete(slug::give_up))
        .route("/api/v1/users/attribution", get(attribution::snapshot))
        .route("/.well-known/jwks.json", get(bearer::jwks))
        .route("/v1/log/checkpoint", get(log::checkpoint))
        .route("/v1/log/proof", get(log::proof))
        .route("/v1/log/consistency", get(log::consistency))
        .route("/v1/log/key", get(log::key))
        .nest("/v1/admin", admin::routes())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(async || Problem::NotFound)
        .with_state(app.clone())
        .merge(touch::routes(landing));
    Site::new(routes, app)
}

/// The pick-up of landings, as a service's settings have it: around pages of your own, put a
/// [`touch::TouchLayer`] over it.
#[must_use]
pub fn landing(app: &App) -> Landing {
    let config = &app.config;
    let origins = config.allowed_origins.iter().map(|origin| origin.as_str().to_owned());
    let mut rules = LandingRules {
        model: config.model,
        window: config.window,
        record: config.record_touches,
        excluded_hosts: config.excluded_hosts.clone(),
        ..LandingRules::default()
    };
    if let Some(host) = config.public_url.host_str() {
        rules.own_hosts.add(host);
    }
    let settings = LandingSettings {
        rules,
        cookies: config.landing_cookies(),
        landing_url: config.landing_url.clone(),
        allowed_origins: origins.collect(),
    };
    let (config, geo) = (config.clone(), app.geo.clone());
    let lens = move |parts: &http::request::Parts| {
        let facts = client::ClientFacts::of(parts, &config, &geo);
        ClientFacts {
            ip: facts.client.ip,
            user_agent: facts.client.user_agent,
            visitor: Visitor {
                device_class: facts.device_class,
                country: facts.country,
                ..Visitor::default()
            },
            https: config.https(),
        }
    };
    let key = app.keys.cookie.clone();
    Landing::new(settings, key, app.clock.clone(), app.recorder.clone(), Arc::new(lens))
}
