//! A client of the operators' API of a running service, for commands with `--server`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;
use whence_events::{EmailAddress, UserId};

use crate::infra::postgres::tls;
use crate::infra::postgres::tls::Trust;

/// The time for a whole answer: longer than a service takes over any.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// The time for an answer to the question whether a service is ready, which waits two seconds itself.
const READINESS_TIMEOUT: Duration = Duration::from_secs(4);

/// The size of an answer at most: far more than any story has.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// A service, and the token of an operator for it.
#[derive(Clone)]
pub(crate) struct AdminClient {
    base: Url,
    token: String,
}

impl AdminClient {
    /// Returns the client of the service at a URL.
    #[must_use]
    pub(crate) fn new(base: Url, token: String) -> Self {
        Self { base, token }
    }

    /// Asks for something under `/v1/admin/`.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        self.answer(Method::GET, &self.with(path, query)?, Body::empty()).await
    }

    /// Asks for a text that is passed on as it is, byte for byte.
    pub(crate) async fn get_text(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<String> {
        let body = self.body(Method::GET, &self.with(path, query)?, Body::empty()).await?;
        String::from_utf8(body).with_context(|| format!("{} answers no text", self.base))
    }

    /// Posts a body to a path under `/v1/admin/`.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<T> {
        self.answer(Method::POST, &self.url(path)?, body.to_string().into()).await
    }

    /// Returns the user with an address. The address travels in a body, because URLs are logged.
    pub(crate) async fn find_user(&self, email: &EmailAddress) -> anyhow::Result<UserId> {
        #[derive(serde::Deserialize)]
        struct Found {
            user_id: UserId,
        }
        let found: Found = self.post("users/find", &json!({ "email": email.as_str() })).await?;
        Ok(found.user_id)
    }

    fn with(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Url> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn url(&self, path: &str) -> anyhow::Result<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/v1/admin/{path}")).context("--server")
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &Url,
        body: Body,
    ) -> anyhow::Result<T> {
        let body = self.body(method, url, body).await?;
        serde_json::from_slice(&body)
            .with_context(|| format!("{} answers something else than a whence service", self.base))
    }

    /// Returns the body of the answer to a request that succeeded.
    async fn body(&self, method: Method, url: &Url, body: Body) -> anyhow::Result<Vec<u8>> {
        let base = &self.base;
        let exchange = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(method, url, body)).await;
        let exchange = exchange.with_context(|| format!("{base} did not answer in time"))?;
        let (status, body) = exchange.with_context(|| format!("no answer from {base}"))?;
        if status.is_success() {
            return Ok(body);
        }
        let answer = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        match answer["message"].as_str() {
            Some(message) => bail!("{base} says: {message}"),
            None => bail!("{base} answers {status}"),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Url,
        body: Body,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let host = url.host_str().context("--server has no host")?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, authority)
            .header("x-admin-token", &self.token)
            .body(body)?;
        let address = (host.trim_matches(['[', ']']), url.port_or_known_default().unwrap_or(80));
        let stream = TcpStream::connect(address).await?;
        if url.scheme() != "https" {
            return send(stream, request).await;
        }
        let connector = TlsConnector::from(Arc::new(tls::config(&Trust::System)?));
        let name = ServerName::try_from(address.0.to_owned())?;
        send(connector.connect(name, stream).await?, request).await
    }
}

/// Returns what the service at an address answers to `GET /readyz`; `None` when there is none.
pub(crate) async fn readiness(address: SocketAddr) -> Option<Value> {
    let ask = async {
        let request = Request::builder().uri("/readyz").header(header::HOST, address.to_string());
        let stream = TcpStream::connect(address).await?;
        send(stream, request.body(Body::empty())?).await
    };
    let (status, body) = tokio::time::timeout(READINESS_TIMEOUT, ask).await.ok()?.ok()?;
    if status.is_success() { serde_json::from_slice(&body).ok() } else { None }
}

/// Sends one request over a new connection, and returns the status and the whole body of its
/// answer.
async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The connection ends when the sender is dropped, or with an error that the sender returns as
    // well.
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), MAX_ANSWER_BYTES).await?;
    connection.abort();
    Ok((status, body.to_vec()))
}
