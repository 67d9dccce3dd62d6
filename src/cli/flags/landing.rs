//! The flags of `whence serve` about landings and cookies.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use url::{Position, Url};

use super::urls::base_url;
use crate::app::config::{CookieDomain, LandingConfig, has_real_host, is_public_suffix};
use crate::domain::touch::{Hosts, Record};
use crate::infra::geo::Geo;

/// Flags about landings and cookies.
#[derive(Args, Clone, Debug)]
pub(crate) struct LandingArgs {
    /// Page that short links lead to [default: --public-url]
    #[arg(long, env = "WHENCE_LANDING_URL", value_name = "URL")]
    pub(super) landing_url: Option<Url>,

    /// Which landings leave an event
    #[arg(long, env = "WHENCE_RECORD_TOUCHES", default_value = "campaign", value_name = "WHICH")]
    pub(super) record_touches: RecordArg,

    /// Host that is never where a visitor came from (payment, sign-in); repeatable
    #[arg(long, env = "WHENCE_EXCLUDED_REFERRER", value_name = "HOST", value_delimiter = ',')]
    pub(super) excluded_referrer: Vec<String>,

    /// Domain of the landing cookies [default: the host that set them alone]
    #[arg(long, env = "WHENCE_COOKIE_DOMAIN", value_name = "DOMAIN")]
    pub(super) cookie_domain: Option<String>,

    #[arg(
        long,
        env = "WHENCE_HOST_COOKIE_PREFIX",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        help = "Whether session cookies are called __Host-nl_session and so on, which needs https \
                [default: true with an https --public-url]"
    )]
    pub(super) host_cookie_prefix: Option<bool>,

    /// Country database in MaxMind's format (.mmdb), read again when it changes
    #[arg(long, env = "WHENCE_GEOIP", value_name = "FILE")]
    pub(super) geoip: Option<PathBuf>,
}

/// The values of `--record-touches`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RecordArg {
    /// Direct visits as well
    All,
    /// Those with a code, campaign, creator, click id or foreign referrer
    Campaign,
    /// No landing
    None,
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

impl LandingArgs {
    /// Returns the page that short links lead to.
    pub(super) fn landing_url(&self, public_url: &Url) -> anyhow::Result<Url> {
        match &self.landing_url {
            Some(url) => base_url(url, "--landing-url"),
            None => Ok(public_url.clone()),
        }
    }

    /// Refuses names of cookies that browsers would not take.
    pub(super) fn check_prefix(&self, public_url: &Url) -> anyhow::Result<()> {
        let needs_https = self.host_cookie_prefix == Some(true) && public_url.scheme() != "https";
        ensure!(!needs_https, "--host-cookie-prefix needs an https --public-url");
        Ok(())
    }

    pub(super) fn into_config(
        self,
        public_url: &Url,
        landing_url: Url,
    ) -> anyhow::Result<LandingConfig> {
        let cookie_domain = self.cookie_domain(public_url)?;
        let excluded_hosts = self.excluded_hosts()?;
        let geo = self.geoip.as_deref().map_or_else(|| Ok(Geo::none()), Geo::open)?;
        Ok(LandingConfig {
            landing_url,
            record_touches: self.record_touches.into(),
            excluded_hosts,
            cookie_domain,
            host_prefix: self.host_cookie_prefix.unwrap_or(public_url.scheme() == "https"),
            geo,
        })
    }

    /// Returns the hosts that are never where a visitor came from. One that no referrer can name would
    /// exclude nothing, silently.
    fn excluded_hosts(&self) -> anyhow::Result<Hosts> {
        let given = self.excluded_referrer.iter().map(|text| text.trim());
        let hosts = given.filter(|text| !text.is_empty()).map(|text| {
            let wrong = || {
                format!(
                    "--excluded-referrer {text}: not a host like pay.example.com, which stands for all \
                     hosts below it as well"
                )
            };
            let url = Url::parse(&format!("http://{text}/")).ok().with_context(wrong)?;
            let host = url.host_str().unwrap_or("");
            let alone = url.as_str().len() == url[..Position::AfterPort].len() + 1;
            let open = url.username().is_empty() && url.password().is_none();
            ensure!(alone && open && has_real_host(&url), wrong());
            Ok(host.to_owned())
        });
        Ok(Hosts::new(hosts.collect::<anyhow::Result<Vec<_>>>()?))
    }

    /// Returns the domain of cookies. One that is not above this host would make browsers drop the
    /// cookies silently (RFC 6265, section 5.3).
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
        ensure!(
            host.parse::<IpAddr>().is_err(),
            "--cookie-domain {text}: browsers share no cookie of an address; leave it out"
        );
        ensure!(
            !is_public_suffix(&name),
            "--cookie-domain {text}: unrelated hosts share this suffix, so browsers take no cookie for \
             it"
        );
        Ok(Some(domain))
    }
}
