//! The flags of `whence serve`, as they stand on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum, value_parser};
use url::Url;

/// Flags of `whence serve`. Each has an environment variable of the same name.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, env = "WHENCE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,

    /// Where the log lives: sqlite:DIR
    #[arg(
        long,
        env = "WHENCE_STORE",
        default_value = "sqlite:./whence-data",
        value_name = "STORE",
        hide_env_values = true
    )]
    pub(crate) store: String,

    /// Where the read models live, when not beside the log: postgres://... for a kurrentdb store
    #[arg(long, env = "WHENCE_READ_DB", value_name = "URL", hide_env_values = true)]
    pub(crate) read_db: Option<String>,

    #[arg(
        long,
        env = "WHENCE_MAIL",
        value_name = "WAY",
        hide_env_values = true,
        help = "How mails leave: directory:DIR, smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://... \
                [default: directory:DIR/mail, DIR being that of the log]"
    )]
    pub(crate) mail: Option<String>,

    /// Address mails are from [default: login@ the host of --public-url]
    #[arg(long, env = "WHENCE_MAIL_FROM", value_name = "ADDRESS")]
    pub(crate) mail_from: Option<String>,

    /// What mails call the site [default: the host of --landing-url]
    #[arg(long, env = "WHENCE_SITE_NAME", value_name = "NAME")]
    pub(crate) site_name: Option<String>,

    /// Put the code into the subject of the login mail, where a locked screen shows it
    #[arg(long, env = "WHENCE_CODE_IN_SUBJECT", value_parser = BoolishValueParser::new())]
    pub(crate) code_in_subject: bool,

    #[arg(
        long,
        env = "WHENCE_PUBLIC_URL",
        value_name = "URL",
        help = "How browsers reach this service [default: http:// and the address of --listen]"
    )]
    pub(crate) public_url: Option<Url>,

    /// Page that short links lead to [default: --public-url]
    #[arg(long, env = "WHENCE_LANDING_URL", value_name = "URL")]
    pub(crate) landing_url: Option<Url>,

    /// Master key, 64 hexadecimal digits [default: the file master.key beside the log, made if
    /// missing]
    #[arg(long, env = "WHENCE_MASTER_KEY", value_name = "HEX", hide_env_values = true)]
    pub(crate) master_key: Option<String>,

    #[arg(
        long,
        env = "WHENCE_ALLOWED_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help = "Origin whose pages may call with credentials, like https://www.example.com; \
                repeatable"
    )]
    pub(crate) allowed_origin: Vec<String>,

    /// Network of proxies whose X-Forwarded-For, Forwarded and CDN headers count; repeatable
    #[arg(long, env = "WHENCE_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub(crate) trusted_proxy: Vec<String>,

    /// Country database in MaxMind's format (.mmdb)
    #[arg(long, env = "WHENCE_GEOIP", value_name = "FILE")]
    pub(crate) geoip: Option<PathBuf>,

    /// Days that a landing counts, 1 to 400
    #[arg(
        long,
        env = "WHENCE_REFERRAL_WINDOW_DAYS",
        default_value_t = 30,
        value_name = "N",
        value_parser = value_parser!(u16).range(1..=400)
    )]
    pub(crate) referral_window_days: u16,

    /// Hours that an account counts as new, at most 10 years
    #[arg(
        long,
        env = "WHENCE_REFERRAL_GRACE_HOURS",
        default_value_t = 24,
        value_name = "N",
        value_parser = value_parser!(u32).range(0..=87_600)
    )]
    pub(crate) referral_grace_hours: u32,

    /// Which code is credited when a visitor follows links of two referrers
    #[arg(long, env = "WHENCE_REFERRAL_MODEL", default_value = "first", value_name = "MODEL")]
    pub(crate) referral_model: ModelArg,

    /// Refuse what looks wrong (see the next three) instead of only noting it
    #[arg(long, env = "WHENCE_REFERRAL_STRICT", value_parser = BoolishValueParser::new())]
    pub(crate) referral_strict: bool,

    /// Attributions of one referrer in 24 hours that are noted, or refused when strict
    #[arg(long, env = "WHENCE_REFERRAL_VELOCITY_CAP", default_value_t = 50, value_name = "N")]
    pub(crate) referral_velocity_cap: u32,

    /// Country whose sign-ups are not attributed when strict; repeatable
    #[arg(long, env = "WHENCE_BLOCKED_COUNTRY", value_name = "CC", value_delimiter = ',')]
    pub(crate) blocked_country: Vec<String>,

    /// File of disposable mail domains, one a line, noted or refused when strict
    #[arg(long, env = "WHENCE_DISPOSABLE_DOMAINS", value_name = "FILE")]
    pub(crate) disposable_domains: Option<PathBuf>,

    /// Which landings leave an event
    #[arg(long, env = "WHENCE_RECORD_TOUCHES", default_value = "campaign", value_name = "WHICH")]
    pub(crate) record_touches: RecordArg,

    /// Host that is never where a visitor came from (payment, sign-in); repeatable
    #[arg(long, env = "WHENCE_EXCLUDED_REFERRER", value_name = "HOST", value_delimiter = ',')]
    pub(crate) excluded_referrer: Vec<String>,

    /// Domain of the landing cookies [default: the host that set them alone]
    #[arg(long, env = "WHENCE_COOKIE_DOMAIN", value_name = "DOMAIN")]
    pub(crate) cookie_domain: Option<String>,

    #[arg(
        long,
        env = "WHENCE_HOST_COOKIE_PREFIX",
        value_parser = BoolishValueParser::new(),
        help = "Call the session cookies __Host-nl_session and __Host-nl_csrf; needs https"
    )]
    pub(crate) host_cookie_prefix: bool,

    /// Token of an operator, at least 20 characters, for /v1/admin; [NAME=]TOKEN, repeatable
    #[arg(
        long,
        env = "WHENCE_ADMIN_TOKEN",
        value_name = "TOKEN",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) admin_token: Vec<String>,

    /// What the log is called in its checkpoints [default: the host of --public-url and /whence]
    #[arg(long, env = "WHENCE_LOG_ORIGIN", value_name = "NAME")]
    pub(crate) log_origin: Option<String>,

    #[arg(
        long,
        env = "WHENCE_CHECKPOINTS",
        value_name = "DIR",
        help = "Directory for signed checkpoints of the log [default: checkpoints beside a sqlite \
                log; none elsewhere]"
    )]
    pub(crate) checkpoints: Option<PathBuf>,

    /// New events after which there is another checkpoint
    #[arg(
        long,
        env = "WHENCE_CHECKPOINT_EVENTS",
        default_value_t = 10_000,
        value_name = "N",
        value_parser = value_parser!(u64).range(1..)
    )]
    pub(crate) checkpoint_events: u64,

    /// Seconds after which there is another checkpoint, when there is a new event
    #[arg(
        long,
        env = "WHENCE_CHECKPOINT_SECONDS",
        default_value_t = 60,
        value_name = "N",
        value_parser = value_parser!(u32).range(1..)
    )]
    pub(crate) checkpoint_seconds: u32,

    /// Plan every account starts with
    #[arg(long, env = "WHENCE_FREE_PLAN", default_value = "free", value_name = "NAME")]
    pub(crate) free_plan: String,

    /// Days that an address is kept which nobody verified, after its last code; 0: for ever
    #[arg(
        long,
        env = "WHENCE_KEEP_UNVERIFIED_DAYS",
        default_value_t = 30,
        value_name = "N",
        value_parser = value_parser!(u16).range(0..=3650)
    )]
    pub(crate) keep_unverified_days: u16,

    /// Sessions kept in memory, some 300 bytes each
    #[arg(long, env = "WHENCE_SESSION_CACHE", default_value_t = 100_000, value_name = "N")]
    pub(crate) session_cache: usize,

    /// Codes one client address may ask for in an hour; 0: any number
    #[arg(long, env = "WHENCE_STARTS_PER_CLIENT", default_value_t = 60, value_name = "N")]
    pub(crate) starts_per_client: u32,

    /// Codes one client address may try in an hour; 0: any number
    #[arg(long, env = "WHENCE_VERIFIES_PER_CLIENT", default_value_t = 600, value_name = "N")]
    pub(crate) verifies_per_client: u32,

    /// Allow directory mail and plain http although --public-url is not this machine
    #[arg(long, env = "WHENCE_DEVELOPMENT", value_parser = BoolishValueParser::new())]
    pub(crate) development: bool,

    /// What to log on stderr, like info, warn or whence=debug,info
    #[arg(long, env = "WHENCE_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
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
