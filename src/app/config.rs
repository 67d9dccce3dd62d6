//! The settings of a service, in sections. They are plain values: a program that embeds whence fills
//! them in without a command line.

mod client_headers;
mod connections;
mod cookies;
mod hosts;
mod local;
mod metrics;
pub(crate) mod operators;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::HeaderValue;
use ipnet::IpNet;
use url::Url;
use whence_events::{Country, Mac, RuleSettings};

pub use self::client_headers::{AddressHeader, Cdn, ClientHeaders};
pub use self::connections::ConnectionLimits;
pub use self::cookies::{CookieDomain, CookieSettings};
pub use self::hosts::has_real_host;
pub(crate) use self::hosts::{is_public_suffix, shared_domains};
pub(crate) use self::local::{is_local_host, is_local_origin};
pub use self::metrics::{MetricsConfig, MetricsToken};
pub use self::operators::OperatorConfig;
use crate::domain::rules::{RULES_VERSION, Rules};
use crate::domain::touch::{Hosts, Model, Record, ReferrerDetail, Window};
use crate::domain::user::activity::ActivityPeriod;
use crate::engine::proof::checkpointer::CheckpointPolicy;
use crate::engine::proof::directory;
use crate::infra::clock::Clock;
use crate::infra::geo::Geo;
use crate::infra::hash::sha256;
use crate::infra::keys::{Keys, MasterKey};
use crate::infra::mail::Sender;
use crate::store::{EventStore, Location};

/// The settings of a service.
///
/// ```
/// use whence::app::config::Config;
/// use whence::infra::keys::MasterKey;
/// use whence::store::Location;
///
/// let store = Location::parse("sqlite:./whence-data", None)?;
/// let listen = "127.0.0.1:8080".parse()?;
/// let mut config = Config::new(listen, store, MasterKey::generate())?;
/// config.accounts.plan = "trial".to_owned();
/// config.limits.starts_per_client = 20;
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the service listens, and how browsers reach it.
    pub listening: ListeningConfig,
    /// Where log and read models are kept, and under which key.
    pub storage: StorageConfig,
    /// How mails leave, and what they call the site.
    pub mail: MailConfig,
    /// How landings are picked up, and how cookies are set.
    pub landing: LandingConfig,
    /// How referrals are decided.
    pub referrals: ReferralConfig,
    /// What an account begins with, and how long unverified addresses are kept.
    pub accounts: AccountConfig,
    /// The operators, who may use the operators' API; it is closed when there is none.
    pub operators: Vec<OperatorConfig>,
    /// How the log is signed.
    pub checkpoints: CheckpointConfig,
    /// Bounds of memory and of what one client may ask for.
    pub limits: LimitConfig,
    /// Who may read the metrics.
    pub metrics: MetricsConfig,
}

/// Where the service listens, and how browsers reach it.
#[derive(Clone, Debug)]
pub struct ListeningConfig {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The URL at which browsers reach this service.
    pub public_url: Url,
    /// Origins whose pages may call with credentials.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Peers whose headers about the client count.
    pub trusted_proxies: Vec<IpNet>,
    /// The headers that are read of them.
    pub client_headers: ClientHeaders,
    /// Whether the service is for people who build against it on this machine: pages of any port of
    /// it may call, mails are shown, and codes of test addresses are known.
    pub development: bool,
    /// The page on which people log in, for those whom the forward check does not let in.
    pub login_url: Option<Url>,
}

/// Where log and read models are kept, and under which key.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// The store of the log, and the database of the read models.
    pub store: Location,
    /// The key from which every other key derives.
    pub master_key: MasterKey,
}

/// How mails leave, and what they call the site.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// The way that mails leave, as [`crate::infra::mail::Mailer::open`] takes it.
    pub way: String,
    /// The sender of mails.
    pub sender: Sender,
    /// The name that mails call the site by.
    pub site: String,
    /// Whether the subject of a login mail holds the code.
    pub code_in_subject: bool,
    /// How many mails leave this process in an hour, over all recipients; 0 is any number.
    pub per_hour: u32,
}

/// How landings are picked up, and how cookies are set.
#[derive(Clone, Debug)]
pub struct LandingConfig {
    /// The page that short links lead to.
    pub landing_url: Url,
    /// Which touches leave an event.
    pub record_touches: Record,
    /// How much of the address of a referring page is kept.
    pub referrer_detail: ReferrerDetail,
    /// Hosts that do not count as where a visitor came from: payment and sign-in pages.
    pub excluded_hosts: Hosts,
    /// The `Domain` attribute of the landing cookies.
    pub cookie_domain: Option<CookieDomain>,
    /// Whether session cookies are called `__Host-...`.
    pub host_prefix: bool,
    /// The country database.
    pub geo: Geo,
}

/// How referrals are decided.
#[derive(Clone, Debug)]
pub struct ReferralConfig {
    /// Settings of the referral decision, as the log records them.
    pub rules: Arc<Rules>,
    /// Disposable mail domains in lower case, sorted.
    pub disposable_domains: Vec<String>,
    /// Which code is credited when a visitor followed links of two referrers.
    pub model: Model,
    /// How long a touch counts.
    pub window: Window,
}

/// What an account begins with, and how long unverified addresses are kept.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// The plan that every account starts with.
    pub plan: String,
    /// How long an address is kept that was never verified; `None` keeps it without end.
    pub keep_unverified: Option<Duration>,
    /// How often it is recorded that a session is used.
    pub session_activity: ActivityPeriod,
    /// How long users can withdraw that they asked to be erased; zero erases them at once.
    pub erasure_grace: Duration,
}

/// How the log is signed.
#[derive(Clone, Debug)]
pub struct CheckpointConfig {
    /// The name of the log in its checkpoints.
    pub log_origin: String,
    /// When checkpoints are due and where they are stored; `None` stores none.
    pub policy: Option<CheckpointPolicy>,
}

/// Bounds of memory and of what one client may ask for.
#[derive(Clone, Copy, Debug)]
pub struct LimitConfig {
    /// How many sessions are kept in memory, at some 300 bytes each.
    pub session_cache: usize,
    /// How many codes one client address may ask for in an hour; 0 is any number.
    pub starts_per_client: u32,
    /// How many codes one client address may try in an hour; 0 is any number.
    pub verifies_per_client: u32,
    /// How many proofs one client address may ask for in an hour; 0 is any number.
    pub proofs_per_client: u32,
    /// The bounds of connections.
    pub connections: ConnectionLimits,
    /// How long unknown devices are locked out of an address after 100 wrong codes in a row; `None`:
    /// until a right code or an operator.
    pub guess_lock: Option<Duration>,
}

impl Config {
    /// Returns the settings that `whence serve` has without further flags, for a service that browsers
    /// reach at the address it listens on.
    pub fn new(listen: SocketAddr, store: Location, master_key: MasterKey) -> anyhow::Result<Self> {
        let listening = ListeningConfig::new(listen)?;
        let host = listening.public_url.host_str().unwrap_or("localhost").to_owned();
        Ok(Self {
            mail: MailConfig::new(&store, &host, &host),
            landing: LandingConfig::new(listening.public_url.clone()),
            referrals: ReferralConfig::new(ReferralConfig::DEFAULT, Vec::new())?,
            accounts: AccountConfig::default(),
            operators: Vec::new(),
            checkpoints: CheckpointConfig::new(&host, &store),
            limits: LimitConfig::default(),
            metrics: MetricsConfig::default(),
            listening,
            storage: StorageConfig { store, master_key },
        })
    }

    /// Opens the log, or makes it where there is none.
    pub async fn open_log(&self, clock: Clock) -> anyhow::Result<Arc<dyn EventStore>> {
        let fingerprint = Keys::derive(&self.storage.master_key).fingerprint();
        self.storage.store.open(fingerprint, clock).await
    }

    /// Returns how the landing cookies are set.
    #[must_use]
    pub fn landing_cookies(&self) -> CookieSettings {
        CookieSettings { window: self.referrals.window, domain: self.landing.cookie_domain.clone() }
    }
}

impl ListeningConfig {
    /// Returns the URL of a page of this service, of which `path` begins without a slash.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}/{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// Returns the settings of a service that browsers reach at the address it listens on.
    pub fn new(listen: SocketAddr) -> anyhow::Result<Self> {
        // An address that stands for every address of this machine is not one to connect to.
        let public_url = if listen.ip().is_unspecified() {
            Url::parse(&format!("http://localhost:{}", listen.port()))?
        } else {
            Url::parse(&format!("http://{listen}")).context("--listen")?
        };
        Ok(Self {
            listen,
            public_url,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            client_headers: ClientHeaders::default(),
            development: false,
            login_url: None,
        })
    }

    /// Returns whether browsers reach the service by https, so that cookies have to be `Secure`.
    #[must_use]
    pub fn https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Returns whether pages of this origin may call: it is that of the service, an allowed one, or, in
    /// development, one of this machine.
    #[must_use]
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed.0.as_bytes() == origin)
            || self.public_url.origin().ascii_serialization().as_bytes() == origin
            || self.development && is_local_origin(origin)
    }

    /// Returns whether forwarded headers of this peer count.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}

impl MailConfig {
    /// The mails an hour that `whence serve` sends without further flags.
    pub const PER_HOUR: u32 = 10_000;

    /// Returns the settings that write mails into a directory next to the log, for a service at one
    /// host and a site at another.
    #[must_use]
    pub fn new(store: &Location, public_host: &str, site_host: &str) -> Self {
        let directory = store.directory().unwrap_or(std::path::Path::new("./whence-data"));
        let is_name = public_host.contains('.') && public_host.parse::<IpAddr>().is_err();
        let host = if is_name { public_host } else { "localhost.localdomain" };
        let site = site_host.to_owned();
        Self {
            way: format!("directory:{}/mail", directory.display()),
            sender: Sender { name: site.clone(), address: format!("login@{host}") },
            site,
            code_in_subject: false,
            per_hour: Self::PER_HOUR,
        }
    }
}

impl LandingConfig {
    /// Returns the settings of a site whose short links lead to `landing_url`.
    #[must_use]
    pub fn new(landing_url: Url) -> Self {
        Self {
            landing_url,
            record_touches: Record::Campaign,
            referrer_detail: ReferrerDetail::Path,
            excluded_hosts: Hosts::default(),
            cookie_domain: None,
            host_prefix: false,
            geo: Geo::none(),
        }
    }
}

impl ReferralConfig {
    /// The settings of the referral decision that `whence serve` has without further flags.
    pub const DEFAULT: RuleSettings = RuleSettings {
        rules_version: RULES_VERSION,
        window_seconds: 30 * 24 * 3600,
        grace_seconds: 24 * 3600,
        strict: false,
        velocity_cap: 50,
        blocked_countries: Vec::new(),
        disposable_domains: None,
    };

    /// Returns the settings with the digest under which the log records them.
    ///
    /// The window of `rules` becomes that of the cookies, and the digest of `disposable_domains`
    /// (lower case, sorted) takes the place of the one in `rules`.
    pub fn new(mut rules: RuleSettings, disposable_domains: Vec<String>) -> anyhow::Result<Self> {
        rules.disposable_domains = (!disposable_domains.is_empty())
            .then(|| half_hash(disposable_domains.join("\n").as_bytes()));
        let days = rules.window_seconds / (24 * 3600);
        let window = u16::try_from(days).ok().and_then(Window::from_days);
        let window = window.context("--referral-window-days is 1 to 400")?;
        let digest = half_hash(&serde_json::to_vec(&rules)?);
        let rules = Arc::new(Rules { digest, settings: rules });
        Ok(Self { rules, disposable_domains, model: Model::First, window })
    }
}

impl Default for AccountConfig {
    fn default() -> Self {
        Self {
            plan: "free".to_owned(),
            keep_unverified: Some(Duration::from_hours(24 * 30)),
            session_activity: ActivityPeriod::Week,
            erasure_grace: Duration::from_hours(24 * 14),
        }
    }
}

impl CheckpointConfig {
    /// Returns the settings of a service at this host: checkpoints next to a log in files, none
    /// elsewhere.
    #[must_use]
    pub fn new(host: &str, store: &Location) -> Self {
        let policy = directory::default_of(store).map(|directory| CheckpointPolicy {
            directory,
            events: 10_000,
            time: Duration::from_mins(1),
        });
        Self { log_origin: format!("{host}/whence"), policy }
    }
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            session_cache: 100_000,
            starts_per_client: 60,
            verifies_per_client: 600,
            proofs_per_client: 3600,
            connections: ConnectionLimits::default(),
            guess_lock: Some(Duration::from_hours(24 * 30)),
        }
    }
}

/// An origin as browsers send it: scheme, host and port, nothing after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(pub HeaderValue);

impl AllowedOrigin {
    /// Reads an origin that is written exactly as browsers send it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong =
            || format!("--allowed-origin {text}: not an origin like https://www.example.com");
        let url = Url::parse(text).with_context(wrong)?;
        let origin = url.origin().ascii_serialization();
        ensure!(matches!(url.scheme(), "http" | "https") && origin == text, wrong());
        ensure!(
            has_real_host(&url),
            "--allowed-origin {text}: no host is called that; each origin is written out, without *"
        );
        Ok(Self(HeaderValue::from_str(&origin).with_context(wrong)?))
    }

    /// Returns the origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("")
    }
}

/// Reads country codes and returns them sorted, each once.
pub(crate) fn countries(texts: &[String]) -> anyhow::Result<Vec<Country>> {
    let parse = |text: &String| {
        Country::parse(text)
            .with_context(|| format!("--blocked-country {text}: not a country code"))
    };
    let mut countries = texts.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    countries.sort_unstable();
    countries.dedup();
    Ok(countries)
}

/// Returns the first half of the SHA-256 of some bytes.
fn half_hash(bytes: &[u8]) -> Mac {
    let mut half = [0; 16];
    half.copy_from_slice(&sha256(bytes).0[..16]);
    Mac(half)
}
