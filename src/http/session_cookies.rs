//! The two cookies of a browser session: `nl_session` and `nl_csrf`.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue};
use whence_events::Timestamp;

use super::cookies::{cookie_value, is_repeated};
use super::stray_cookies::{places, places_at};
use crate::app::App;
use crate::app::config::Config;
use crate::infra::tokens::SessionToken;

/// The names without the prefix `__Host-`.
const PLAIN: [&str; 2] = ["nl_session", "nl_csrf"];

/// Returns the name of the session cookie.
pub(super) fn session_name(config: &Config) -> &'static str {
    if config.landing.host_prefix { "__Host-nl_session" } else { "nl_session" }
}

/// Returns the name of the CSRF cookie.
fn csrf_name(config: &Config) -> &'static str {
    if config.landing.host_prefix { "__Host-nl_csrf" } else { "nl_csrf" }
}

/// Returns the `Set-Cookie` lines of both cookies, for a session that lasts until `expires_at`.
pub(super) fn set(
    app: &App,
    token: &SessionToken,
    now: Timestamp,
    expires_at: Timestamp,
) -> [HeaderValue; 2] {
    let seconds = expires_at.as_seconds().saturating_sub(now.as_seconds()).max(0);
    let age = Duration::seconds(seconds);
    let csrf = token.csrf_token(&app.engine.keys);
    pair(&app.config, &token.to_text(), csrf.as_str(), age)
}

/// Returns the `Set-Cookie` lines that take both cookies away, and what else the request had of them.
pub(super) fn clear(config: &Config, headers: &HeaderMap, path: &str) -> Vec<HeaderValue> {
    let mut lines = pair(config, "", "", Duration::ZERO).to_vec();
    let plain = config.landing.host_prefix
        && PLAIN.iter().any(|name| cookie_value(headers, name).is_some());
    let repeated =
        [session_name(config), csrf_name(config)].iter().any(|n| is_repeated(headers, n));
    if plain || repeated {
        lines.extend(clear_elsewhere(config, path));
    }
    lines
}

/// Returns the `Set-Cookie` lines that take both cookies away wherever a page of this site can have set
/// them: for this host and for the domains above it, and the session cookie for each path that the
/// request is under. A response cannot name cookies of other paths.
pub(super) fn clear_everywhere(config: &Config, path: &str) -> Vec<HeaderValue> {
    let mut lines = pair(config, "", "", Duration::ZERO).to_vec();
    lines.extend(clear_elsewhere(config, path));
    lines
}

/// Returns the lines of [`clear_everywhere`] but those of the cookies that this service sets. Cookies
/// with the prefix `__Host-` are nowhere else, so these are of the plain names.
fn clear_elsewhere(config: &Config, path: &str) -> Vec<HeaderValue> {
    let [session, csrf] = PLAIN;
    let mut places = places(config, session, path);
    places.extend(places_at(config, csrf, "/"));
    if !config.landing.host_prefix {
        // The first place of each is that of the service's own cookie.
        places.retain(|cookie| cookie.domain().is_some() || cookie.path() != Some("/"));
    }
    places.iter().filter_map(|cookie| HeaderValue::from_str(&cookie.to_string()).ok()).collect()
}

fn pair(config: &Config, session: &str, csrf: &str, age: Duration) -> [HeaderValue; 2] {
    let line = |name, value: &str, http_only| {
        let cookie = Cookie::build((name, value.to_owned()))
            .http_only(http_only)
            .secure(config.listening.https())
            .same_site(SameSite::Lax)
            .path("/")
            .max_age(age)
            .build();
        HeaderValue::from_str(&cookie.to_string()).expect("base64url and names are header text")
    };
    [line(session_name(config), session, true), line(csrf_name(config), csrf, false)]
}
