//! The HTTP API: the route table, the envelope around every request, and the server.

mod admin;
mod answers;
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
mod docs;
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
mod openapi;
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
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
    let specification = Arc::new(docs::Specification::default());
    let (routes, described) = OpenApiRouter::new()
        .routes(routes!(login::start))
        .routes(routes!(login::verify))
        .routes(routes!(email_change::change))
        .routes(routes!(email_change::verify))
        .routes(routes!(email_change::objection_page, email_change::object))
        .routes(routes!(session::me, profile::update))
        .routes(routes!(session::logout))
        .routes(routes!(devices::list))
        .routes(routes!(devices::forget))
        .routes(routes!(own_data::json))
        .routes(routes!(own_data::html))
        .routes(routes!(own_erasure::show, own_erasure::request, own_erasure::cancel))
        .routes(routes!(forward::check))
        .routes(routes!(introspect::introspect))
        .routes(routes!(attribution::attribute))
        .routes(routes!(token::issue))
        .routes(routes!(session_list::list))
        .routes(routes!(session_list::revoke))
        .routes(routes!(session_list::revoke_others))
        .routes(routes!(referrals::me))
        .routes(routes!(referrals::invitees))
        .routes(routes!(referrals::slug::choose, referrals::slug::give_up))
        .routes(routes!(creators::me, creators::claim))
        .merge(portal::routes(landing.clone()))
        .routes(routes!(token::jwks))
        .routes(routes!(introspect::metadata))
        .routes(routes!(log_proof::checkpoint))
        .routes(routes!(log_proof::proof))
        .routes(routes!(log_proof::consistency))
        .routes(routes!(log_proof::key))
        .routes(routes!(log_proof::keys))
        .nest("/v1/admin", admin::routes())
        .merge(platform::routes())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::public))
        .merge(if app.config.listening.development {
            development::routes()
        } else {
            OpenApiRouter::new()
        })
        .fallback(async || Problem::NotFound)
        .with_state(app.clone())
        .merge(docs::routes(specification.clone()))
        .merge(landing::creator_routes(landing.clone()))
        .merge(landing::forward_routes(app.clone(), landing.clone()))
        .merge(landing::documented_routes(landing))
        .split_for_parts();
    specification.take(described);
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
