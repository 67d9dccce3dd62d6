//! Whose page a visitor came from.

use url::Url;
use whence_events::ReferrerKind;

use super::{Rules, page};

/// A list of hosts. Each stands for itself and all names below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Of host names, in any case; a port behind one is ignored.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(|name| bare_host(name.as_ref()));
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    /// Adds one more.
    pub fn add(&mut self, name: &str) {
        self.0.push(bare_host(name));
    }

    /// Whether `host` is one of them, or below one of them.
    #[must_use]
    pub fn contain(&self, host: &str) -> bool {
        let host = bare_host(host);
        self.0.iter().any(|name| {
            host.strip_suffix(name.as_str())
                .is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
    }
}

/// Whether both name one host, whatever the port.
#[must_use]
pub fn same_host(a: &str, b: &str) -> bool {
    bare_host(a) == bare_host(b)
}

/// Lower case, without port and without the dot of the root.
fn bare_host(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        // The colons inside of `[::1]` belong to the address.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => &host,
    };
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// What a referrer is counted under: the part of its host that somebody registered, by the public
/// suffix list, private suffixes included. Hosts without one (numbers, suffixes themselves, names that
/// have no dot) stand for themselves, and so do apps.
#[must_use]
pub fn registrable_domain(referrer: &str) -> Option<String> {
    let url = Url::parse(referrer).ok()?;
    let host = url.host_str().map(bare_host).filter(|host| !host.is_empty())?;
    let registered = match url.host()? {
        url::Host::Domain(_) if url.scheme() != "android-app" => psl::domain_str(&host),
        url::Host::Domain(_) | url::Host::Ipv4(_) | url::Host::Ipv6(_) => None,
    };
    Some(registered.unwrap_or(&host).to_owned())
}

/// A judged `Referer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Referrer {
    /// Only of another site.
    pub(super) url: Option<String>,
    pub(super) kind: ReferrerKind,
}

pub(super) fn judge(referrer: Option<&str>, host: Option<&str>, rules: &Rules) -> Referrer {
    let text = referrer.and_then(page::clean_url);
    let kind = match &text {
        None => ReferrerKind::None,
        Some(text) => kind_of(text, host, rules),
    };
    Referrer { url: text.filter(|_| kind == ReferrerKind::Foreign), kind }
}

fn kind_of(referrer: &str, host: Option<&str>, rules: &Rules) -> ReferrerKind {
    let Ok(url) = Url::parse(referrer) else {
        return ReferrerKind::Malformed;
    };
    // Android's browsers name the app that a link was opened from as a host of its own scheme.
    let Some(from) =
        url.host_str().filter(|_| matches!(url.scheme(), "http" | "https" | "android-app"))
    else {
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
