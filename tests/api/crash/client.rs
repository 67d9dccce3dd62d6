//! A client that survives the death of its server.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The token of the operator of a server that dies.
pub(crate) const OPERATOR_TOKEN: &str = "0123456789abcdefghij0123";

/// An answer that came whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) cookies: BTreeMap<String, String>,
}

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        Self { http: reqwest::Client::new(), url: url.to_owned() }
    }

    /// `None`: nobody knows whether the server did it.
    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        cookies: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        let line: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let csrf = cookies.get("nl_csrf").cloned().unwrap_or_default();
        let request = request.header("cookie", line.join("; ")).header("x-csrf-token", csrf);
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let lines = response.headers().get_all("set-cookie").into_iter();
        let pairs = lines.filter_map(|line| line.to_str().ok()?.split(';').next()?.split_once('='));
        let cookies = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
        Some(Answer { status, body, cookies })
    }

    pub(crate) async fn get(
        &self,
        path: &str,
        cookies: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        self.send(self.http.get(format!("{}{path}", self.url)), cookies).await
    }

    /// Posts a body as the operator.
    pub(crate) async fn order(&self, path: &str, body: Value) -> Option<Answer> {
        let request = self.http.post(format!("{}{path}", self.url)).body(body.to_string());
        self.send(request.header("x-admin-token", OPERATOR_TOKEN), &BTreeMap::new()).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: Value,
        cookies: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        let request = self.http.post(format!("{}{path}", self.url)).body(body.to_string());
        self.send(request, cookies).await
    }

    pub(crate) async fn start(&self, email: &str) -> Option<String> {
        let answer =
            self.post("/v1/auth/email/start", json!({ "email": email }), &BTreeMap::new()).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Some(answer.body["request_id"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn verify(
        &self,
        request_id: &str,
        code: &str,
        cookies: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        let body = json!({ "request_id": request_id, "code": code });
        self.post("/v1/auth/email/verify", body, cookies).await
    }

    /// Waits until the service is up, and its read models are as far as its log.
    pub(crate) async fn ready(&self) {
        for _ in 0..1000 {
            if let Some(answer) = self.get("/readyz", &BTreeMap::new()).await
                && answer.status == 200
                && answer.body["head"] == answer.body["projected"]
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the service does not come up");
    }
}
