//! The address that a request counts as.

use std::net::{IpAddr, Ipv6Addr};

/// The address of a client, as far as it is known. All limits count by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAddress {
    /// The client has this address, by its connection or by the word of a trusted proxy.
    Known(IpAddr),
    /// The client is a program on this machine that speaks to the service directly. It is not
    /// counted.
    Local(IpAddr),
    /// Nothing that can be trusted says who it is. All such clients are counted as one.
    #[default]
    Unknown,
}

impl ClientAddress {
    /// Returns the address, when it is known.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Known(ip) | Self::Local(ip) => Some(ip),
            Self::Unknown => None,
        }
    }

    /// Returns the network that the client is counted in. All clients whose address is not known are
    /// in one, which is nobody's address.
    pub(crate) fn network(self) -> IpAddr {
        self.ip().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), network)
    }
}

/// Returns the network of an address that is counted as one client: one subscriber has a whole /64.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
