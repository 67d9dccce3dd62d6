//! The cookie by which a browser is known to the addresses that it logged in to: `whence_device`.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue};
use whence_events::{DeviceId, EmailKey};

use super::cookies::cookie_values;
use crate::app::App;
use crate::app::config::Config;
use crate::app::known_devices::DeviceProof;

/// The time for which the cookie is kept: as long as browsers keep any (RFC 6265bis, section 5.5).
const LIFETIME: Duration = Duration::days(400);

/// The most addresses that one browser is known to at a time.
const MAX_ADDRESSES: usize = 3;

/// The most cookies of the name that are read: one, and what a page of a sibling domain may plant.
const MAX_COOKIES: usize = 4;

/// The proofs that a request brings, each of which is a right one.
#[derive(Clone)]
pub(super) struct KnownBy(Vec<DeviceProof>);

impl KnownBy {
    /// Reads all proofs of a request. What is no proof does no harm, nor does a planted one: it names
    /// a device of the address that it is for, and of no other.
    pub(super) fn of(headers: &HeaderMap, app: &App) -> Self {
        let cookies = cookie_values(headers, name(&app.config)).take(MAX_COOKIES);
        let texts = cookies.flat_map(|value| value.split(|b| *b == b'.').take(MAX_ADDRESSES));
        Self(texts.filter_map(|text| DeviceProof::parse(text, &app.engine.keys)).collect())
    }

    /// Returns whether there is no proof at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the devices that the request proves to be for an address.
    pub(super) fn for_address(&self, email_key: EmailKey) -> Vec<DeviceId> {
        let of_it = self.0.iter().filter(|proof| proof.email_key == email_key);
        of_it.map(|proof| proof.device_id).collect()
    }

    /// Returns the `Set-Cookie` line by which the browser is known to one more address, and still to
    /// those that it was known to last.
    pub(super) fn and(&self, newest: DeviceProof, app: &App) -> HeaderValue {
        let mut proofs = vec![newest];
        for proof in &self.0 {
            if proofs.iter().all(|kept| kept.email_key != proof.email_key) {
                proofs.push(*proof);
            }
        }
        proofs.truncate(MAX_ADDRESSES);
        let texts: Vec<_> = proofs.iter().map(|proof| proof.to_text(&app.engine.keys)).collect();
        let cookie = Cookie::build((name(&app.config), texts.join(".")))
            .http_only(true)
            .secure(app.config.listening.https())
            .same_site(SameSite::Lax)
            .path("/")
            .max_age(LIFETIME)
            .build();
        HeaderValue::from_str(&cookie.to_string()).expect("base64url and names are header text")
    }
}

/// Returns the name of the cookie.
fn name(config: &Config) -> &'static str {
    if config.landing.host_prefix { "__Host-whence_device" } else { "whence_device" }
}
