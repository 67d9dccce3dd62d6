//! A node of the double: a port, and the connections to it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::service::Service;
use super::shared::Shared;

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
    // As the real server does. What arrives is acknowledged when the kernel thinks fit.
    let _ = stream.set_nodelay(true);
    let stream = Counted { stream, shared: shared.clone() };
    let tls = shared.tls().clone();
    match tls {
        None => answer(number, stream, shared).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                answer(number, stream, shared).await;
            }
        }
    }
}

async fn answer(
    number: usize,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
) {
    let broken = Arc::new(Notify::new());
    let service = Service { number, shared, broken: broken.clone() };
    let answer = hyper::service::service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let stream = TokioIo::new(stream);
    let mut http = http2::Builder::new(TokioExecutor::new());
    let connection = http.auto_date_header(false).serve_connection(stream, answer);
    tokio::select! {
        _ = connection => {}
        () = broken.notified() => {}
    }
}

/// A connection whose bytes are counted.
struct Counted {
    stream: TcpStream,
    shared: Arc<Shared>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.shared.counts.received(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(bytes)) = written {
            self.shared.counts.sent(bytes);
        }
        written
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
