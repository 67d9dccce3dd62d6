//! The other address of this machine, for a service that browsers reach as `localhost`.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::TcpListener;

/// Listens on the other loopback address at the port of a listener, because browsers try both for
/// `localhost`, the one of IPv6 first. Returns `None` where this machine has no such address; a port
/// that another program has is an error, for that program would be called.
pub(super) async fn beside(listener: &TcpListener) -> anyhow::Result<Option<TcpListener>> {
    let first = listener.local_addr()?;
    let other: IpAddr =
        if first.is_ipv4() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let other = SocketAddr::new(other, first.port());
    match TcpListener::bind(other).await {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Err(error).with_context(|| format!("cannot listen on {other} (--development)"))
        }
        Err(_) => Ok(None),
    }
}
