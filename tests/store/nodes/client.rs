//! A browser that can speak to any node.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) type Cookies = BTreeMap<String, String>;

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) cookies: Cookies,
    retry_after: bool,
}

impl Answer {
    /// The value of `error`.
    pub(crate) fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    /// 503 with `Retry-After`; or one of the two that are 500, with `Retry-After` as well.
    pub(crate) fn is_not_now(&self) -> bool {
        let documented = ["session_issue_failed", "logout_failed"].contains(&self.error());
        self.retry_after && (self.status == 503 || (self.status == 500 && documented))
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
        Self { http, url: url.to_owned() }
    }

    /// `None`: nobody knows whether the server did it.
    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        cookies: &Cookies,
    ) -> Option<Answer> {
        let line: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let csrf = cookies.get("nl_csrf").cloned().unwrap_or_default();
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method.parse().unwrap(), url);
        request = request.header("cookie", line.join("; ")).header("x-csrf-token", csrf);
        if let Some(token) = cookies.get("bearer") {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let retry_after = response.headers().contains_key("retry-after");
        let lines = response.headers().get_all("set-cookie").into_iter();
        let pairs = lines.filter_map(|line| line.to_str().ok()?.split(';').next()?.split_once('='));
        let cookies = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = serde_json::from_slice(&response.bytes().await.ok()?).unwrap_or_default();
        Some(Answer { status, body, cookies, retry_after })
    }

    pub(crate) async fn get(&self, path: &str, cookies: &Cookies) -> Option<Answer> {
        self.send("GET", path, None, cookies).await
    }

    pub(crate) async fn delete(&self, path: &str, cookies: &Cookies) -> Option<Answer> {
        self.send("DELETE", path, None, cookies).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value, cookies: &Cookies) -> Option<Answer> {
        self.send("POST", path, Some(body), cookies).await
    }

    pub(crate) async fn start(&self, email: &str) -> Option<Answer> {
        self.post("/v1/auth/email/start", json!({ "email": email }), &Cookies::new()).await
    }

    /// Asks for a code: the request id.
    pub(crate) async fn started(&self, email: &str) -> String {
        let answer = self.start(email).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["request_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn verify(
        &self,
        request_id: &str,
        code: &str,
        cookies: &Cookies,
    ) -> Option<Answer> {
        let body = json!({ "request_id": request_id, "code": code });
        self.post("/v1/auth/email/verify", body, cookies).await
    }

    pub(crate) async fn me(&self, cookies: &Cookies) -> Option<Answer> {
        self.get("/v1/auth/me", cookies).await
    }

    pub(crate) async fn logout(&self, cookies: &Cookies) -> Option<Answer> {
        self.post("/v1/auth/logout", json!({}), cookies).await
    }

    pub(crate) async fn attribute(&self, cookies: &Cookies) -> Answer {
        self.post("/v1/auth/attribute", json!({}), cookies).await.unwrap()
    }

    /// Whence a user came, by a token of their own.
    pub(crate) async fn snapshot(&self, cookies: &Cookies) -> Option<Answer> {
        let token = self.post("/v1/auth/token", json!({}), cookies).await?;
        if token.status != 200 {
            return Some(token);
        }
        let token = token.body["access_token"].as_str().unwrap().to_owned();
        let bearer = Cookies::from([("bearer".to_owned(), token)]);
        self.get("/api/v1/users/attribution", &bearer).await
    }

    /// Waits until the service is up, and its read models are as far as its log.
    pub(crate) async fn ready(&self) {
        for _ in 0..1500 {
            if let Some(answer) = self.get("/readyz", &Cookies::new()).await
                && answer.status == 200
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the service does not come up");
    }
}
