//! The names of hosts in settings.

use url::{Host, Url};

/// Returns whether the host of a URL is an address, or a name that a host can have. The URL standard also
/// lets `*` and other characters pass that no browser ever connects to.
#[must_use]
pub fn has_real_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_host_name(name),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

/// Returns whether a name is made of labels that hosts can have, an underscore included.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Returns whether browsers let no host set cookies for this domain, because unrelated hosts share it
/// (publicsuffix.org): `com`, `co.uk`, `github.io`, and every name of one label.
#[must_use]
pub(crate) fn is_public_suffix(domain: &str) -> bool {
    psl::domain_str(domain).is_none()
}

/// Returns the domains that a host shares cookies with: its own name and those above it, as far as
/// browsers let it set cookies for them.
#[must_use]
pub(crate) fn shared_domains(url: &Url) -> Vec<&str> {
    let Some(Host::Domain(host)) = url.host() else { return vec![] };
    let Some(registrable) = psl::domain_str(host) else { return vec![] };
    let above =
        std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, rest)| rest));
    above.take_while(|name| name.len() >= registrable.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_is_what_unrelated_hosts_share() {
        for suffix in [
            "com",
            "co.uk",
            "github.io",
            "xn--p1ai",
            "xn--55qx5d.cn",
            "localhost",
            "internal",
            "foo.ck",
            "s3.amazonaws.com",
            "gov.au",
        ] {
            assert!(is_public_suffix(suffix), "{suffix}");
        }
        for domain in ["example.com", "a.github.io", "www.ck", "corp.internal", "sub.example.co.uk"]
        {
            assert!(!is_public_suffix(domain), "{domain}");
        }
    }

    #[test]
    fn a_host_shares_cookies_up_to_its_registrable_domain() {
        let shared = |url: &str| {
            let url = Url::parse(url).unwrap();
            shared_domains(&url).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            shared("https://a.login.example.co.uk"),
            ["a.login.example.co.uk", "login.example.co.uk", "example.co.uk"]
        );
        assert!(shared("http://localhost:8080").is_empty());
        assert!(shared("http://127.0.0.1:8080").is_empty());
    }

    #[test]
    fn no_host_has_a_wildcard_in_its_name() {
        let real = |url: &str| has_real_host(&Url::parse(url).unwrap());
        for url in [
            "https://*.example.com",
            "https://a*b.test",
            "https://a!b.test",
            "https://a..b",
            "https://example.com.",
            "https://$x.test",
        ] {
            assert!(!real(url), "{url}");
        }
        for url in [
            "https://under_score.example.com",
            "http://[::1]:8080",
            "http://10.0.0.1",
            "https://xn--bcher-kva.example",
        ] {
            assert!(real(url), "{url}");
        }
    }
}
