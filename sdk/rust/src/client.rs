//! The connection to a running whence.

use std::time::Duration;

use axum::body::Body;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A running whence, which layers ask. It is cheap to clone, and its clones share their connections.
#[derive(Clone, Debug)]
pub struct Whence {
    http: Client<HttpConnector, Body>,
    base: Uri,
    session_timeout: Duration,
    touch_timeout: Duration,
}

/// The error of a URL at which no whence can be asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}: not a URL like http://127.0.0.1:8080, without a path")]
pub struct InvalidUrl(String);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("whence did not answer in time")]
    TooLate,
    #[error("whence cannot be asked")]
    Unreachable,
}

impl Whence {
    /// Returns the whence that listens at a URL such as `http://127.0.0.1:8080`. It is asked without TLS,
    /// because it is on the same machine or in the same private network.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let wrong = || InvalidUrl(url.to_owned());
        let base: Uri = url.parse().map_err(|_| wrong())?;
        let plain = base.scheme() == Some(&Scheme::HTTP) && matches!(base.path(), "" | "/");
        if !plain || base.query().is_some() {
            return Err(wrong());
        }
        let http = Client::builder(TokioExecutor::new()).build_http();
        let session_timeout = Duration::from_secs(5);
        let touch_timeout = Duration::from_millis(500);
        Ok(Self { http, base, session_timeout, touch_timeout })
    }

    /// Sets how long a request waits for the answer to whom it is of. By default it is 5 seconds.
    #[must_use]
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// Sets how long a page waits for the cookies of a landing. By default it is half a second.
    #[must_use]
    pub fn touch_timeout(mut self, timeout: Duration) -> Self {
        self.touch_timeout = timeout;
        self
    }

    /// Asks who a request is of, which is described by these headers.
    pub(crate) async fn ask_session(&self, headers: HeaderMap) -> Result<Response<Body>, NoAnswer> {
        self.ask("/v1/auth/forward", headers, self.session_timeout).await
    }

    /// Asks for the cookies of a page view, which is described by these headers.
    pub(crate) async fn ask_touch(&self, headers: HeaderMap) -> Result<Response<Body>, NoAnswer> {
        self.ask("/v1/touch/forward", headers, self.touch_timeout).await
    }

    async fn ask(
        &self,
        path: &'static str,
        headers: HeaderMap,
        timeout: Duration,
    ) -> Result<Response<Body>, NoAnswer> {
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| NoAnswer::Unreachable)?;
        *request.headers_mut() = headers;
        let answer = tokio::time::timeout(timeout, self.http.request(request));
        let answer = answer.await.map_err(|_| NoAnswer::TooLate)?;
        Ok(answer.map_err(|_| NoAnswer::Unreachable)?.map(Body::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_address_is_one() {
        assert!(Whence::new("http://127.0.0.1:8080").is_ok());
        assert!(Whence::new("http://whence.internal:8080/").is_ok());
        for url in ["", "127.0.0.1:8080", "https://x", "http://x/v1", "http://x/?a", "http://"] {
            let error = Whence::new(url).unwrap_err().to_string();
            assert!(error.starts_with(url) && error.contains("not a URL like"), "{error}");
        }
    }
}
