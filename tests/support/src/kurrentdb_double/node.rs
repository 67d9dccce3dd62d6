//! A node of the double: a port, and the connections to it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::Shared;
use super::service::Service;

/// The number of connections that may wait to be accepted.
const BACKLOG: u32 = 128;

pub(crate) struct Node {
    serving: Option<JoinHandle<()>>,
}

/// Listens on a port, even on one that was in use a moment ago.
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

    /// Stops the node; returns when the port and every connection are closed.
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
    let prompt = shared.prompt.load(Ordering::SeqCst);
    let broken = Arc::new(Notify::new());
    let service = Service { number, shared, broken: broken.clone() };
    let answer = hyper::service::service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let stream = TokioIo::new(Stream { stream, prompt });
    let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answer);
    tokio::select! {
        _ = connection => {}
        () = broken.notified() => {}
    }
}

/// A connection that acknowledges what arrives at once when the double is prompt.
struct Stream {
    stream: TcpStream,
    prompt: bool,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        // The system forgets it as soon as something was answered.
        #[cfg(target_os = "linux")]
        if self.prompt {
            let _ = self.stream.set_quickack(true);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
