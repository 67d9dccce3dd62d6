//! The operators' API of a service that runs somewhere, for commands with `--server`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

/// For a whole answer: longer than a service takes over any.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A service, and somebody's token for it.
#[derive(Clone)]
pub struct Remote {
    client: Client,
    base: Url,
    token: String,
}

impl Remote {
    /// A service by its URL.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(base: Url, token: String) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            // A token goes to where it was meant to go and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("--server")?;
        Ok(Self { client, base, token })
    }

    /// Asks for something under `/v1/admin/`.
    ///
    /// # Errors
    /// One clear sentence.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.answer(self.client.request(Method::GET, url)).await
    }

    /// Tells something to a place under `/v1/admin/`.
    ///
    /// # Errors
    /// One clear sentence.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> anyhow::Result<T> {
        let request = self.client.request(Method::POST, self.url(path)?);
        self.answer(request.json(body)).await
    }

    fn url(&self, path: &str) -> anyhow::Result<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/v1/admin/{path}")).context("--server")
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let base = &self.base;
        let sent = request.header("x-admin-token", &self.token).send().await;
        // Without its own address, in which a reader could not tell the part that matters.
        let answer = sent
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("no answer from {base}"))?;
        let status = answer.status();
        let body = answer.text().await.map_err(reqwest::Error::without_url);
        let body = body.with_context(|| format!("no whole answer from {base}"))?;
        if status.is_success() {
            return serde_json::from_str(&body)
                .with_context(|| format!("{base} answers something else than a whence service"));
        }
        let said = serde_json::from_str::<Value>(&body).unwrap_or_default();
        match said["message"].as_str() {
            Some(message) => bail!("{base} says: {message}"),
            None => bail!("{base} answers {status}"),
        }
    }
}
