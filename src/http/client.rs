//! The client behind a request, as far as the request can be trusted.

mod forwarded;
pub(super) mod original;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use whence_events::{Client, Country, DeviceClass};

use super::limits::MAX_USER_AGENT_BYTES;
use crate::app::App;
use crate::app::client_address::ClientAddress;
use crate::app::config::{Config, ListeningConfig};
use crate::http::device;
use crate::infra::geo::Geo;

/// The address of the other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The facts about the client behind a request: address, user agent, class of device, country.
#[derive(Clone, Debug)]
pub(super) struct ClientFacts {
    /// The address that limits count.
    pub(super) address: ClientAddress,
    /// The client as it goes on record, with the same address.
    pub(super) client: Client,
    pub(super) device_class: Option<DeviceClass>,
    pub(super) country: Option<Country>,
}

impl ClientFacts {
    /// Reads the facts from the headers and the connection of a request.
    pub(super) fn of(parts: &Parts, config: &Config, geo: &Geo) -> Self {
        let listening = &config.listening;
        let (address, trusted) = address(parts, listening);
        let ip = address.ip();
        let said = listening.client_headers.country.as_ref().filter(|_| trusted);
        let cdn = listening.client_headers.cdn.filter(|_| trusted);
        Self {
            address,
            device_class: device::classify(&parts.headers, cdn),
            country: geo.country(&parts.headers, said, ip),
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
fn address(parts: &Parts, listening: &ListeningConfig) -> (ClientAddress, bool) {
    let Some(Peer(peer)) = parts.extensions.get::<Peer>() else {
        return (ClientAddress::Unknown, false);
    };
    let peer = peer.ip().to_canonical();
    (client_address(peer, &parts.headers, listening), listening.trusts(peer))
}

/// Returns the address that a request counts as, which came from this peer with these headers.
#[must_use]
pub fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    listening: &ListeningConfig,
) -> ClientAddress {
    if listening.trusts(peer) {
        let header = listening.client_headers.address.as_ref();
        let client = forwarded::client(headers, header, |hop| listening.trusts(hop));
        return client.map_or(ClientAddress::Unknown, ClientAddress::Known);
    }
    match (peer.is_loopback(), forwarded::is_forwarded(headers)) {
        (false, _) => ClientAddress::Known(peer),
        (true, false) => ClientAddress::Local(peer),
        // A proxy on this machine that no setting names: all of its clients are one.
        (true, true) => ClientAddress::Unknown,
    }
}

/// Returns whether a request comes from a trusted proxy, whose headers about its own request count.
pub(super) fn is_of_trusted_proxy(parts: &Parts, listening: &ListeningConfig) -> bool {
    let peer = parts.extensions.get::<Peer>();
    peer.is_some_and(|Peer(peer)| listening.trusts(peer.ip().to_canonical()))
}

/// Returns whether a request with forwarded headers comes from a peer that is not a trusted proxy.
pub(super) fn is_of_unnamed_proxy(
    peer: Option<&Peer>,
    headers: &HeaderMap,
    listening: &ListeningConfig,
) -> bool {
    let unnamed = peer.is_some_and(|Peer(peer)| !listening.trusts(peer.ip().to_canonical()));
    unnamed && forwarded::is_forwarded(headers)
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

    fn of(peer: &str, trusted: &str, headers: &[(&'static str, &'static str)]) -> ClientAddress {
        let mut listening = ListeningConfig::new("127.0.0.1:0".parse().unwrap()).unwrap();
        listening.trusted_proxies.push(trusted.parse().unwrap());
        let mut request = http::Request::new(());
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request.extensions_mut().insert(Peer(SocketAddr::new(peer.parse().unwrap(), 1)));
        address(&request.into_parts().0, &listening).0
    }

    #[test]
    fn a_trusted_proxy_that_names_nobody_is_not_the_client() {
        let known = |ip: &str| ClientAddress::Known(ip.parse().unwrap());
        let local = "127.0.0.0/8";
        assert_eq!(of("127.0.0.1", local, &[]), ClientAddress::Unknown);
        assert_eq!(of("127.0.0.1", local, &[("x-forwarded-for", "_")]), ClientAddress::Unknown);
        assert_eq!(
            of("::ffff:127.0.0.1", local, &[("x-forwarded-for", "9.9.9.9")]),
            known("9.9.9.9")
        );
        // What a proxy says is counted, even when it is an address of this machine.
        assert_eq!(of("127.0.0.1", local, &[("x-forwarded-for", "127.0.0.9")]), known("127.0.0.9"));
    }

    #[test]
    fn a_peer_that_nobody_named_is_itself_unless_it_forwards_on_this_machine() {
        let headers = [("x-forwarded-for", "9.9.9.9")];
        let known = ClientAddress::Known([8, 8, 8, 8].into());
        assert_eq!(of("8.8.8.8", "10.0.0.0/8", &headers), known);
        assert_eq!(of("127.0.0.1", "10.0.0.0/8", &headers), ClientAddress::Unknown);
        let local = ClientAddress::Local([127, 0, 0, 1].into());
        assert_eq!(of("127.0.0.1", "10.0.0.0/8", &[]), local);
    }
}
