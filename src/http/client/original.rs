//! The request that a trusted proxy asks about, before it passes it on or refuses it.
//!
//! nginx (`auth_request`) makes a request of its own with the headers of the original one, and is configured
//! to name its address in `X-Original-URL` or `X-Original-URI`. Caddy (`forward_auth`) and Traefik
//! (`ForwardAuth`) name it in `X-Forwarded-Uri` and its relatives. A proxy overwrites the headers that it
//! writes and passes on what the client sent of the others, so where two of them differ, one is the
//! client's own, and nothing shows which.

use http::HeaderName;
use http::request::Parts;
use url::Url;

use super::forwarded::only;
use super::is_of_trusted_proxy;
use crate::app::config::ListeningConfig;

static ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
static ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
static ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
static FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
static FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a proxy does with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum ProxyKind {
    /// It takes 2xx, 401 and 403, and copies single headers of the answer (nginx).
    Subrequest,
    /// It passes an answer other than 2xx on to the client (Caddy, Traefik).
    PassingOn,
}

/// The request of a client, as a trusted proxy describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct OriginalRequest<'a> {
    pub(in crate::http) proxy: ProxyKind,
    /// The method, when the proxy names it.
    pub(in crate::http) method: Option<&'a str>,
    scheme: &'a str,
    pub(in crate::http) host: Option<&'a str>,
    /// Path and query, which begin with a slash.
    target: &'a str,
}

impl<'a> OriginalRequest<'a> {
    /// Returns the request that a trusted proxy asks about; `None` when the peer is none, or does not say
    /// clearly what it asks about.
    pub(in crate::http) fn of(parts: &'a Parts, listening: &'a ListeningConfig) -> Option<Self> {
        if !is_of_trusted_proxy(parts, listening) {
            return None;
        }
        let has = |name: &HeaderName| parts.headers.contains_key(name);
        let text = |name: &HeaderName| std::str::from_utf8(only(&parts.headers, name)?).ok();
        let mut named = None;
        for name in [&FORWARDED_URI, &ORIGINAL_URI, &ORIGINAL_URL] {
            if has(name) {
                let address = Address::parse(text(name)?)?;
                let agrees = named.is_none_or(|other: Address<'_>| other.target == address.target);
                named = agrees.then_some(address);
                named?;
            }
        }
        // An address with a host is the last one, and wins.
        let address = named?;
        let is_subrequest = has(&ORIGINAL_URL) || has(&ORIGINAL_URI);
        let (proxy, methods) = if is_subrequest {
            (ProxyKind::Subrequest, [&ORIGINAL_METHOD, &FORWARDED_METHOD])
        } else {
            (ProxyKind::PassingOn, [&FORWARDED_METHOD, &ORIGINAL_METHOD])
        };
        // nginx passes the host of its client on as that of the request.
        let forwarded = if is_subrequest { None } else { text(&FORWARDED_HOST) };
        let own = parts.uri.host().or_else(|| text(&http::header::HOST));
        let scheme = address.scheme.or_else(|| text(&FORWARDED_PROTO));
        Some(Self {
            proxy,
            method: methods.into_iter().find_map(text),
            scheme: scheme.unwrap_or(listening.public_url.scheme()),
            host: address.host.or(forwarded).or(own),
            target: address.target,
        })
    }

    /// Returns the path of the page.
    pub(in crate::http) fn path(&self) -> &'a str {
        self.target.split(['?', '#']).next().unwrap_or("/")
    }

    /// Returns the query of the page, without the question mark.
    pub(in crate::http) fn query(&self) -> &'a str {
        let address = self.target.split('#').next().unwrap_or("");
        address.split_once('?').map_or("", |(_, query)| query)
    }

    /// Returns the whole address; `None` when it is none.
    pub(in crate::http) fn url(&self) -> Option<Url> {
        let host = self.host?;
        let url = Url::parse(&format!("{}://{host}{}", self.scheme, self.target)).ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        (plain && matches!(url.scheme(), "http" | "https")).then_some(url)
    }
}

/// An address in a header: a path with a query, or a whole one.
#[derive(Clone, Copy)]
struct Address<'a> {
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    target: &'a str,
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self { scheme: None, host: None, target: text });
        }
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let target = if target.is_empty() { "/" } else { target };
        let whole = target.starts_with('/') && !host.is_empty();
        whole.then_some(Self { scheme: Some(scheme), host: Some(host), target })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::http::client::Peer;

    fn parts(peer: [u8; 4], lines: &[(&'static str, &[u8])]) -> (Parts, ListeningConfig) {
        let mut listening = ListeningConfig::new("127.0.0.1:0".parse().unwrap()).unwrap();
        listening.public_url = "https://app.example.com".parse().unwrap();
        listening.trusted_proxies.push("10.0.0.0/8".parse().unwrap());
        let mut request = http::Request::new(());
        for (name, value) in lines {
            request.headers_mut().append(*name, http::HeaderValue::from_bytes(value).unwrap());
        }
        request.extensions_mut().insert(Peer(SocketAddr::from((peer, 1))));
        (request.into_parts().0, listening)
    }

    /// Returns kind, method, and address of what a proxy asks about.
    #[track_caller]
    fn check(lines: &[(&'static str, &str)], expected: Option<(ProxyKind, Option<&str>, &str)>) {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let (parts, listening) = parts([10, 0, 0, 1], &lines);
        let found = OriginalRequest::of(&parts, &listening);
        let url = found.and_then(|found| found.url()).map(String::from);
        let found = found.map(|found| (found.proxy, found.method, url.as_deref().unwrap_or("")));
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn each_proxy_names_the_address_in_its_own_way() {
        let page = "https://app.example.com/a?b=c";
        let traefik = [
            ("host", "10.0.0.9:8080"),
            ("x-forwarded-uri", "/a?b=c"),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-method", "POST"),
        ];
        check(&traefik, Some((ProxyKind::PassingOn, Some("POST"), page)));
        let caddy = [("host", "app.example.com"), ("x-forwarded-uri", "/a?b=c")];
        check(&caddy, Some((ProxyKind::PassingOn, None, page)));
        let nginx = [
            ("host", "10.0.0.9"),
            ("x-original-url", page),
            ("x-original-method", "PUT"),
            ("x-forwarded-host", "evil.test"),
        ];
        check(&nginx, Some((ProxyKind::Subrequest, Some("PUT"), page)));
        let nginx = [("host", "app.example.com"), ("x-original-uri", "/a?b=c")];
        check(&nginx, Some((ProxyKind::Subrequest, None, page)));
    }

    #[test]
    fn of_two_that_differ_one_is_the_clients_and_neither_counts() {
        let host = ("host", "app.example.com");
        check(&[host, ("x-forwarded-uri", "/a"), ("x-original-uri", "/b")], None);
        check(&[host, ("x-original-url", "https://x.test/a"), ("x-original-uri", "/b")], None);
        check(&[host, ("x-forwarded-uri", "/a"), ("x-forwarded-uri", "/a")], None);
        let both = [host, ("x-forwarded-uri", "/a"), ("x-original-uri", "/a")];
        check(&both, Some((ProxyKind::Subrequest, None, "https://app.example.com/a")));
        check(&[host], None);
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in
            ["", "a", "@evil.test/", "https:", "https://", "https:///a", "javascript:x", "?"]
        {
            check(&[("host", "app.example.com"), ("x-original-url", text)], None);
        }
        let lines = [("x-forwarded-uri", "/"), ("x-forwarded-host", "app.example.com@evil.test")];
        check(&lines, Some((ProxyKind::PassingOn, None, "")));
        let lines = [("x-forwarded-uri", "/"), ("x-forwarded-proto", "javascript")];
        check(&lines, Some((ProxyKind::PassingOn, None, "")));
    }

    #[test]
    fn a_peer_that_nobody_named_says_nothing() {
        let (parts, listening) = parts([8, 8, 8, 8], &[("x-forwarded-uri", b"/?ref=x")]);
        assert_eq!(OriginalRequest::of(&parts, &listening), None);
    }

    proptest! {
        /// Whatever stands behind the host, the address is on it.
        #[test]
        fn a_path_never_leads_to_another_host(path in prop::collection::vec(0x21_u8..0xff, 0..40)) {
            let path = [b"/", &path[..]].concat();
            prop_assume!(http::HeaderValue::from_bytes(&path).is_ok());
            let lines = [("host", &b"app.example.com"[..]), ("x-forwarded-uri", &path[..])];
            let (parts, listening) = parts([10, 0, 0, 1], &lines);
            if let Some(url) = OriginalRequest::of(&parts, &listening).and_then(|found| found.url()) {
                prop_assert_eq!(url.origin().ascii_serialization(), "https://app.example.com");
            }
        }
    }
}
