//! Sets `TCP_NODELAY` on SMTP connections; goes when a release of lettre has its pull request 1159.
//!
//! lettre sends the text of a mail and the dot that ends it in two writes. With Nagle's algorithm on,
//! the dot waits until the server has acknowledged the text, and a server acknowledges late (40 ms on
//! Linux) because it has nothing to say yet. The test that fails when this is no longer needed is in
//! `tests/api/smtp/nagle.rs`.
#![expect(
    deprecated,
    reason = "only this type of lettre begins TLS on a stream that it did not open"
)]

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::io::{AsyncRead as _, AsyncWrite as _};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{AsyncNetworkStream, AsyncTokioStream, TlsParameters};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, ToSocketAddrs, lookup_host};

/// Connects to the first address of `server` that answers, with `timeout` for each of them.
pub(super) async fn connect(
    server: impl ToSocketAddrs,
    timeout: Duration,
) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("could not resolve to any supported address");
    for address in lookup_host(server).await? {
        match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::Error::new(io::ErrorKind::TimedOut, "connection timed out"),
        }
    }
    Err(failed)
}

/// A stream inside of TLS.
#[derive(Debug)]
pub(super) struct Encrypted(AsyncNetworkStream);

impl Encrypted {
    /// Begins TLS and checks the certificate, as lettre does on streams of its own.
    pub(super) async fn over(stream: TcpStream, tls: TlsParameters) -> Result<Self, Error> {
        let mut stream = AsyncNetworkStream::use_existing_tokio1(Box::new(stream));
        stream.upgrade_tls(tls).await?;
        Ok(Self(stream))
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buffer.initialize_unfilled());
        read.map_ok(|bytes| buffer.advance(bytes))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// An address that refuses connections.
    async fn closed() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn the_first_address_that_answers_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let stream = connect(&[closed().await, open][..], TIMEOUT).await.unwrap();
        assert_eq!((stream.peer_addr().unwrap(), stream.nodelay().unwrap()), (open, true));
    }

    #[tokio::test]
    async fn the_failure_of_the_last_address_is_told() {
        let refused = connect(&[closed().await, closed().await][..], TIMEOUT).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let none = connect(&[][..], TIMEOUT).await.unwrap_err();
        assert!(none.to_string().contains("could not resolve"));
    }
}
