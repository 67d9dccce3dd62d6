//! What other services learn about access tokens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{Answer, Server};
use crate::stores::on_every_store;

const OPERATOR: [&str; 2] = ["--admin-token", "ada=0123456789abcdef0123456789"];

async fn introspect(server: &Server, form: &str) -> Answer {
    let mut browser = server.browser();
    let request = browser.request("POST", "/v1/auth/introspect");
    let request = request.header("x-admin-token", "0123456789abcdef0123456789");
    let form = form.to_owned();
    browser
        .send(request.header("content-type", "application/x-www-form-urlencoded").body(form))
        .await
}

#[on_every_store]
async fn a_token_is_active_while_its_session_is() {
    let server = Server::with(&OPERATOR).await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    let user = browser.get("/v1/auth/me").await.json()["user"]["id"].clone();
    let token = browser.post("/v1/auth/token", "").await.json();
    let token = token["access_token"].as_str().unwrap();
    let form = format!("token={token}&token_type_hint=refresh_token");
    let mut answer = introspect(&server, &form).await.json();
    for name in ["sid", "jti"] {
        assert!(uuid::Uuid::try_parse(answer[name].take().as_str().unwrap()).is_ok());
    }
    let expected = json!({
        "active": true, "token_type": "Bearer", "username": "ada@example.com", "sub": user,
        "sid": null, "iss": server.url, "aud": server.url,
        "iat": 1_767_225_600, "exp": 1_767_226_500, "jti": null,
    });
    // Not for a number, which the service does not know before it listens.
    let (issuer, audience) = (answer["iss"].clone(), answer["aud"].clone());
    assert_eq!(issuer, audience);
    answer["iss"] = expected["iss"].clone();
    answer["aud"] = expected["aud"].clone();
    assert_eq!(answer, expected);

    let session = &browser.cookies["nl_session"];
    let spoilt = format!("token={token}x");
    for other in [&format!("token={session}"), "token=x", "token=%FF%00", &spoilt] {
        let answer = introspect(&server, other).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"active":false}"#), "{other}");
    }
    browser.post("/v1/auth/logout", "").await;
    assert_eq!(introspect(&server, &form).await.json(), json!({ "active": false }));

    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    let token = browser.post("/v1/auth/token", "").await.json();
    let form = format!("token={}", token["access_token"].as_str().unwrap());
    assert_eq!(introspect(&server, &form).await.json()["active"], true);
    server.pass(Duration::from_mins(15));
    assert_eq!(introspect(&server, &form).await.json(), json!({ "active": false }));
}

#[on_every_store]
async fn only_those_who_may_ask_get_an_answer() {
    let server = Server::with(&OPERATOR).await;
    let browser = server.browser();
    let ask = |token: &'static str, kind: &'static str, body: &'static str| {
        let request = browser.request("POST", "/v1/auth/introspect");
        let request =
            request.header("x-admin-token", token).header("content-type", kind).body(body);
        let mut browser = browser.clone();
        async move { browser.send(request).await }
    };
    let (right, form) = ("0123456789abcdef0123456789", "application/x-www-form-urlencoded");
    assert_eq!(ask("wrong", form, "token=x").await.status, 401);
    for (kind, body) in [
        (form, ""),
        (form, "token="),
        (form, "token=a&token=b"),
        (form, "other=a"),
        ("application/json", r#"{"token":"x"}"#),
    ] {
        let refused = ask(right, kind, body).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_request"), "{body}");
    }
    let closed = Server::start().await;
    let refused = introspect(&closed, "token=x").await;
    assert_eq!((refused.status, refused.error().as_str()), (401, "admin_token_unset"));
}

/// Asks about a text with an API key of one scope.
async fn with_key(server: &Server, scope: &str) -> Answer {
    let mut operator = server.browser();
    operator.headers.push(("x-admin-token", "0123456789abcdef0123456789".to_owned()));
    let body = json!({ "name": "shop", "scopes": [scope] }).to_string();
    let key = operator.post("/v1/admin/api-keys", body).await.json();
    let mut back_end = server.browser();
    let request = back_end.request("POST", "/v1/auth/introspect");
    let request = request.bearer_auth(key["key"].as_str().unwrap());
    let form = "application/x-www-form-urlencoded";
    back_end.send(request.header("content-type", form).body("token=x")).await
}

#[on_every_store]
async fn a_back_end_asks_with_a_key_for_reading_users() {
    let server = Server::with(&OPERATOR).await;
    let answer = with_key(&server, "users:read").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"active":false}"#));
    let refused = with_key(&server, "billing:write").await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "api_key_scope"));
    let mut nobody = server.browser();
    let refused = nobody.post("/v1/auth/introspect", "token=x").await;
    assert_eq!((refused.status, refused.error().as_str()), (401, "api_key_invalid"));
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
}

#[on_every_store]
async fn the_metadata_names_what_there_is() {
    let server =
        Server::with(&["--public-url", "https://login.example.com", "--development"]).await;
    let metadata: Value =
        server.browser().get("/.well-known/oauth-authorization-server").await.json();
    let expected = json!({
        "issuer": "https://login.example.com",
        "jwks_uri": "https://login.example.com/.well-known/jwks.json",
        "introspection_endpoint": "https://login.example.com/v1/auth/introspect",
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
        "response_types_supported": [],
        "grant_types_supported": [],
    });
    assert_eq!(metadata, expected);
}
