//! The two cookies of a landing: `ref_code` and `whence_touch`.
//!
//! Both are set by the server, for a browser may drop what a script set after a week, and both are
//! signed, so that only whence says when a touch was. They hold no secret: the visitor may read
//! what their own browser said.

mod first_touch;

use cookie::time::{Duration, OffsetDateTime};
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue};
use whence_events::{Mac, Timestamp};

pub use crate::app::config::{CookieDomain, CookieSettings};
use crate::domain::touch::{FirstTouch, PlantedCode, RefCode};
use crate::http::cookies::cookie_value;
use crate::infra::keys::MacKey;

/// Name of the cookie that carries a referral code.
pub const REF_CODE: &str = "ref_code";

/// Name of the cookie that carries the first touch.
pub const FIRST_TOUCH: &str = "whence_touch";

/// Longest `whence_touch`, name and value, in bytes.
pub const MAX_FIRST_TOUCH: usize = 2048;

/// Longest cookie value that is looked at.
const MAX_VALUE: usize = 4096;

/// Form of both cookies.
const VERSION: &str = "v1";

/// What `ref_code` of these request headers says; `None` when there is none.
#[must_use]
pub fn read_ref_code(key: &MacKey, headers: &HeaderMap) -> Option<RefCode> {
    cookie_value(headers, REF_CODE).map(|value| decode_ref_code(key, value))
}

/// What `whence_touch` of these request headers says; `None` when there is none to be believed.
#[must_use]
pub fn read_first_touch(key: &MacKey, headers: &HeaderMap) -> Option<FirstTouch> {
    cookie_value(headers, FIRST_TOUCH).and_then(|value| decode_first_touch(key, value))
}

/// `v1.{code}.{touched_at}.{touch_id}.{mac}`, the time in microseconds since 1970: as exact as the
/// event's, so that "was the account there before the touch" has one answer.
#[must_use]
pub fn encode_ref_code(key: &MacKey, planted: &PlantedCode) -> String {
    let PlantedCode { code, touched_at, touch_id } = planted;
    let micros = touched_at.as_micros();
    signed(key, REF_CODE, format!("{VERSION}.{code}.{micros}.{touch_id}"))
}

/// The meaning of any bytes at all.
#[must_use]
pub fn decode_ref_code(key: &MacKey, value: &[u8]) -> RefCode {
    let text = match std::str::from_utf8(value) {
        Ok(text) if text.len() <= MAX_VALUE => text,
        Ok(_) | Err(_) => return RefCode::Invalid,
    };
    // No code has a dot in it, so that nothing is both.
    if let Ok(code) = text.parse() {
        return RefCode::Bare(code);
    }
    verified(key, REF_CODE, text).and_then(parse_planted).map_or(RefCode::Invalid, RefCode::Signed)
}

fn parse_planted(text: &str) -> Option<PlantedCode> {
    let mut parts = text.split('.');
    let planted = PlantedCode {
        code: parts.next()?.parse().ok()?,
        touched_at: Timestamp::from_micros(parts.next()?.parse().ok()?),
        touch_id: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(planted)
}

/// `v1.{payload}.{mac}`, with values cut at a character as far as it takes to stay within
/// [`MAX_FIRST_TOUCH`].
#[must_use]
pub fn encode_first_touch(key: &MacKey, touch: &FirstTouch) -> String {
    // Name, equals sign, version, two dots and 22 characters of MAC stand around the payload.
    let around = FIRST_TOUCH.len() + 1 + VERSION.len() + 2 + 22;
    let payload = first_touch::encode(touch, MAX_FIRST_TOUCH - around);
    signed(key, FIRST_TOUCH, format!("{VERSION}.{payload}"))
}

/// The first touch of any bytes at all, if whence signed them.
#[must_use]
pub fn decode_first_touch(key: &MacKey, value: &[u8]) -> Option<FirstTouch> {
    let text = std::str::from_utf8(value).ok();
    let text = text.filter(|text| text.len() <= MAX_VALUE)?;
    first_touch::decode(verified(key, FIRST_TOUCH, text)?)
}

/// The name of the cookie is the purpose of its signature: neither can stand in for the other.
fn signed(key: &MacKey, name: &str, text: String) -> String {
    let mac = key.sign(name, &text);
    text + "." + &mac.to_string()
}

/// What was signed, without version and signature.
fn verified<'a>(key: &MacKey, name: &str, text: &'a str) -> Option<&'a str> {
    let (text, mac) = text.rsplit_once('.')?;
    let mac: Mac = mac.parse().ok()?;
    if !key.sign(name, text).same_as(&mac) {
        return None;
    }
    text.strip_prefix(VERSION)?.strip_prefix('.')
}

/// The `Set-Cookie` line of a planted code.
#[must_use]
pub fn set_ref_code(
    key: &MacKey,
    planted: &PlantedCode,
    settings: &CookieSettings,
    https: bool,
) -> HeaderValue {
    let value = encode_ref_code(key, planted);
    set_cookie(REF_CODE, value, settings, https)
}

/// The `Set-Cookie` line of a first touch.
#[must_use]
pub fn set_first_touch(
    key: &MacKey,
    touch: &FirstTouch,
    settings: &CookieSettings,
    https: bool,
) -> HeaderValue {
    let value = encode_first_touch(key, touch);
    set_cookie(FIRST_TOUCH, value, settings, https)
}

/// The `Set-Cookie` line that takes `ref_code` away. Its attributes are those it was set with:
/// another `Domain` or `Path` would name another cookie.
#[must_use]
pub fn clear_ref_code(settings: &CookieSettings, https: bool) -> HeaderValue {
    let mut cookie = build(REF_CODE, String::new(), settings, https);
    cookie.set_max_age(Duration::ZERO);
    cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
    line(&cookie)
}

fn set_cookie(
    name: &'static str,
    value: String,
    settings: &CookieSettings,
    https: bool,
) -> HeaderValue {
    let mut cookie = build(name, value, settings, https);
    let seconds = settings.window.length().as_secs();
    cookie.set_max_age(Duration::seconds(i64::try_from(seconds).unwrap_or(0)));
    line(&cookie)
}

fn build(
    name: &'static str,
    value: String,
    settings: &CookieSettings,
    https: bool,
) -> Cookie<'static> {
    let mut cookie = Cookie::new(name, value);
    cookie.set_http_only(true);
    // Strict would lose both behind a link in a mail or an OAuth page.
    cookie.set_same_site(SameSite::Lax);
    cookie.set_path("/");
    if https {
        cookie.set_secure(true);
    }
    if let Some(domain) = &settings.domain {
        cookie.set_domain(domain.as_str().to_owned());
    }
    cookie
}

fn line(cookie: &Cookie<'static>) -> HeaderValue {
    HeaderValue::from_str(&cookie.to_string())
        .expect("values are base64url, codes and digits, and a domain is parsed")
}

#[cfg(test)]
mod tests;
