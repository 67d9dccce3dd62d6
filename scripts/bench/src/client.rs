//! A minimal HTTP/1.1 client: one request at a time over one connection, with as little work as
//! possible.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A persistent connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The answer to a request.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024] })
    }

    /// Sends a whole request and reads a whole answer, which has to state its length.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let (head, end) = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            // The blank line may begin in what was read before.
            let from = filled.saturating_sub(3);
            filled += read;
            if let Some(head) = find(&self.buffer[from..filled], b"\r\n\r\n") {
                let head = from + head;
                let length = header(&self.buffer[..head + 2], b"content-length")
                    .and_then(number)
                    .ok_or_else(|| Error::other("an answer without a length"))?;
                break (head, head + 4 + length);
            }
        };
        if end > self.buffer.len() {
            return Err(Error::other("an answer that is too long"));
        }
        if filled < end {
            self.stream.read_exact(&mut self.buffer[filled..end]).await?;
        }
        let status = self.buffer.get(9..12).and_then(number).unwrap_or(0);
        Ok(Answer {
            status: u16::try_from(status).unwrap_or(0),
            head: &self.buffer[..head + 2],
            body: &self.buffer[head + 4..end],
        })
    }
}

impl Answer<'_> {
    /// Returns the body as text, for an error message.
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.body)
    }

    /// Returns the value of a cookie that the answer sets.
    pub(crate) fn cookie(&self, name: &[u8]) -> Option<&[u8]> {
        let mut rest = self.head;
        while let Some((line, after)) = cut(rest) {
            rest = after;
            let pair = line.strip_prefix(b"set-cookie: ").and_then(|pair| pair.strip_prefix(name));
            if let Some(value) = pair.and_then(|pair| pair.strip_prefix(b"=")) {
                return value.split(|byte| *byte == b';').next();
            }
        }
        None
    }
}

/// Returns the value of a header; hyper writes names in lower case.
fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = head;
    while let Some((line, after)) = cut(rest) {
        rest = after;
        if let Some(value) = line.strip_prefix(name) {
            return value.strip_prefix(b": ");
        }
    }
    None
}

/// Returns the first line and the rest.
fn cut(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = find(head, b"\r\n")?;
    Some((&head[..end], &head[end + 2..]))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
