//! The client behind a request, as far as the request can be trusted.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use whence_events::{Client, Country, DeviceClass};

use super::limits::MAX_USER_AGENT_BYTES;
use crate::app::App;
use crate::app::config::Config;
use crate::http::device;
use crate::infra::geo::Geo;

/// The number of proxies in one forwarded header that are read; further ones are ignored.
const MAX_HOPS: usize = 32;

/// The address of the other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The facts about the client behind a request: address, user agent, class of device, country.
#[derive(Clone, Debug)]
pub(super) struct ClientFacts {
    pub(super) client: Client,
    pub(super) device_class: Option<DeviceClass>,
    pub(super) country: Option<Country>,
}

impl ClientFacts {
    /// Reads the facts from the headers and the connection of a request.
    pub(super) fn of(parts: &Parts, config: &Config, geo: &Geo) -> Self {
        let (ip, trusted) = address(parts, config);
        Self {
            device_class: device::classify(&parts.headers, trusted),
            country: geo.country(&parts.headers, trusted, ip),
            client: Client { ip, user_agent: user_agent(&parts.headers) },
        }
    }
}

impl FromRequestParts<Arc<App>> for ClientFacts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self::of(parts, &app.config, &app.config.landing.geo))
    }
}

/// Returns the client's address, and whether the peer is a proxy whose headers are trusted.
fn address(parts: &Parts, config: &Config) -> (Option<IpAddr>, bool) {
    let Some(Peer(peer)) = parts.extensions.get::<Peer>() else { return (None, false) };
    let peer = peer.ip().to_canonical();
    if !config.listening.trusts(peer) {
        return (Some(peer), false);
    }
    // Each proxy appends the address of its own peer: the last one that is not a trusted proxy is
    // the client.
    let hops = forwarded(&parts.headers);
    let client = hops.iter().find(|hop| !config.listening.trusts(**hop)).or(hops.last());
    (Some(client.copied().unwrap_or(peer)), true)
}

/// Returns the addresses of `X-Forwarded-For`, or else of `Forwarded` (RFC 7239), the nearest
/// first. A hop that is not an address ends the list, because nothing vouches for the hops beyond
/// it.
fn forwarded(headers: &HeaderMap) -> Vec<IpAddr> {
    let lines = |name: &str| -> Vec<String> {
        let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).map(|hop| hop.trim().to_owned()).collect()
    };
    let mut hops = lines("x-forwarded-for");
    if hops.is_empty() {
        hops = lines("forwarded").iter().map(|hop| forwarded_for(hop).to_owned()).collect();
    }
    hops.iter().rev().take(MAX_HOPS).map_while(|hop| parse_hop(hop)).collect()
}

/// Returns the value of `for=` in one element of `Forwarded`; empty when there is none.
fn forwarded_for(hop: &str) -> &str {
    let mut pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    found.map_or("", |(_, value)| value.trim().trim_matches('"'))
}

/// Parses an address, with or without a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(hop);
    let ip = bare.parse().or_else(|_| bare.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(IpAddr::to_canonical(&ip))
}

/// Returns the `User-Agent`, cut to [`MAX_USER_AGENT_BYTES`].
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(header::USER_AGENT)?.as_bytes());
    let end = text.floor_char_boundary(MAX_USER_AGENT_BYTES);
    Some(text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        forwarded(&map).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_nearest_hop_comes_first() {
        assert_eq!(hops(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2")]), ["2.2.2.2", "1.1.1.1"]);
        assert_eq!(
            hops(&[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2:80")]),
            ["2.2.2.2", "1.1.1.1"]
        );
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let line = r#"for=192.0.2.60;proto=http, For="[2001:db8::17]:4711";by=203.0.113.43"#;
        assert_eq!(hops(&[("forwarded", line)]), ["2001:db8::17", "192.0.2.60"]);
        assert!(hops(&[("forwarded", "for=_hidden")]).is_empty());
    }

    #[test]
    fn behind_a_hop_that_is_no_address_nothing_counts() {
        assert_eq!(hops(&[("x-forwarded-for", "9.9.9.9, unknown, 2.2.2.2")]), ["2.2.2.2"]);
    }
}
