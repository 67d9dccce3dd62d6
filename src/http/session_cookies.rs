//! The two cookies of a browser session: `nl_session` and `nl_csrf`.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::HeaderValue;
use whence_events::Timestamp;

use crate::app::App;
use crate::app::config::Config;
use crate::infra::tokens::SessionToken;

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

/// Returns the `Set-Cookie` lines that take both cookies away.
pub(super) fn clear(config: &Config) -> [HeaderValue; 2] {
    pair(config, "", "", Duration::ZERO)
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
