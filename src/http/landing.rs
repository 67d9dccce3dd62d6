//! Landings: a visitor who opens a page with `?ref=` gets the cookies that credit the referrer.
//!
//! One [`Landing`] serves four ways in: [`TouchLayer`] around the pages of a Rust service, the
//! short link `GET /r/{code}`, `GET /v1/touch/forward` for proxies and other services, and
//! `POST /v1/touch` with its script `/touch.js` for all other sites. The rules are those of [`crate::domain::touch`]; this module gathers what they decide on
//! and does what follows.

mod beacon;
mod clicks;
pub mod cookies;
mod forward;
mod layer;
mod link_text;
pub(super) mod said;
mod script;
mod set_cookies;
pub(super) mod short_link;
mod visited_page;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::{get, post};
use http::HeaderMap;
use http::request::Parts;
use url::Url;
use whence_events::ReferralCode;

use crate::app::App;
use crate::app::attribution::LandingCookies;
use crate::app::client_address::ClientAddress;
use crate::app::config::is_local_origin;
use crate::app::rate_limits::Limit;
use crate::domain::bots;
use crate::domain::touch::planting::CodeRecord;
use crate::domain::touch::{
    self, Arrival, Ignored, LandingRules, Navigation, PageRequest, Visitor,
};
use crate::http::landing::cookies::{
    CookieSettings, read_landing_cookies, set_first_touch, set_ref_code,
};
use crate::http::limits::TOUCHES_PER_CLIENT;
use crate::infra::clock::Clock;
use crate::infra::keys::MacKey;
use crate::infra::random::new_touch_id;

pub use crate::app::touches::TouchRecorder;
pub use beacon::MAX_REPORT_BYTES;
use clicks::{Clicker, Clicks};
pub use layer::{TouchLayer, TouchService};
use set_cookies::SetCookies;
use visited_page::{VisitedPage, navigation};

/// The client behind a landing, as far as it can be known.
#[derive(Clone, Debug, Default)]
pub struct LandingClient {
    /// The client's address, according to trusted proxies. It decides which clicks are the same and
    /// how many are recorded, and is not recorded itself.
    pub address: ClientAddress,
    /// The client's `User-Agent`, which is used for the same purpose, tells bots from people, and is
    /// recorded under seal. [`Landing`] takes from it what is neither judged nor kept.
    pub user_agent: Option<String>,
    /// The facts about the visitor that are recorded. [`Landing`] adds whether it is a bot.
    pub visitor: Visitor,
    /// Whether the browser uses https, to this service or to the proxy in front of it.
    pub https: bool,
}

/// Finds the client of a request. It is called once for each touch, and never for other requests.
pub type ClientResolver = Arc<dyn Fn(&Parts) -> LandingClient + Send + Sync>;

/// The operator's settings for landings.
#[derive(Clone, Debug)]
pub struct LandingSettings {
    /// The rules of touches. [`Landing::new`] adds the hosts of the fields below to their own
    /// hosts.
    pub rules: LandingRules,
    /// The attributes of the cookies; [`Landing::new`] takes the window from the rules.
    pub cookies: CookieSettings,
    /// The page that short links lead to.
    pub landing_url: Url,
    /// The origins whose pages may report their visits, such as `https://www.example.com`.
    pub allowed_origins: Vec<String>,
}

/// Recognizes landings, records them as touches, and makes their cookies.
pub struct Landing {
    settings: LandingSettings,
    /// The origins whose pages may report: the allowed ones, and that of the landing page.
    origins: Vec<String>,
    /// Whether pages of any port of this machine may report.
    local_pages: bool,
    key: MacKey,
    clock: Clock,
    recorder: TouchRecorder,
    identify_client: ClientResolver,
    clicks: Clicks,
    limit: Limit,
    ignored: [AtomicU64; Ignored::ALL.len()],
}

impl Landing {
    /// Returns a `Landing` of these settings. The hosts of the landing page and of the allowed
    /// origins count as the platform's own.
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
        let mut origins = settings.allowed_origins.clone();
        origins.push(settings.landing_url.origin().ascii_serialization());
        Self {
            settings,
            origins,
            local_pages: false,
            key,
            clock,
            recorder,
            identify_client,
            clicks: Clicks::new(),
            limit: Limit::new(TOUCHES_PER_CLIENT),
            ignored: Default::default(),
        }
    }

    /// Returns the same, whose visits pages of any port of this machine may report, for development.
    #[must_use]
    pub fn with_local_pages(mut self) -> Self {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            self.settings.rules.own_hosts.add(host);
        }
        self.local_pages = true;
        self
    }

    /// Returns whether pages of this origin may report their visits.
    fn takes_reports_of(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
            || self.local_pages && is_local_origin(origin.as_bytes())
    }

    /// Returns how many requests were no touch, by reason.
    pub fn ignored(&self) -> impl Iterator<Item = (Ignored, u64)> + '_ {
        let counts = self.ignored.iter().map(|count| count.load(Ordering::Relaxed));
        Ignored::ALL.into_iter().zip(counts)
    }

    /// Returns the recorder of touches, for metrics.
    #[must_use]
    pub fn recorder(&self) -> &TouchRecorder {
        &self.recorder
    }

    /// Returns the arrival that a request for a page is; `None`, counted, when it is no touch.
    fn arrive(&self, parts: &Parts) -> Option<Arrival> {
        let page = VisitedPage::of(parts);
        self.arrive_at(&page, navigation(parts), &parts.headers)
    }

    /// Returns the arrival at a page other than that of the request itself; `None`, counted, when
    /// it is no touch.
    fn arrive_at(
        &self,
        page: &VisitedPage<'_>,
        navigation: Navigation<'_>,
        headers: &HeaderMap,
    ) -> Option<Arrival> {
        // Before any signature is checked: most requests are no landing.
        let arrival = navigation.check().and_then(|()| {
            let LandingCookies { ref_code, first_touch, .. } =
                read_landing_cookies(&self.key, headers);
            let request = PageRequest {
                navigation,
                path: page.path,
                query: page.query,
                fragment: page.fragment,
                referrer: page.referrer,
                host: page.host,
                ref_code,
                first_touch,
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

    /// Returns the arrival with what has to be looked up for it: whether its cookies are those of an
    /// erased visitor, and, where a visitor has to be asked for one of several codes, what is on record
    /// of these.
    async fn look_up(&self, mut arrival: Arrival) -> Arrival {
        if let Some(first) = arrival.known_visitor()
            && self.recorder.is_of_erased(first).await
        {
            arrival.forget_visitor();
        }
        if arrival.readings().nth(1).is_some() {
            let readings: Vec<_> = arrival.readings().cloned().collect();
            if let Some(code) = self.choose(readings).await {
                arrival.read_as(code);
            }
        }
        if let Some(contest) = arrival.contest() {
            let records = self.recorder.records_of([&contest.held.code, contest.brought]).await;
            if let [held, brought] = records[..] {
                arrival.settle(held, brought);
            }
        }
        arrival
    }

    /// Returns the first of some readings of a code that is somebody's, and the most literal one when
    /// none is; `None` when there are none.
    async fn choose(&self, readings: Vec<ReferralCode>) -> Option<ReferralCode> {
        let at = if readings.len() > 1 {
            let records = self.recorder.records_of(&readings).await;
            let is_issued = |record: &CodeRecord| matches!(record, CodeRecord::Issued { .. });
            records.iter().position(is_issued).unwrap_or(0)
        } else {
            0
        };
        readings.into_iter().nth(at)
    }

    /// Records a touch, which neither waits nor fails, and returns its cookies.
    fn touch(&self, arrival: Arrival, client: &LandingClient) -> SetCookies {
        let now = self.clock.now();
        let touch_id = new_touch_id();
        let again = arrival.is_recorded() && {
            let by = Clicker { client, first: arrival.known_visitor(), touch_id };
            self.clicks.seen(&arrival.brought_by(), by, now)
        };
        let touch = arrival.touch(touch_id, client.visitor);
        let (key, settings) = (&self.key, &self.settings.cookies);
        let code = touch.plant_code.as_ref();
        let first = touch.plant_first.as_ref();
        let cookies = SetCookies([
            code.map(|code| set_ref_code(key, code, settings, client.https)),
            first.map(|first| set_first_touch(key, first, settings, client.https)),
        ]);
        if let Some(mut record) = touch.record {
            record.deduplicated = again;
            record.agent.clone_from(&client.user_agent);
            // No client can fill the log by landing.
            if self.limit.count(client.address, now).is_ok() {
                self.recorder.record(record);
            } else {
                self.recorder.count_limited();
            }
        }
        cookies
    }

    /// Returns the client behind a request, judged by the rules about bots.
    fn client(&self, parts: &Parts) -> LandingClient {
        let mut client = (self.identify_client)(parts);
        client.user_agent = client.user_agent.as_deref().and_then(bots::kept);
        client.visitor.bot |= bots::is_bot(client.user_agent.as_deref());
        client.visitor.bot_rules_version = bots::BOT_RULES_VERSION;
        client
    }
}

/// Returns the route `GET /creators/{handle}`, for a service that shows no page of creators itself.
pub(super) fn creator_routes(landing: Arc<Landing>) -> Router {
    Router::new().route("/creators/{handle}", get(short_link::follow_creator)).with_state(landing)
}

/// Returns the route `GET /v1/touch/forward`, for the proxies and services that a service trusts.
pub(super) fn forward_routes(app: Arc<App>, landing: Arc<Landing>) -> Router {
    Router::new().route("/v1/touch/forward", get(forward::pick_up)).with_state((app, landing))
}

/// Returns the routes `GET /r/{code}`, `POST /v1/touch` and `GET /touch.js`.
pub fn routes(landing: Arc<Landing>) -> Router {
    Router::new()
        .route("/r", get(short_link::follow))
        .route("/r/", get(short_link::follow))
        .route("/r/{*code}", get(short_link::follow))
        .route("/v1/touch", post(beacon::report))
        .route("/touch.js", get(script::serve))
        .with_state(landing)
}
