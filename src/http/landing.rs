//! The pick-up of landings: whoever opens a page with `?ref=` gets the cookies that carry the credit.
//!
//! Three ways in, one [`Landing`] behind them: [`TouchLayer`] around the pages of a Rust service, the
//! short link `GET /r/{code}`, and `POST /v1/touch` with its script `/touch.js` for all other sites.
//! The rules are those of [`crate::domain::touch`]; here is what they need to know and what follows.

mod beacon;
mod clicks;
pub mod cookies;
mod layer;
mod script;
mod short_link;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, HOST, REFERER, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use url::Url;
use whence_events::Consent;

use crate::app::rate_limits::Limit;
use crate::domain::touch::{
    self, Arrival, Ignored, LandingRules, Navigation, PageRequest, Visitor,
};
use crate::http::landing::cookies::{
    CookieSettings, read_first_touch, read_ref_code, set_first_touch, set_ref_code,
};
use crate::http::limits::TOUCHES_PER_CLIENT;
use crate::infra::clock::Clock;
use crate::infra::keys::MacKey;
use crate::infra::random::new_touch_id;

pub use crate::app::touches::TouchRecorder;
pub use beacon::MAX_REPORT;
use clicks::Clicks;
pub use layer::{TouchLayer, TouchService};

/// What is known of the client behind a request.
#[derive(Clone, Debug, Default)]
pub struct LandingClient {
    /// Its address, as far as trusted proxies tell. It decides what is the same click, and goes no
    /// further.
    pub ip: Option<IpAddr>,
    /// Its `User-Agent`; the same.
    pub user_agent: Option<String>,
    /// What is recorded of it.
    pub visitor: Visitor,
    /// Whether the browser speaks https, to us or to the proxy.
    pub https: bool,
}

/// How [`LandingClient`] are found. Asked once a touch, never for other requests.
pub type ClientResolver = Arc<dyn Fn(&Parts) -> LandingClient + Send + Sync>;

/// The operator's choices.
#[derive(Clone, Debug)]
pub struct LandingSettings {
    /// The rules. Their own hosts need not name those of the fields below.
    pub rules: LandingRules,
    /// How the cookies are set; the window is that of the rules.
    pub cookies: CookieSettings,
    /// Where short links lead.
    pub landing_url: Url,
    /// Origins, such as `https://www.example.com`, whose pages may report their visits.
    pub allowed_origins: Vec<String>,
}

/// Everything that picks up landings.
pub struct Landing {
    settings: LandingSettings,
    key: MacKey,
    clock: Clock,
    recorder: TouchRecorder,
    identify_client: ClientResolver,
    clicks: Clicks,
    limit: Limit,
    ignored: [AtomicU64; Ignored::ALL.len()],
}

impl Landing {
    /// The hosts of the landing page and of the allowed origins count as the platform's own.
    #[must_use]
    pub fn new(
        mut settings: LandingSettings,
        key: MacKey,
        clock: Clock,
        recorder: TouchRecorder,
        identify_client: ClientResolver,
    ) -> Self {
        settings.cookies.window = settings.rules.window;
        let origins = settings.allowed_origins.iter();
        let urls = origins.filter_map(|origin| Url::parse(origin).ok());
        for url in urls.chain([settings.landing_url.clone()]) {
            if let Some(host) = url.host_str() {
                settings.rules.own_hosts.add(host);
            }
        }
        Self {
            settings,
            key,
            clock,
            recorder,
            identify_client,
            clicks: Clicks::new(),
            limit: Limit::new(TOUCHES_PER_CLIENT),
            ignored: Default::default(),
        }
    }

    /// How many requests were no touch, by reason.
    pub fn ignored(&self) -> impl Iterator<Item = (Ignored, u64)> + '_ {
        let counts = self.ignored.iter().map(|count| count.load(Ordering::Relaxed));
        Ignored::ALL.into_iter().zip(counts)
    }

    /// Where touches go: for the metrics.
    #[must_use]
    pub fn recorder(&self) -> &TouchRecorder {
        &self.recorder
    }

    /// What a request for a page means; `None`, counted, when it is no touch.
    fn arrive(&self, parts: &Parts) -> Option<Arrival> {
        let page = Page::of(parts);
        self.arrive_at(&page, navigation(parts), &parts.headers)
    }

    /// The same for a page that is not that of the request itself.
    fn arrive_at(
        &self,
        page: &Page<'_>,
        navigation: Navigation<'_>,
        headers: &HeaderMap,
    ) -> Option<Arrival> {
        // Before any signature is checked: most requests are no landing.
        let arrival = navigation.check().and_then(|()| {
            let request = PageRequest {
                navigation,
                path: page.path,
                query: page.query,
                referrer: page.referrer,
                host: page.host,
                ref_code: read_ref_code(&self.key, headers),
                first_touch: read_first_touch(&self.key, headers),
                consent: page.consent,
                now: self.clock.now(),
            };
            touch::arrive(&request, &self.settings.rules)
        });
        arrival
            .inspect_err(|why| {
                let index = Ignored::ALL.iter().position(|reason| reason == why);
                self.ignored[index.unwrap_or(0)].fetch_add(1, Ordering::Relaxed);
            })
            .ok()
    }

    /// Records a touch, which neither waits nor fails, and makes its cookies.
    fn touch(&self, arrival: Arrival, client: &LandingClient) -> SetCookies {
        let now = self.clock.now();
        let again = arrival.code().is_some_and(|code| self.clicks.seen(code, client, now));
        let touch = arrival.touch(new_touch_id(), client.visitor);
        let (key, settings) = (&self.key, &self.settings.cookies);
        let code = touch.plant_code.as_ref();
        let first = touch.plant_first.as_ref();
        let cookies = SetCookies([
            code.map(|code| set_ref_code(key, code, settings, client.https)),
            first.map(|first| set_first_touch(key, first, settings, client.https)),
        ]);
        if let Some(mut record) = touch.record {
            record.deduplicated = again;
            // Nobody can fill the log by landing.
            if self.limit.count(client.ip, now).is_ok() {
                self.recorder.record(record);
            } else {
                self.recorder.lose();
            }
        }
        cookies
    }

    fn client(&self, parts: &Parts) -> LandingClient {
        (self.identify_client)(parts)
    }
}

/// A page that a visitor opened.
struct Page<'a> {
    path: &'a str,
    query: &'a str,
    referrer: Option<&'a str>,
    host: Option<&'a str>,
    consent: Consent,
}

impl<'a> Page<'a> {
    /// The page that a request asks for.
    fn of(parts: &'a Parts) -> Self {
        Self {
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or(""),
            referrer: header(&parts.headers, REFERER.as_str()),
            host: request_host(parts),
            // Only a page itself can know what its visitor agreed to.
            consent: Consent::Unknown,
        }
    }
}

/// Why a request was made.
fn navigation(parts: &Parts) -> Navigation<'_> {
    let header = |name| header(&parts.headers, name);
    Navigation {
        method: parts.method.as_str(),
        fetch_mode: header("sec-fetch-mode"),
        fetch_dest: header("sec-fetch-dest"),
        fetch_site: header("sec-fetch-site"),
        purposes: ["sec-purpose", "purpose", "x-purpose", "x-moz"].map(header),
    }
}

/// The lines to add to an answer.
struct SetCookies([Option<HeaderValue>; 2]);

impl SetCookies {
    fn add_to(self, headers: &mut HeaderMap) {
        let mut any = false;
        for line in self.0.into_iter().flatten() {
            headers.append(SET_COOKIE, line);
            any = true;
        }
        if any {
            keep_private(headers);
        }
    }
}

/// An answer that plants cookies is one visitor's own: a shared cache that kept it would credit one
/// referrer for all who come after (RFC 9111, section 7.3).
fn keep_private(headers: &mut HeaderMap) {
    let lines = headers.get_all(CACHE_CONTROL);
    let said: Vec<&str> = lines
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    let is = |word: &str, name: &str| {
        let before_value = word.split('=').next().unwrap_or(word);
        before_value.eq_ignore_ascii_case(name)
    };
    if said.iter().any(|word| is(word, "no-store")) {
        return;
    }
    let shared = ["public", "private", "s-maxage"];
    let mut words = vec!["private"];
    words.extend(said.iter().filter(|word| !shared.iter().any(|name| is(word, name))));
    if let Ok(line) = HeaderValue::from_str(&words.join(", ")) {
        headers.insert(CACHE_CONTROL, line);
    }
}

/// A header that is there but no text counts as there, with a meaning nobody knows.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn request_host(parts: &Parts) -> Option<&str> {
    // HTTP/2 has the host in the URI, HTTP/1.1 in a header.
    let in_uri = parts.uri.host();
    in_uri.or_else(|| header(&parts.headers, HOST.as_str()))
}

/// `GET /r/{code}`, `POST /v1/touch` and `GET /touch.js`.
pub fn routes(landing: Arc<Landing>) -> Router {
    Router::new()
        .route("/r/{code}", get(short_link::follow))
        .route("/v1/touch", post(beacon::report))
        .route("/touch.js", get(script::serve))
        .with_state(landing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn kept(before: &[&'static str], after: &str) {
        let mut headers = HeaderMap::new();
        for line in before {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
        }
        keep_private(&mut headers);
        let lines: Vec<_> = headers.get_all(CACHE_CONTROL).into_iter().collect();
        assert_eq!(lines, [after]);
    }

    #[test]
    fn no_shared_cache_keeps_an_answer_that_plants() {
        kept(&[], "private");
        kept(&["public, max-age=60, S-MaxAge=600"], "private, max-age=60");
        kept(&["public", "immutable"], "private, immutable");
        kept(&["private=\"x\", no-cache"], "private, no-cache");
        kept(&["no-store"], "no-store");
    }
}
