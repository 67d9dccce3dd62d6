//! Checks of URLs that several flags share.

use anyhow::ensure;
use url::Url;

use crate::app::config::has_real_host;

/// Returns a URL that everybody may see, or a sentence about what is wrong with it.
pub(super) fn base_url(url: &Url, flag: &str) -> anyhow::Result<Url> {
    let open = url.username().is_empty() && url.password().is_none();
    ensure!(open, "{flag} holds a user name or a password, and everybody will see it");
    let usable = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    ensure!(usable, "{flag} {url}: not an http or https URL");
    ensure!(has_real_host(url), "{flag} {url}: no host is called that");
    Ok(url.clone())
}

/// Returns whether a URL can only mean this machine.
pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => false,
    }
}
