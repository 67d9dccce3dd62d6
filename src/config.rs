//! What an operator can set: every flag, its environment variable, and what it turns into.
//!
//! Only this file reads the environment. [`ServeArgs`] is what stands on the command line,
//! [`Config`] what it means; what cannot work together is refused here, in one clear sentence.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use http::HeaderValue;
use ipnet::IpNet;
use url::Url;
use whence_events::{Country, RuleSettings};

use crate::domain::rules::{RULES_VERSION, Rules};
use crate::domain::touch::{Hosts, Model, Record, Window};
use crate::http::landing_cookies::CookieDomain;
use crate::mail::Sender;
use crate::secrets::{MasterKey, sha256};

/// Settings of a service.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where log and read models live.
    pub data: PathBuf,
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
    pub geoip: Option<PathBuf>,
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
    /// The plan every account starts with.
    pub plan: String,
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

    /// Whether forwarded headers of this peer count.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}

impl Config {
    /// The settings that these flags of `whence serve` give, with the environment behind them.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Self> {
        #[derive(clap::Parser)]
        struct Flags {
            #[command(flatten)]
            args: ServeArgs,
        }
        let flags = ["whence"].into_iter().chain(flags);
        <Flags as clap::Parser>::try_parse_from(flags)?.args.into_config()
    }
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

/// Flags of `whence serve`. Each has an environment variable of the same name.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, env = "WHENCE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Where the log lives: sqlite:DIR
    #[arg(
        long,
        env = "WHENCE_STORE",
        default_value = "sqlite:./whence-data",
        value_name = "STORE"
    )]
    pub store: String,

    /// How mails leave: directory:DIR, smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://...
    /// [default: directory:DIR/mail beside the log]
    #[arg(long, env = "WHENCE_MAIL", value_name = "WAY", hide_env_values = true)]
    pub mail: Option<String>,

    /// Address mails are from [default: login@ the host of --public-url]
    #[arg(long, env = "WHENCE_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,

    /// What mails call the site [default: the host of --landing-url]
    #[arg(long, env = "WHENCE_SITE_NAME", value_name = "NAME")]
    pub site_name: Option<String>,

    /// Put the code into the subject of the login mail, where a locked screen shows it
    #[arg(long, env = "WHENCE_CODE_IN_SUBJECT")]
    pub code_in_subject: bool,

    /// How browsers reach this service [default: http:// and the address of --listen]
    #[arg(long, env = "WHENCE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,

    /// Page that short links lead to [default: --public-url]
    #[arg(long, env = "WHENCE_LANDING_URL", value_name = "URL")]
    pub landing_url: Option<Url>,

    /// Master key, 64 hexadecimal digits [default: the file master.key beside the log, made if missing]
    #[arg(long, env = "WHENCE_MASTER_KEY", value_name = "HEX", hide_env_values = true)]
    pub master_key: Option<String>,

    /// Origin whose pages may call with credentials, like https://www.example.com; repeatable
    #[arg(long, env = "WHENCE_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allowed_origin: Vec<String>,

    /// Network of proxies whose X-Forwarded-For, Forwarded and CDN headers count; repeatable
    #[arg(long, env = "WHENCE_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<String>,

    /// Country database in MaxMind's format (.mmdb)
    #[arg(long, env = "WHENCE_GEOIP", value_name = "FILE")]
    pub geoip: Option<PathBuf>,

    /// Days that a landing counts, 1 to 400
    #[arg(long, env = "WHENCE_REFERRAL_WINDOW_DAYS", default_value_t = 30, value_name = "N")]
    pub referral_window_days: u16,

    /// Hours that an account counts as new
    #[arg(long, env = "WHENCE_REFERRAL_GRACE_HOURS", default_value_t = 24, value_name = "N")]
    pub referral_grace_hours: u32,

    /// Which code is credited when a visitor follows links of two referrers
    #[arg(long, env = "WHENCE_REFERRAL_MODEL", default_value = "first", value_name = "MODEL")]
    pub referral_model: ModelArg,

    /// Refuse what looks wrong (see the next three) instead of only noting it
    #[arg(long, env = "WHENCE_REFERRAL_STRICT")]
    pub referral_strict: bool,

    /// Attributions of one referrer in 24 hours that are noted, or refused when strict
    #[arg(long, env = "WHENCE_REFERRAL_VELOCITY_CAP", default_value_t = 50, value_name = "N")]
    pub referral_velocity_cap: u32,

    /// Country whose sign-ups are not attributed when strict; repeatable
    #[arg(long, env = "WHENCE_BLOCKED_COUNTRY", value_name = "CC", value_delimiter = ',')]
    pub blocked_country: Vec<String>,

    /// File of disposable mail domains, one a line, noted or refused when strict
    #[arg(long, env = "WHENCE_DISPOSABLE_DOMAINS", value_name = "FILE")]
    pub disposable_domains: Option<PathBuf>,

    /// Which landings leave an event
    #[arg(long, env = "WHENCE_RECORD_TOUCHES", default_value = "campaign", value_name = "WHICH")]
    pub record_touches: RecordArg,

    /// Host that is never where a visitor came from (payment, sign-in); repeatable
    #[arg(long, env = "WHENCE_EXCLUDED_REFERRER", value_name = "HOST", value_delimiter = ',')]
    pub excluded_referrer: Vec<String>,

    /// Domain of the landing cookies [default: the host that set them alone]
    #[arg(long, env = "WHENCE_COOKIE_DOMAIN", value_name = "DOMAIN")]
    pub cookie_domain: Option<String>,

    /// Call the session cookies __Host-nl_session and __Host-nl_csrf; needs https
    #[arg(long, env = "WHENCE_HOST_COOKIE_PREFIX")]
    pub host_cookie_prefix: bool,

    /// Plan every account starts with
    #[arg(long, env = "WHENCE_FREE_PLAN", default_value = "free", value_name = "NAME")]
    pub free_plan: String,

    /// Sessions kept in memory, some 300 bytes each
    #[arg(long, env = "WHENCE_SESSION_CACHE", default_value_t = 65_536, value_name = "N")]
    pub session_cache: usize,

    /// Codes one client address may ask for in an hour; 0: any number
    #[arg(long, env = "WHENCE_STARTS_PER_CLIENT", default_value_t = 60, value_name = "N")]
    pub starts_per_client: u32,

    /// Codes one client address may try in an hour; 0: any number
    #[arg(long, env = "WHENCE_VERIFIES_PER_CLIENT", default_value_t = 600, value_name = "N")]
    pub verifies_per_client: u32,

    /// Allow directory mail and plain http although --public-url is not this machine
    #[arg(long, env = "WHENCE_DEVELOPMENT")]
    pub development: bool,
}

/// `--referral-model`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModelArg {
    /// The first one, until its window is over
    First,
    /// The last one
    Last,
}

/// `--record-touches`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RecordArg {
    /// Direct visits as well
    All,
    /// Those with a code, campaign, creator, click id or foreign referrer
    Campaign,
    /// None
    None,
}

impl ServeArgs {
    /// What the flags mean. Makes the data directory, and a master key where there is none.
    ///
    /// # Errors
    /// One clear sentence for the first flag that cannot work.
    pub fn into_config(self) -> anyhow::Result<Config> {
        let data = data_directory(&self.store)?;
        let public_url = match self.public_url {
            Some(url) => base_url(url, "--public-url")?,
            None => Url::parse(&format!("http://{}", self.listen)).context("--listen")?,
        };
        let landing_url = match self.landing_url {
            Some(url) => base_url(url, "--landing-url")?,
            None => public_url.clone(),
        };
        let mail =
            self.mail.unwrap_or_else(|| format!("directory:{}", data.join("mail").display()));
        if !self.development && !is_this_machine(&public_url) {
            refuse_development_choices(&public_url, &mail)?;
        }
        let https = public_url.scheme() == "https";
        ensure!(
            https || !self.host_cookie_prefix,
            "--host-cookie-prefix needs an https --public-url"
        );
        let host = public_url.host_str().unwrap_or("localhost").to_owned();
        let site = match self.site_name {
            Some(name) => name,
            None => landing_url.host_str().unwrap_or(&host).to_owned(),
        };
        let address = self.mail_from.unwrap_or_else(|| default_sender(&host));
        let window = Window::from_days(self.referral_window_days)
            .context("--referral-window-days is 1 to 400")?;
        let disposable_domains = read_domains(self.disposable_domains.as_deref())?;
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
        Ok(Config {
            listen: self.listen,
            master_key: master_key(self.master_key.as_deref(), &data)?,
            data,
            mail,
            sender: Sender { name: site.clone(), address },
            site,
            code_in_subject: self.code_in_subject,
            public_url,
            landing_url,
            allowed_origins: self
                .allowed_origin
                .iter()
                .map(|o| Origin::parse(o))
                .collect::<Result<_, _>>()?,
            trusted_proxies: networks(&self.trusted_proxy)?,
            geoip: self.geoip,
            rules: Rules { digest: half_hash(&serde_json::to_vec(&settings)?), settings },
            disposable_domains,
            model: match self.referral_model {
                ModelArg::First => Model::First,
                ModelArg::Last => Model::Last,
            },
            window,
            record_touches: match self.record_touches {
                RecordArg::All => Record::All,
                RecordArg::Campaign => Record::Campaign,
                RecordArg::None => Record::None,
            },
            excluded_hosts: Hosts::new(self.excluded_referrer.iter().map(String::as_str)),
            cookie_domain: match self.cookie_domain.as_deref() {
                Some(domain) => Some(
                    CookieDomain::parse(domain)
                        .with_context(|| format!("--cookie-domain {domain}: not a host name"))?,
                ),
                None => None,
            },
            host_prefix: self.host_cookie_prefix,
            plan: self.free_plan,
            session_cache: self.session_cache,
            starts_per_client: self.starts_per_client,
            verifies_per_client: self.verifies_per_client,
        })
    }
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

fn data_directory(store: &str) -> anyhow::Result<PathBuf> {
    let Some(directory) = store.strip_prefix("sqlite:").filter(|rest| !rest.is_empty()) else {
        bail!(
            "--store {}: the way to write it is sqlite:DIR",
            store.split("://").next().unwrap_or("")
        )
    };
    let directory = PathBuf::from(directory);
    make_private(&directory)
        .with_context(|| format!("cannot make the data directory {}", directory.display()))?;
    Ok(directory)
}

/// Makes a directory that only this user can look into; leaves one that is there as it is.
fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// The key of the flag, else of the file beside the log, else a fresh one that is put there.
fn master_key(flag: Option<&str>, data: &Path) -> anyhow::Result<MasterKey> {
    if let Some(text) = flag {
        return MasterKey::parse(text).context("the master key is not 64 hexadecimal digits");
    }
    let path = data.join("master.key");
    match std::fs::read_to_string(&path) {
        Ok(text) => MasterKey::parse(&text)
            .with_context(|| format!("{} does not hold a master key", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A log without its key cannot be opened; a new key would only hide that.
            if data.join("log.db").exists() {
                bail!("the master key {} of the log beside it is missing", path.display());
            }
            let key = MasterKey::generate();
            write_private(&path, &key.to_hex())
                .with_context(|| format!("cannot write the master key {}", path.display()))?;
            Ok(key)
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot read the master key {}", path.display()))
        }
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

fn base_url(url: Url, flag: &str) -> anyhow::Result<Url> {
    let usable = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    ensure!(usable, "{flag} {url}: not an http or https URL");
    ensure!(url.username().is_empty() && url.password().is_none(), "{flag} holds a password");
    Ok(url)
}

fn default_sender(host: &str) -> String {
    let is_name = host.contains('.') && host.parse::<IpAddr>().is_err();
    format!("login@{}", if is_name { host } else { "localhost.localdomain" })
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

fn read_domains(path: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let Some(path) = path else { return Ok(vec![]) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read --disposable-domains {}", path.display()))?;
    let lines = text.lines().map(|line| line.trim().to_ascii_lowercase());
    let mut domains: Vec<_> = lines.filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    domains.sort_unstable();
    domains.dedup();
    Ok(domains)
}

fn half_hash(bytes: &[u8]) -> whence_events::Mac {
    let mut half = [0; 16];
    half.copy_from_slice(&sha256(bytes).0[..16]);
    whence_events::Mac(half)
}
