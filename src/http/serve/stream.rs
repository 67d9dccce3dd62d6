//! A stream that notes what its connection is doing, and mends the addresses of short links.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::places::ConnectionPlace;
use super::short_link_line::ShortLinkLine;

/// A stream that notes reads and writes at the place of its connection.
pub(super) struct NotedStream {
    stream: TcpStream,
    place: Arc<ConnectionPlace>,
    line: ShortLinkLine,
}

impl NotedStream {
    pub(super) fn new(stream: TcpStream, place: Arc<ConnectionPlace>) -> Self {
        Self { stream, place, line: ShortLinkLine::default() }
    }

    fn note(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(bytes)) => self.place.activity.wrote(*bytes),
            Poll::Pending => self.place.activity.write_stalls(),
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl AsyncRead for NotedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(result, Poll::Ready(Ok(()))) {
            let begins = self.place.activity.is_between_requests();
            self.line.mend(&mut buffer.filled_mut()[before..], begins);
            self.place.read(buffer.filled().len() - before);
        }
        result
    }
}

impl AsyncWrite for NotedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.note(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Flushes, which hyper does once nothing is left to be written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.place.activity.flushed();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for NotedStream {
    fn drop(&mut self) {
        if self.place.activity.is_given_up() {
            // So that the kernel keeps nothing of it either.
            let _ = self.stream.set_zero_linger();
        }
    }
}
