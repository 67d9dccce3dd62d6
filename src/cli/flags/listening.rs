//! The flags of `whence serve` about listening and who may call.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, ensure};
use clap::Args;
use ipnet::IpNet;
use url::Url;

use super::urls::{base_url, is_this_machine};
use crate::app::config::{AllowedOrigin, ClientHeaders, ListeningConfig};

/// Flags about listening and who may call.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListeningArgs {
    /// Address and port to listen on
    #[arg(long, env = "WHENCE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(super) listen: SocketAddr,

    #[arg(
        long,
        env = "WHENCE_PUBLIC_URL",
        value_name = "URL",
        help = "How browsers reach this service [default: http:// and the address of --listen]"
    )]
    pub(super) public_url: Option<Url>,

    #[arg(
        long,
        env = "WHENCE_ALLOWED_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help = "Origin whose pages may call with credentials, like https://www.example.com; \
                repeatable"
    )]
    pub(super) allowed_origin: Vec<String>,

    /// Network of proxies whose headers about the client count; repeatable
    #[arg(long, env = "WHENCE_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub(super) trusted_proxy: Vec<String>,

    #[arg(
        long,
        env = "WHENCE_CLIENT_ADDRESS_HEADER",
        value_name = "NAME",
        help = "Header in which trusted proxies name the client: forwarded, cloudflare, vercel, \
                cloudfront, or the name of one [default: X-Forwarded-For, unless Forwarded is \
                there too]"
    )]
    pub(super) client_address_header: Option<String>,

    #[arg(
        long,
        env = "WHENCE_COUNTRY_HEADER",
        value_name = "NAME",
        help = "Header in which trusted proxies name the client's country: cloudflare, vercel, \
                cloudfront, or the name of one"
    )]
    pub(super) country_header: Option<String>,

    /// Page on which people log in, to which the forward check sends browsers
    #[arg(long, env = "WHENCE_LOGIN_URL", value_name = "URL")]
    pub(super) login_url: Option<Url>,
}

impl ListeningArgs {
    /// Returns the address that is listened on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Notes the address that was bound, which has a real port where port 0 was asked for.
    pub(crate) fn set_address(&mut self, bound: SocketAddr) {
        self.listen = bound;
    }

    pub(super) fn into_config(self) -> anyhow::Result<ListeningConfig> {
        let mut config = ListeningConfig::new(self.listen)?;
        if let Some(url) = &self.public_url {
            config.public_url = base_url(url, "--public-url")?;
        }
        let public = &config.public_url;
        let plain = public.query().is_none() && public.fragment().is_none();
        ensure!(plain, "--public-url {public}: links begin with it, so it has no ? and no #");
        config.allowed_origins = self
            .allowed_origin
            .iter()
            .map(|text| AllowedOrigin::parse(text))
            .collect::<Result<_, _>>()?;
        let login_url = self.login_url.as_ref().map(|url| base_url(url, "--login-url"));
        config.login_url = login_url.transpose()?;
        config.trusted_proxies = networks(&self.trusted_proxy)?;
        let (address, country) = (&self.client_address_header, &self.country_header);
        config.client_headers = ClientHeaders::parse(address.as_deref(), country.as_deref())?;
        for (flag, is_given) in [
            ("--client-address-header", address.is_some()),
            ("--country-header", country.is_some()),
        ] {
            let is_read = !is_given || !config.trusted_proxies.is_empty();
            ensure!(is_read, "{flag} needs a --trusted-proxy, whose headers alone count");
        }
        Ok(config)
    }
}

/// Refuses what only a platform that is being tried out may do at a URL that is not this machine.
pub(super) fn refuse_development_choices(public_url: &Url, mail: &str) -> anyhow::Result<()> {
    if is_this_machine(public_url) {
        return Ok(());
    }
    ensure!(
        public_url.scheme() == "https",
        "--public-url {public_url} is not this machine and not https: session cookies would travel \
         in clear (--development allows it)"
    );
    ensure!(
        mail.starts_with("smtp"),
        "--mail {} keeps mails on this machine, but --public-url {public_url} is not this machine: \
         nobody would get a code (--development allows it)",
        // Anything else may be a password.
        if mail.starts_with("memory") { "memory" } else { "directory" }
    );
    Ok(())
}

fn networks(texts: &[String]) -> anyhow::Result<Vec<IpNet>> {
    let parse = |text: &String| {
        let single = text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or(single).with_context(|| format!("--trusted-proxy {text}: not a network"))
    };
    texts.iter().map(parse).collect()
}
