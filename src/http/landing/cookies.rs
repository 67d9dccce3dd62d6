//! The two cookies of a landing: `ref_code` and `whence_touch`.
//!
//! The server sets both, because a browser may drop a cookie of a script after a week. Both are
//! signed, so that only whence can say when a touch was. They hold no secret: the visitor may read
//! what their own browser sent.

mod first_touch;

use cookie::time::{Duration, OffsetDateTime};
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue};
use whence_events::{Mac, ReferralCode, Timestamp};

use crate::app::attribution::LandingCookies;
pub use crate::app::config::{CookieDomain, CookieSettings};
use crate::domain::touch::{FirstTouch, PlantedCode, RefCode};
use crate::http::cookies::{Proof, candidates, cookie_value, sole_proof};
use crate::infra::keys::MacKey;

/// The name of the cookie that carries a referral code.
pub const REF_CODE: &str = "ref_code";

/// The name of the cookie that carries the first touch.
pub const FIRST_TOUCH: &str = "whence_touch";

/// The longest `whence_touch`, name and value, in bytes.
pub const MAX_FIRST_TOUCH_BYTES: usize = 2048;

/// The longest cookie value that is read, in bytes.
const MAX_VALUE_BYTES: usize = 4096;

/// The version of the form of both cookies.
const VERSION: &str = "v1";

/// Reads both landing cookies of a request.
#[must_use]
pub fn read_landing_cookies(key: &MacKey, headers: &HeaderMap) -> LandingCookies {
    LandingCookies {
        ref_code: read_ref_code(key, headers),
        first_touch: read_first_touch(key, headers),
        said: None,
    }
}

/// Reads `ref_code` of a request; `None` when the request has no such cookie. One that whence signed
/// counts before any other, and of several that it signed none does. A bare code counts before what
/// other applications keep under this name.
#[must_use]
pub fn read_ref_code(key: &MacKey, headers: &HeaderMap) -> Option<RefCode> {
    let first = cookie_value(headers, REF_CODE)?;
    let signed = |value: &[u8]| match decode_ref_code(key, value) {
        RefCode::Signed(planted) => Some(planted),
        RefCode::Bare(_) | RefCode::Invalid => None,
    };
    Some(match sole_proof(headers, REF_CODE, signed) {
        Proof::One(planted) => RefCode::Signed(planted),
        Proof::Several => RefCode::Invalid,
        Proof::None => match read_bare_codes(headers).into_iter().next() {
            Some(code) => RefCode::Bare(code),
            None => decode_ref_code(key, first),
        },
    })
}

/// Reads the bare codes of a request, each once, in the order in which the browser sent them.
pub(crate) fn read_bare_codes(headers: &HeaderMap) -> Vec<ReferralCode> {
    candidates(headers, REF_CODE, bare_code)
}

/// Reads a bare code.
pub(crate) fn bare_code(value: &[u8]) -> Option<ReferralCode> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Returns whether a value of `ref_code` has the form of those that whence signs, whoever made it and
/// whenever. What other applications keep under this name has another.
pub(crate) fn is_of_own_form(value: &[u8]) -> bool {
    let signed = || {
        let (text, mac) = std::str::from_utf8(value).ok()?.rsplit_once('.')?;
        let _: Mac = mac.parse().ok()?;
        parse_planted(text.strip_prefix(VERSION)?.strip_prefix('.')?)
    };
    signed().is_some()
}

/// Reads `whence_touch` of a request; `None` when the request has no such cookie that whence signed, or
/// several of them.
#[must_use]
pub fn read_first_touch(key: &MacKey, headers: &HeaderMap) -> Option<FirstTouch> {
    match sole_proof(headers, FIRST_TOUCH, |value| decode_first_touch(key, value)) {
        Proof::One(touch) => Some(touch),
        Proof::Several | Proof::None => None,
    }
}

/// Returns `v1.{code}.{touched_at}.{touch_id}.{mac}`. The time is in microseconds since 1970: as
/// exact as that of the event, so that "did the account exist before the touch" has one answer.
#[must_use]
pub fn encode_ref_code(key: &MacKey, planted: &PlantedCode) -> String {
    let PlantedCode { code, touched_at, touch_id } = planted;
    let micros = touched_at.as_micros();
    signed(key, REF_CODE, format!("{VERSION}.{code}.{micros}.{touch_id}"))
}

/// Reads the value of `ref_code`, which may be any bytes at all.
#[must_use]
pub fn decode_ref_code(key: &MacKey, value: &[u8]) -> RefCode {
    let text = match std::str::from_utf8(value) {
        Ok(text) if text.len() <= MAX_VALUE_BYTES => text,
        Ok(_) | Err(_) => return RefCode::Invalid,
    };
    // A code has no dot in it, so no text is both a bare code and a signed one.
    if let Ok(code) = text.parse() {
        return RefCode::Bare(code);
    }
    verified(key, REF_CODE, text).and_then(parse_planted).map_or(RefCode::Invalid, RefCode::Signed)
}

/// Parses the signed part of `ref_code`.
fn parse_planted(text: &str) -> Option<PlantedCode> {
    let mut parts = text.split('.');
    let planted = PlantedCode {
        code: parts.next()?.parse().ok()?,
        touched_at: Timestamp::from_micros(parts.next()?.parse().ok()?),
        touch_id: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(planted)
}

/// Returns `v1.{payload}.{mac}`, with values cut between characters where needed to stay within
/// [`MAX_FIRST_TOUCH_BYTES`].
#[must_use]
pub fn encode_first_touch(key: &MacKey, touch: &FirstTouch) -> String {
    // Around the payload are the name, an equals sign, the version, two dots and 22 characters of
    // MAC.
    let around = FIRST_TOUCH.len() + 1 + VERSION.len() + 2 + 22;
    let payload = first_touch::encode(touch, MAX_FIRST_TOUCH_BYTES - around);
    signed(key, FIRST_TOUCH, format!("{VERSION}.{payload}"))
}

/// Reads the value of `whence_touch`, which may be any bytes at all; `None` unless whence signed
/// it.
#[must_use]
pub fn decode_first_touch(key: &MacKey, value: &[u8]) -> Option<FirstTouch> {
    let text = std::str::from_utf8(value).ok();
    let text = text.filter(|text| text.len() <= MAX_VALUE_BYTES)?;
    first_touch::decode(verified(key, FIRST_TOUCH, text)?)
}

/// Returns a text with its signature. The name of the cookie is the purpose of the signature, so
/// the value of one cookie is never valid in the other.
fn signed(key: &MacKey, name: &str, text: String) -> String {
    let mac = key.sign(name, &text);
    text + "." + &mac.to_string()
}

/// Returns the signed text without version and signature; `None` unless the signature is right.
fn verified<'a>(key: &MacKey, name: &str, text: &'a str) -> Option<&'a str> {
    let (text, mac) = text.rsplit_once('.')?;
    let mac: Mac = mac.parse().ok()?;
    if !key.has_signed(name, text, &mac) {
        return None;
    }
    text.strip_prefix(VERSION)?.strip_prefix('.')
}

/// Returns the `Set-Cookie` line of a planted code.
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

/// Returns the `Set-Cookie` line of a first touch.
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

/// Returns the `Set-Cookie` line that takes `ref_code` away. Its attributes are those with which it
/// was set: another `Domain` or `Path` would name another cookie.
#[must_use]
pub fn clear_ref_code(settings: &CookieSettings, https: bool) -> HeaderValue {
    let mut cookie = build(REF_CODE, String::new(), settings, https);
    cookie.set_max_age(Duration::ZERO);
    cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
    line(&cookie)
}

/// Returns the `Set-Cookie` line of a landing cookie that lasts for the attribution window.
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

/// Returns a landing cookie with the attributes that both share.
fn build(
    name: &'static str,
    value: String,
    settings: &CookieSettings,
    https: bool,
) -> Cookie<'static> {
    let mut cookie = Cookie::new(name, value);
    cookie.set_http_only(true);
    // Strict would lose both after a link in a mail or an OAuth page.
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

/// Returns a cookie as the value of a `Set-Cookie` header.
fn line(cookie: &Cookie<'static>) -> HeaderValue {
    HeaderValue::from_str(&cookie.to_string())
        .expect("values are base64url, codes and digits, and a domain is parsed")
}

#[cfg(test)]
mod tests;
