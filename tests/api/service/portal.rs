//! The portal family: login with tokens, their exchange, and what a user reads of themselves.

mod login;
mod reads;
mod refresh;

use serde_json::{Value, json};

use crate::server::{Answer, Browser, Server};

/// The code of an error and its key.
#[track_caller]
fn told(answer: &Answer) -> (u16, String, String) {
    let error = &answer.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    (answer.status, text("code"), text("i18nKey"))
}

#[track_caller]
fn assert_told(answer: &Answer, status: u16, code: &str, key: &str) {
    assert_eq!(told(answer), (status, code.to_owned(), key.to_owned()), "{}", answer.text);
}

/// Asks for a code with these fields beside the address, and gives the id of the request.
async fn started(browser: &mut Browser, email: &str, fields: &Value) -> String {
    let mut body = fields.clone();
    body["email"] = email.into();
    let answer = browser.post("/api/v1/auth/login/start", body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["data"]["requestId"].as_str().unwrap().to_owned()
}

/// Logs in with these fields at the start, and gives the answer.
async fn log_in(server: &Server, browser: &mut Browser, email: &str, fields: &Value) -> Answer {
    let request_id = started(browser, email, fields).await;
    let code = server.code(email);
    let body = json!({ "requestId": request_id, "code": code, "tokenDelivery": "body" });
    let answer = browser.post("/api/v1/auth/login", body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

/// A client that keeps its tokens by itself.
struct Native {
    browser: Browser,
    refresh: String,
    access: String,
}

impl Native {
    async fn logged_in(server: &Server, email: &str) -> Self {
        let mut browser = server.browser();
        let answer = log_in(server, &mut browser, email, &json!({})).await;
        browser.cookies.clear();
        let mut native = Self { browser, refresh: String::new(), access: String::new() };
        native.take(&answer);
        native
    }

    /// Keeps the tokens of an answer.
    fn take(&mut self, answer: &Answer) {
        let data = &answer.json()["data"];
        data["refreshToken"].as_str().expect(&answer.text).clone_into(&mut self.refresh);
        data["accessToken"].as_str().unwrap().clone_into(&mut self.access);
    }

    /// Exchanges the token and keeps what comes back.
    async fn refreshed(&mut self) -> &mut Self {
        let answer = self.refresh(&self.refresh.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        self.take(&answer);
        self
    }

    async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refreshToken": token }).to_string();
        self.browser.clone().post("/api/v1/auth/refresh", body).await
    }

    async fn call(&self, method: &str, path: &str) -> Answer {
        let request = self.browser.request(method, path).bearer_auth(&self.access);
        self.browser.clone().send(request).await
    }
}

/// How often each of these types is in the log.
async fn count(server: &Server, event_type: &str) -> usize {
    server.types().await.iter().filter(|stored| *stored == event_type).count()
}
