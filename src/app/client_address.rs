//! The address that a request counts as.

use std::net::IpAddr;

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
}
