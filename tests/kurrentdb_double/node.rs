//! A node of the double: a port, and the connections to it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::Shared;
use super::service::Service;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

pub(crate) struct Node {
    serving: Option<JoinHandle<()>>,
}

/// Listens on a port, also on one that was just left.
pub(crate) async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    tokio::task::yield_now().await;
    socket.listen(BACKLOG)
}

impl Node {
    pub(crate) fn start(number: usize, listener: TcpListener, shared: &Arc<Shared>) -> Self {
        let serving = tokio::spawn(serve(number, listener, shared.clone()));
        Self { serving: Some(serving) }
    }

    /// Returns when the port is closed and so is every connection.
    pub(crate) async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn serve(number: usize, listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, it ends all of them.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(number, stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(number: usize, stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let broken = Arc::new(Notify::new());
    let service = Service { number, shared, broken: broken.clone() };
    let answer = hyper::service::service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        _ = connection => {}
        () = broken.notified() => {}
    }
}
