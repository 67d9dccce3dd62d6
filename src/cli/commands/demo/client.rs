//! The browser of the demo: HTTP/1.1, one connection a request, cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The time for one exchange.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A browser with cookies.
pub(super) struct Browser {
    address: SocketAddr,
    /// The headers that are sent with every request.
    headers: Vec<(String, String)>,
    cookies: BTreeMap<String, String>,
}

/// A request of the demo.
pub(super) struct DemoRequest {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    headers: Vec<(String, String)>,
}

impl DemoRequest {
    /// Adds a header.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

/// An answer that the server sent.
pub(super) struct DemoAnswer {
    pub(super) status: u16,
    pub(super) body: String,
    headers: Vec<(String, String)>,
}

impl DemoAnswer {
    /// Returns the first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns every header of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Returns the body; `null` when it is not JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Self { status, body: body.to_owned(), headers })
    }
}

impl Browser {
    pub(super) fn new(address: SocketAddr, headers: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { address, headers: headers.iter().map(owned).collect(), cookies: BTreeMap::new() }
    }

    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Returns a request with what this browser always sends, the CSRF token among it.
    pub(super) fn request(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> DemoRequest {
        let mut request =
            DemoRequest { method, path: path.to_owned(), body, headers: self.headers.clone() };
        if let Some(token) = self.cookie("nl_csrf").filter(|_| method == "POST") {
            request.header("x-csrf-token", token);
        }
        request
    }

    /// Sends a request, and keeps the cookies that come back.
    pub(super) async fn send(&mut self, request: &DemoRequest) -> anyhow::Result<DemoAnswer> {
        let exchanged = tokio::time::timeout(EXCHANGE_TIMEOUT, self.exchange(request)).await;
        let bytes = exchanged.context("the server does not answer")??;
        let answer = DemoAnswer::parse(&bytes).context("the answer is no HTTP")?;
        for line in answer.all("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }

    async fn exchange(&self, request: &DemoRequest) -> std::io::Result<Vec<u8>> {
        let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut lines = vec![
            format!("{} {} HTTP/1.1", request.method, request.path),
            format!("host: {}", self.address),
            "connection: close".to_owned(),
            "content-type: application/json".to_owned(),
            format!("content-length: {}", body.len()),
        ];
        lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
            lines.push(format!("cookie: {}", pairs.join("; ")));
        }
        let text = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(text.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }
}
