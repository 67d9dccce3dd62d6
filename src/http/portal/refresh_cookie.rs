//! The cookie that carries a browser's refresh token: `whence_refresh`.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue};
use whence_events::Timestamp;

use crate::app::App;
use crate::app::config::Config;
use crate::http::cookies::{candidates, cookie_value, is_repeated};
use crate::http::stray_cookies::places;
use crate::infra::tokens::RefreshToken;

/// The name of the cookie.
const NAME: &str = "whence_refresh";

/// The calls that the cookie is sent with.
const PATH: &str = "/api/v1/auth";

/// Returns the tokens of a request's cookies, each once: those that this service issued.
pub(super) fn tokens(headers: &HeaderMap, app: &App) -> Vec<RefreshToken> {
    let parse =
        |value: &[u8]| RefreshToken::parse(std::str::from_utf8(value).ok()?, &app.engine.keys);
    candidates(headers, NAME, parse)
}

/// Returns the `Set-Cookie` line of a token, for a session that lasts until `expires_at`.
pub(super) fn set(
    config: &Config,
    token: &RefreshToken,
    now: Timestamp,
    expires_at: Timestamp,
) -> HeaderValue {
    let seconds = expires_at.as_seconds().saturating_sub(now.as_seconds()).max(0);
    line(config, token.to_text(), Duration::seconds(seconds))
}

/// Returns the `Set-Cookie` lines that take away what a request had of the cookie; none when it had
/// none.
pub(super) fn clear(config: &Config, headers: &HeaderMap, path: &str) -> Vec<HeaderValue> {
    if cookie_value(headers, NAME).is_none() {
        return Vec::new();
    }
    let mut lines = vec![line(config, String::new(), Duration::ZERO)];
    if is_repeated(headers, NAME) {
        let all = places(config, NAME, path);
        lines.extend(all.iter().filter_map(|c| HeaderValue::from_str(&c.to_string()).ok()));
    }
    lines
}

fn line(config: &Config, value: String, age: Duration) -> HeaderValue {
    let cookie = Cookie::build((NAME, value))
        .http_only(true)
        .secure(config.listening.https())
        .same_site(SameSite::Strict)
        .path(PATH)
        .max_age(age)
        .build();
    HeaderValue::from_str(&cookie.to_string()).expect("base64url and names are header text")
}
