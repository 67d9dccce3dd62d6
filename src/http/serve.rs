//! The server: accepts connections within limits, and shuts down gracefully.

mod activity;
mod bodies;
mod connection;
mod places;
mod short_link_line;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::envelope::Envelope;
use super::limits::{MAX_HEAD_BYTES, MAX_HEADERS, SHUTDOWN_TIMEOUT};
use connection::Connection;
use places::{ConnectionPlace, ConnectionPlaces};

/// The pause after a connection could not be accepted.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// The time in which errors of accepting are logged once.
const ACCEPT_LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Serves connections of `listener` until `shutdown` completes, then waits up to
/// [`SHUTDOWN_TIMEOUT`] for open requests to end.
pub async fn serve(listener: TcpListener, envelope: Envelope, shutdown: impl Future<Output = ()>) {
    let mut builder = http1::Builder::new();
    // The time that heads take is bounded in `activity.rs`: hyper's own bound also ends the wait
    // for the next request.
    builder
        .header_read_timeout(None::<Duration>)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES);
    let mut acceptor =
        Acceptor { listener, places: ConnectionPlaces::new(envelope.app()), logged: None };
    let graceful = GracefulShutdown::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.accept() => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let connection = Connection { stream, peer, place };
        tokio::spawn(connection.serve(&builder, &graceful, envelope.clone()));
    }
    drop(acceptor);
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

/// Accepts connections that there is a place for.
struct Acceptor {
    listener: TcpListener,
    places: Arc<ConnectionPlaces>,
    /// When an error of accepting was last logged.
    logged: Option<Instant>,
}

impl Acceptor {
    /// Waits for a connection; `None` when it failed or there is no place for it.
    async fn accept(&mut self) -> Option<(TcpStream, std::net::SocketAddr, Arc<ConnectionPlace>)> {
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                let Some(place) = self.places.take(peer.ip()) else {
                    // Without a lingering end, so that it costs as little as can be.
                    let _ = stream.set_zero_linger();
                    return None;
                };
                let _ = stream.set_nodelay(true);
                Some((stream, peer, place))
            }
            Err(error) => {
                self.places.counters().accept_errors.add();
                if self.logged.is_none_or(|last| last.elapsed() >= ACCEPT_LOG_INTERVAL) {
                    self.logged = Some(Instant::now());
                    tracing::warn!(%error, "connections cannot be accepted");
                }
                // Mostly out of file descriptors: have some closed, and wait a moment for that.
                self.places.make_room_for_files();
                tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
                None
            }
        }
    }
}
