//! The HTTP API: the route table, the envelope around every request, and the server.

mod admin;
mod api_key;
mod attribution;
mod client;
pub mod cookies;
mod creators;
mod csrf;
mod development;
pub mod device;
mod device_cookie;
mod devices;
mod email_change;
mod envelope;
pub(crate) mod error;
mod error_page;
mod etag;
mod extract;
mod forward;
mod health;
mod host;
mod introspect;
pub mod landing;
mod landing_cookies;
pub mod limits;
mod log_proof;
mod login;
pub mod metrics;
mod own_data;
mod own_erasure;
mod platform;
mod portal;
mod profile;
mod query;
mod recent_login;
mod referrals;
mod renewal;
mod serve;
mod session;
mod session_cookies;
mod session_list;
mod stray_cookies;
mod token;
mod typed_text;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::app::App;
use crate::domain::touch::{LandingRules, Visitor};
use error::Problem;
use landing::{Landing, LandingClient, LandingSettings};

pub use client::client_address;
pub use envelope::Envelope;
pub use serve::serve;

/// Returns every route of the service, in the envelope that surrounds each request.
#[must_use]
pub fn router(app: Arc<App>) -> Envelope {
    let landing = Arc::new(landing(&app));
    let routes = Router::new()
        .route("/v1/auth/email/start", post(login::start))
        .route("/v1/auth/email/verify", post(login::verify))
        .route("/v1/auth/email/change", post(email_change::change))
        .route("/v1/auth/email/change/verify", post(email_change::verify))
        .route(
            "/v1/auth/email/objection/{token}",
            get(email_change::objection_page).post(email_change::object),
        )
        .route("/v1/auth/me", get(session::me).patch(profile::update))
        .route("/v1/auth/logout", post(session::logout))
        .route("/v1/auth/devices", get(devices::list))
        .route("/v1/auth/devices/{id}", delete(devices::forget))
        .route("/v1/auth/export", get(own_data::json))
        .route("/v1/auth/export.html", get(own_data::html))
        .route(
            "/v1/auth/erasure",
            get(own_erasure::show).post(own_erasure::request).delete(own_erasure::cancel),
        )
        .route("/v1/auth/forward", get(forward::check))
        .route("/v1/auth/introspect", post(introspect::introspect))
        .route("/v1/auth/attribute", post(attribution::attribute))
        .route("/v1/auth/token", post(token::issue))
        .route("/v1/auth/sessions", get(session_list::list))
        .route("/v1/auth/sessions/{id}", delete(session_list::revoke))
        .route("/v1/auth/sessions/revoke-all", post(session_list::revoke_others))
        .route("/v1/referrals/me", get(referrals::me))
        .route("/v1/referrals/invitees", get(referrals::invitees))
        .route("/v1/referrals/code", post(referrals::slug::choose).delete(referrals::slug::give_up))
        .route("/v1/creators/me", get(creators::me).put(creators::claim))
        .merge(portal::routes(landing.clone()))
        .route("/.well-known/jwks.json", get(token::jwks))
        .route("/.well-known/oauth-authorization-server", get(introspect::metadata))
        .route("/v1/log/checkpoint", get(log_proof::checkpoint))
        .route("/v1/log/proof", get(log_proof::proof))
        .route("/v1/log/consistency", get(log_proof::consistency))
        .route("/v1/log/key", get(log_proof::key))
        .route("/v1/log/keys", get(log_proof::keys))
        .nest("/v1/admin", admin::routes())
        .merge(platform::routes())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::public))
        .merge(if app.config.listening.development { development::routes() } else { Router::new() })
        .fallback(async || Problem::NotFound)
        .with_state(app.clone())
        .merge(landing::creator_routes(landing.clone()))
        .merge(landing::forward_routes(app.clone(), landing.clone()))
        .merge(landing::routes(landing));
    Envelope::new(routes, app)
}

/// Returns the metrics alone, for a listener of their own.
#[must_use]
pub fn metrics_router(app: Arc<App>) -> Envelope {
    let routes = Router::new()
        .route("/metrics", get(metrics::own))
        .fallback(async || Problem::NotFound)
        .with_state(app.clone());
    Envelope::new(routes, app)
}

/// Returns the [`Landing`] of a service, by its settings. For landings on the pages of a Rust
/// service, put a [`landing::TouchLayer`] with it around them.
#[must_use]
pub fn landing(app: &App) -> Landing {
    let config = &app.config;
    let own = config.listening.public_url.origin().ascii_serialization();
    let origins = config.listening.allowed_origins.iter().map(|origin| origin.as_str().to_owned());
    let mut rules = LandingRules {
        model: config.referrals.model,
        window: config.referrals.window,
        record: config.landing.record_touches,
        excluded_hosts: config.landing.excluded_hosts.clone(),
        referrer_detail: config.landing.referrer_detail,
        ..LandingRules::default()
    };
    if let Some(host) = config.listening.public_url.host_str() {
        rules.own_hosts.add(host);
    }
    let settings = LandingSettings {
        rules,
        cookies: config.landing_cookies(),
        landing_url: config.landing.landing_url.clone(),
        allowed_origins: origins.chain([own]).collect(),
    };
    let (config, geo) = (config.clone(), app.config.landing.geo.clone());
    let identify_client = move |parts: &http::request::Parts| {
        let facts = client::ClientFacts::of(parts, &config, &geo);
        LandingClient {
            address: facts.address,
            user_agent: facts.client.user_agent,
            visitor: Visitor {
                device_class: facts.device_class,
                country: facts.country,
                ..Visitor::default()
            },
            https: config.listening.https(),
        }
    };
    let key = app.engine.keys.cookie.clone();
    let landing = Landing::new(
        settings,
        key,
        app.clock.clone(),
        app.recorder.clone(),
        Arc::new(identify_client),
    );
    if app.config.listening.development { landing.with_local_pages() } else { landing }
}
