//! The referrer of a landing: the page that the visitor came from.

use url::Url;
use whence_events::ReferrerKind;

use super::{LandingRules, page};

/// A list of hosts, each of which includes all names below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Makes a list of host names, in any case; a port after a name is ignored.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(|name| bare_host(name.as_ref()));
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    /// Adds a host name.
    pub fn add(&mut self, name: &str) {
        self.0.push(bare_host(name));
    }

    /// Returns whether `host` is one of the hosts, or below one of them.
    #[must_use]
    pub fn contain(&self, host: &str) -> bool {
        let host = bare_host(host);
        self.0.iter().any(|name| {
            host.strip_suffix(name.as_str())
                .is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
    }
}

/// Returns whether both name the same host, whatever the port.
#[must_use]
pub fn same_host(a: &str, b: &str) -> bool {
    bare_host(a) == bare_host(b)
}

/// Returns the host in lower case, without port and without the trailing dot.
fn bare_host(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        // The colons inside of `[::1]` belong to the address.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => &host,
    };
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// The schemes by which browsers and apps name the app that a link was opened from.
const APP_SCHEMES: [&str; 2] = ["android-app", "ios-app"];

/// Returns the registrable domain of a referrer's host, by the public suffix list, private suffixes
/// included. A host without one (an IP address, a suffix itself, a name without a dot, an app) is
/// returned whole.
#[must_use]
pub fn registrable_domain(referrer: &str) -> Option<String> {
    let url = Url::parse(referrer).ok()?;
    let host = url.host_str().map(bare_host).filter(|host| !host.is_empty())?;
    let registered = match url.host()? {
        url::Host::Domain(_) if !APP_SCHEMES.contains(&url.scheme()) => psl::domain_str(&host),
        url::Host::Domain(_) | url::Host::Ipv4(_) | url::Host::Ipv6(_) => None,
    };
    Some(registered.unwrap_or(&host).to_owned())
}

/// A classified `Referer` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Referrer {
    /// The address, only when it is of another site.
    pub(super) url: Option<String>,
    pub(super) kind: ReferrerKind,
}

pub(super) fn judge(referrer: Option<&str>, host: Option<&str>, rules: &LandingRules) -> Referrer {
    let text = referrer.and_then(page::clean_url);
    let kind = match &text {
        None => ReferrerKind::None,
        Some(text) => kind_of(text, host, rules),
    };
    Referrer { url: text.filter(|_| kind == ReferrerKind::Foreign), kind }
}

fn kind_of(referrer: &str, host: Option<&str>, rules: &LandingRules) -> ReferrerKind {
    let Ok(url) = Url::parse(referrer) else {
        return ReferrerKind::Malformed;
    };
    let known = matches!(url.scheme(), "http" | "https") || APP_SCHEMES.contains(&url.scheme());
    let Some(from) = url.host_str().filter(|_| known) else {
        return ReferrerKind::Malformed;
    };
    let same_host = host.is_some_and(|host| same_host(host, from));
    if same_host || rules.own_hosts.contain(from) {
        ReferrerKind::Own
    } else if rules.excluded_hosts.contain(from) {
        ReferrerKind::Excluded
    } else {
        ReferrerKind::Foreign
    }
}
