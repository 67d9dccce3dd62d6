//! Bytes over a socket, for what no client library sends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::Server;

/// A connection to the server.
pub async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends bytes, which have to make the server close the connection, and gives what comes back. An
/// answer that says 500 is a bug, whatever was sent.
#[track_caller]
pub fn exchange(server: &Server, bytes: impl Into<Vec<u8>>) -> impl Future<Output = String> {
    let (url, bytes) = (server.url.clone(), bytes.into());
    async move {
        let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        // A server that has heard enough closes before all is written.
        let writing = tokio::spawn(async move {
            let _ = write.write_all(&bytes).await;
            write
        });
        let mut answer = vec![];
        let whole = tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut answer));
        assert!(whole.await.is_ok(), "the connection stays open");
        drop(writing.await);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("HTTP/1.1 5"), "{answer}");
        answer
    }
}

/// Status of the first answer; 0 when there was none.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// A request that closes its connection.
pub fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\
         {headers}\r\n"
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}
