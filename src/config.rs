//! What an operator can set: every flag, its environment variable, and what it turns into.
//!
//! Only this file and those in `config/` read the environment. [`ServeArgs`] is what stands on the command line,
//! [`Config`] what it means; what cannot work together is refused here, in one clear sentence.

mod audit;
mod checkpoints;
mod cookies;
mod copy;
mod doctor;
mod erase;
mod export;
mod files;
mod flags;
mod log;
mod operate;
mod operators;
mod replay;
mod report;
mod verify;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::builder::Resettable;
use clap::{Args as _, Command, FromArgMatches as _};
use http::HeaderValue;
use ipnet::IpNet;
use url::Url;
use whence_events::{Country, RuleSettings};

pub(crate) use self::audit::range;
pub use self::audit::{AuditArgs, AuditCommand, ListFormat};
pub use self::cookies::{CookieDomain, CookieSettings};
pub use self::copy::{CopyArgs, CopyConfig};
pub use self::doctor::DoctorArgs;
pub use self::erase::EraseArgs;
pub use self::export::{ExportArgs, ExportConfig};
pub use self::flags::{ModelArg, RecordArg, ServeArgs};
pub use self::log::{LogArgs, LogConfig};
pub use self::operate::{OperateArgs, Place, UserName};
pub use self::operators::Operator;
pub use self::replay::{ReplayArgs, ReplayConfig};
pub use self::report::{Format, ReportArgs, ViewArgs};
pub use self::verify::{VerifyArgs, VerifyConfig};
use crate::clock::Clock;
use crate::domain::rules::{RULES_VERSION, Rules};
use crate::domain::touch::{Hosts, Model, Record, Window};
use crate::geo::Geo;
use crate::mail::{MailConfigError, Mailer, Sender};
use crate::proof::keeper::Keeping;
use crate::secrets::{Keys, MasterKey, sha256};
use crate::store::{EventStore, Location};

/// Settings of a service.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where log and read models live.
    pub store: Location,
    /// How mails leave; see [`crate::mail`].
    pub mail: String,
    /// Who mails are from.
    pub sender: Sender,
    /// What mails call the site.
    pub site: String,
    /// Whether the subject of a login mail holds the code.
    pub code_in_subject: bool,
    /// How browsers reach this service.
    pub public_url: Url,
    /// Where short links lead.
    pub landing_url: Url,
    /// The key everything derives from.
    pub master_key: MasterKey,
    /// Origins whose pages may call with credentials.
    pub allowed_origins: Vec<Origin>,
    /// Peers whose forwarded and CDN headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Country database.
    pub geo: Geo,
    /// Settings of the referral decision.
    pub rules: Rules,
    /// Disposable mail domains, lower case, sorted.
    pub disposable_domains: Vec<String>,
    /// Which code wins.
    pub model: Model,
    /// How long a touch counts.
    pub window: Window,
    /// Which touches leave an event.
    pub record_touches: Record,
    /// Referrers that are not where somebody came from: payment and sign-in pages.
    pub excluded_hosts: Hosts,
    /// `Domain` of the landing cookies.
    pub cookie_domain: Option<CookieDomain>,
    /// Whether session cookies are called `__Host-...`.
    pub host_prefix: bool,
    /// Who may use the operators' API; nobody: it is closed.
    pub operators: Vec<Operator>,
    /// What the log is called in its checkpoints.
    pub log_origin: String,
    /// Where and when checkpoints of the log are left; `None`: nowhere.
    pub checkpoints: Option<Keeping>,
    /// The plan every account starts with.
    pub plan: String,
    /// How long an address is kept that nobody verified; none: for ever.
    pub keep_unverified: Option<Duration>,
    /// Sessions kept in memory.
    pub session_cache: usize,
    /// Codes one client address may ask for in an hour; 0: any number.
    pub starts_per_client: u32,
    /// Codes one client address may try in an hour; 0: any number.
    pub verifies_per_client: u32,
}

impl Config {
    /// Whether browsers reach the service by https, so that cookies have to be `Secure`.
    #[must_use]
    pub fn https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// How the landing cookies are set.
    #[must_use]
    pub fn landing_cookies(&self) -> CookieSettings {
        CookieSettings { window: self.window, domain: self.cookie_domain.clone() }
    }

    /// Opens the log, or makes it.
    ///
    /// # Errors
    /// One clear sentence: where, and why not.
    pub async fn open_log(&self, clock: Clock) -> anyhow::Result<Arc<dyn EventStore>> {
        self.store.open(Keys::derive(&self.master_key).fingerprint(), clock).await
    }

    /// Whether forwarded headers of this peer count.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}

impl Config {
    /// The settings that these flags of `whence serve` give, whatever the environment says: for
    /// the demo, tests and benchmarks.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Self> {
        let command = ServeArgs::augment_args(Command::new("whence").no_binary_name(true));
        let command = command.mut_args(|arg| arg.env(Resettable::Reset));
        let matches = command.try_get_matches_from(flags)?;
        ServeArgs::from_arg_matches(&matches)?.into_config()
    }
}

/// The command line with the environment behind it. A variable that is set to nothing counts as not
/// set: that is how a compose file or a unit file leaves one out.
///
/// # Errors
/// What clap says about it, help included.
pub(crate) fn parse<P: clap::Parser>() -> Result<P, clap::Error> {
    fn without_empty(command: Command) -> Command {
        command
            .mut_args(|arg| if is_set_to_nothing(&arg) { arg.env(Resettable::Reset) } else { arg })
            .mut_subcommands(without_empty)
    }
    let command = without_empty(P::command());
    P::from_arg_matches(&command.try_get_matches()?)
}

#[expect(clippy::disallowed_methods, reason = "this file reads the environment")]
fn is_set_to_nothing(arg: &clap::Arg) -> bool {
    arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty())
}

/// Whether the user wants no colours (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "this file reads the environment")]
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// An origin as browsers send it: scheme, host and port, nothing behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub HeaderValue);

impl Origin {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong =
            || format!("--allowed-origin {text}: not an origin like https://www.example.com");
        let url = Url::parse(text).with_context(wrong)?;
        let origin = url.origin().ascii_serialization();
        ensure!(matches!(url.scheme(), "http" | "https") && origin == text, wrong());
        Ok(Self(HeaderValue::from_str(&origin).with_context(wrong)?))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("")
    }
}

impl ServeArgs {
    /// What the flags mean. Makes the data directory, and a master key where there is none; before
    /// that, every flag has been looked at, so that a wrong one leaves nothing behind.
    ///
    /// # Errors
    /// One clear sentence for the first flag that cannot work.
    pub fn into_config(self) -> anyhow::Result<Config> {
        self.with_key(|given, directory| {
            // From here on there is something on disk.
            directory.map_or(Ok(()), files::make_private)?;
            match (given, directory) {
                (Some(key), _) => Ok(Some(key)),
                (None, Some(directory)) => files::stored_master_key(directory).map(Some),
                (None, None) => Ok(None),
            }
        })
        .map(|(config, _)| config)
    }

    /// As [`Self::into_config`], but makes nothing. Beside it the master key, when there is one; the
    /// one in the settings means nothing without it.
    ///
    /// # Errors
    /// As [`Self::into_config`].
    pub(crate) fn examine(self) -> anyhow::Result<(Config, Option<MasterKey>)> {
        let (config, found) = self.with_key(|given, directory| {
            let Some(directory) = directory.filter(|_| given.is_none()) else { return Ok(given) };
            let found = files::existing_master_key(directory)?;
            ensure!(
                found.is_some() || !directory.join("log.db").exists(),
                "the master key of the log in {} is missing",
                directory.display()
            );
            Ok(Some(found.unwrap_or_else(MasterKey::generate)))
        })?;
        let there = match config.store.directory() {
            Some(directory) if !found => files::existing_master_key(directory)?,
            Some(_) | None => Some(config.master_key.clone()),
        };
        Ok((config, there))
    }

    /// What the flags mean, given a way to find the master key: out of the one that was given and of
    /// the directory of the log. Whether it was given.
    fn with_key(
        self,
        find: impl FnOnce(Option<MasterKey>, Option<&Path>) -> anyhow::Result<Option<MasterKey>>,
    ) -> anyhow::Result<(Config, bool)> {
        let store = Location::parse(&self.store, self.read_db.as_deref())?;
        let (public_url, landing_url) = self.urls()?;
        let mail = self.mail.clone().unwrap_or_else(|| default_mail(&store));
        if !self.development && !is_this_machine(&public_url) {
            refuse_development_choices(&public_url, &mail)?;
        }
        let sender = self.sender(&public_url, &landing_url);
        check_mail(&mail, &sender)?;
        let window = Window::from_days(self.referral_window_days)
            .context("--referral-window-days is 1 to 400")?;
        let disposable_domains = files::read_domains(self.disposable_domains.as_deref())?;
        let rules = self.rules(window, &disposable_domains)?;
        let allowed_origins =
            self.allowed_origin.iter().map(|text| Origin::parse(text)).collect::<Result<_, _>>()?;
        let trusted_proxies = networks(&self.trusted_proxy)?;
        let operators = operators::parse_all(&self.admin_token)?;
        let cookie_domain = self.cookie_domain(&public_url)?;
        let geo = self.geoip.as_deref().map_or_else(|| Ok(Geo::none()), Geo::open)?;
        let log_origin = self.log_origin(&public_url)?;
        let checkpoints = self.keeping(&store);
        let given_key = self.master_key.as_deref().map(given_master_key).transpose()?;
        let is_given = given_key.is_some();
        let master_key = find(given_key, store.directory())?.context(
            "--master-key has to be given for a store that several nodes share: 64 hexadecimal \
             digits, such as `openssl rand -hex 32` prints",
        )?;
        let config = Config {
            listen: self.listen,
            store,
            mail,
            site: sender.name.clone(),
            sender,
            code_in_subject: self.code_in_subject,
            public_url,
            landing_url,
            master_key,
            allowed_origins,
            trusted_proxies,
            geo,
            rules,
            disposable_domains,
            model: self.referral_model.into(),
            window,
            record_touches: self.record_touches.into(),
            excluded_hosts: Hosts::new(self.excluded_referrer.iter().map(String::as_str)),
            cookie_domain,
            host_prefix: self.host_cookie_prefix,
            operators,
            log_origin,
            checkpoints,
            plan: self.free_plan,
            keep_unverified: days(self.keep_unverified_days),
            session_cache: self.session_cache,
            starts_per_client: self.starts_per_client,
            verifies_per_client: self.verifies_per_client,
        };
        Ok((config, is_given))
    }

    /// How browsers reach the service, and where short links lead.
    fn urls(&self) -> anyhow::Result<(Url, Url)> {
        let public = match &self.public_url {
            Some(url) => base_url(url, "--public-url")?,
            // Every address of this machine is no address to speak to.
            None if self.listen.ip().is_unspecified() => {
                Url::parse(&format!("http://localhost:{}", self.listen.port()))?
            }
            None => Url::parse(&format!("http://{}", self.listen)).context("--listen")?,
        };
        let plain = public.query().is_none() && public.fragment().is_none();
        ensure!(plain, "--public-url {public}: links begin with it, so it has no ? and no #");
        let needs_https = self.host_cookie_prefix && public.scheme() != "https";
        ensure!(!needs_https, "--host-cookie-prefix needs an https --public-url");
        let landing = match &self.landing_url {
            Some(url) => base_url(url, "--landing-url")?,
            None => public.clone(),
        };
        Ok((public, landing))
    }

    fn sender(&self, public_url: &Url, landing_url: &Url) -> Sender {
        let host = |url: &Url| url.host_str().unwrap_or("localhost").to_owned();
        let address = self.mail_from.clone();
        Sender {
            name: self.site_name.clone().unwrap_or_else(|| host(landing_url)),
            address: address.unwrap_or_else(|| default_sender(&host(public_url))),
        }
    }

    fn rules(&self, window: Window, disposable_domains: &[String]) -> anyhow::Result<Rules> {
        let settings = RuleSettings {
            rules_version: RULES_VERSION,
            window_seconds: window.length().as_secs(),
            grace_seconds: Duration::from_hours(self.referral_grace_hours.into()).as_secs(),
            strict: self.referral_strict,
            velocity_cap: self.referral_velocity_cap,
            blocked_countries: countries(&self.blocked_country)?,
            disposable_domains: (!disposable_domains.is_empty())
                .then(|| half_hash(disposable_domains.join("\n").as_bytes())),
        };
        Ok(Rules { digest: half_hash(&serde_json::to_vec(&settings)?), settings })
    }

    /// A domain that is not above this host would make browsers drop the cookies without a word
    /// (RFC 6265, section 5.3).
    fn cookie_domain(&self, public_url: &Url) -> anyhow::Result<Option<CookieDomain>> {
        let Some(text) = self.cookie_domain.as_deref() else { return Ok(None) };
        let domain = CookieDomain::parse(text)
            .with_context(|| format!("--cookie-domain {text}: not a host name"))?;
        let name = text.trim().trim_start_matches('.').to_ascii_lowercase();
        let host = public_url.host_str().unwrap_or("");
        let covers = host == name || host.ends_with(&format!(".{name}"));
        ensure!(
            covers,
            "--cookie-domain {text}: browsers take no cookie for it from {host}, the host of \
             --public-url"
        );
        Ok(Some(domain))
    }
}

impl From<ModelArg> for Model {
    fn from(arg: ModelArg) -> Self {
        match arg {
            ModelArg::First => Self::First,
            ModelArg::Last => Self::Last,
        }
    }
}

impl From<RecordArg> for Record {
    fn from(arg: RecordArg) -> Self {
        match arg {
            RecordArg::All => Self::All,
            RecordArg::Campaign => Self::Campaign,
            RecordArg::None => Self::None,
        }
    }
}

/// Never repeats the key, not even a wrong one.
fn given_master_key(text: &str) -> anyhow::Result<MasterKey> {
    MasterKey::parse(text).context("--master-key is not 64 hexadecimal digits")
}

/// Whether only this machine can be meant.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => false,
    }
}

fn refuse_development_choices(public_url: &Url, mail: &str) -> anyhow::Result<()> {
    if public_url.scheme() != "https" {
        bail!(
            "--public-url {public_url} is not this machine and not https: session cookies would \
             travel in clear (--development allows it)"
        );
    }
    if !mail.starts_with("smtp") {
        bail!(
            "--mail {} keeps mails on this machine, but --public-url {public_url} is not this \
             machine: nobody would get a code (--development allows it)",
            mail.split(':').next().unwrap_or("")
        );
    }
    Ok(())
}

fn base_url(url: &Url, flag: &str) -> anyhow::Result<Url> {
    let open = url.username().is_empty() && url.password().is_none();
    ensure!(open, "{flag} holds a user name or a password, and everybody will see it");
    let usable = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    ensure!(usable, "{flag} {url}: not an http or https URL");
    Ok(url.clone())
}

fn check_mail(mail: &str, sender: &Sender) -> anyhow::Result<()> {
    Mailer::check(mail, sender).map_err(|error| {
        let flag = match &error {
            MailConfigError::Sender(_) => "--mail-from and --site-name",
            MailConfigError::UnknownWay
            | MailConfigError::NoDirectory
            | MailConfigError::Directory { .. }
            | MailConfigError::Smtp(_) => "--mail",
        };
        anyhow::Error::new(error).context(flag)
    })
}

/// A directory beside the log; for a log elsewhere, where one would be.
fn default_mail(store: &Location) -> String {
    let directory = store.directory().unwrap_or(Path::new("./whence-data"));
    format!("directory:{}/mail", directory.display())
}

fn default_sender(host: &str) -> String {
    let is_name = host.contains('.') && host.parse::<IpAddr>().is_err();
    format!("login@{}", if is_name { host } else { "localhost.localdomain" })
}

/// No days are for ever.
fn days(days: u16) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(24 * u64::from(days)))
}

fn networks(texts: &[String]) -> anyhow::Result<Vec<IpNet>> {
    let parse = |text: &String| {
        let single = text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or(single).with_context(|| format!("--trusted-proxy {text}: not a network"))
    };
    texts.iter().map(parse).collect()
}

fn countries(texts: &[String]) -> anyhow::Result<Vec<Country>> {
    let parse = |text: &String| {
        Country::parse(text)
            .with_context(|| format!("--blocked-country {text}: not a country code"))
    };
    let mut countries = texts.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    countries.sort_unstable();
    countries.dedup();
    Ok(countries)
}

fn half_hash(bytes: &[u8]) -> whence_events::Mac {
    let mut half = [0; 16];
    half.copy_from_slice(&sha256(bytes).0[..16]);
    whence_events::Mac(half)
}
