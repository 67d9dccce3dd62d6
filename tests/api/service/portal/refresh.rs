//! A refresh token is exchanged once, a lost answer is given again, and a stolen one ends its session.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join_all;
use serde_json::json;
use whence::engine::service_keys;
use whence_events::{Event, RevokeReason, UserEvent};

use super::{Native, assert_told, count, log_in, started};
use crate::server::Server;
use crate::stores::on_every_store;

const INVALID: &str = "auth.refresh.invalid_token";
const REUSED: &str = "auth.refresh.token_reuse_detected";
const TOKEN: &str = "abcdefghij0123456789";

/// The reasons for which sessions were ended, in order.
async fn ends(server: &Server) -> Vec<RevokeReason> {
    let log = server.log().await;
    let ends = log.iter().filter_map(|recorded| match &recorded.event {
        Event::User(event) => match &**event {
            UserEvent::SessionRevoked(revoked) => Some(revoked.reason),
            _ => None,
        },
        _ => None,
    });
    ends.collect()
}

#[on_every_store]
async fn a_token_is_exchanged_and_its_answer_can_be_lost() {
    let server = Server::start().await;
    let mut ada = Native::logged_in(&server, "ada@example.com").await;
    let first = ada.refresh.clone();
    ada.refreshed().await;
    assert_ne!(ada.refresh, first);
    let second = ada.refresh.clone();
    // The answer did not arrive: within 30 s it is given again, also by a service that was started since.
    let again = ada.refresh(&first).await;
    assert_eq!(again.json()["data"]["refreshToken"], *second, "{}", again.text);
    assert_eq!(again.json()["data"]["expiresIn"], 900);
    drop(ada);
    let now = server.clock.now() + Duration::from_secs(29);
    let server = server.restarted(now).await;
    let mut ada =
        Native { browser: server.browser(), refresh: second.clone(), access: String::new() };
    let again = ada.refresh(&first).await;
    assert_eq!(again.json()["data"]["refreshToken"], *second, "{}", again.text);
    assert_eq!(count(&server, "RefreshRotated.v1").await, 1);
    // The client goes on with what it got.
    ada.refreshed().await;
    assert_eq!(ada.call("GET", "/api/v1/users/profile").await.status, 200);
    // Neither the tokens nor their secrets are stored anywhere.
    let secret = URL_SAFE_NO_PAD.decode(&ada.refresh).unwrap()[16..48].to_vec();
    for (name, bytes) in server.home.stored().await {
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(!holds(&secret) && !holds(ada.refresh.as_bytes()), "{name}");
    }
}

#[on_every_store]
async fn a_token_that_was_exchanged_ends_the_session_and_its_bearers_at_once() {
    let server = Server::start().await;
    for late in [false, true] {
        let mut ada = Native::logged_in(&server, "ada@example.com").await;
        let stolen = ada.refresh.clone();
        ada.refreshed().await;
        if late {
            server.pass(Duration::from_secs(30));
        } else {
            ada.refreshed().await;
        }
        let reused = ada.refresh(&stolen).await;
        assert_told(&reused, 401, "AUTH_UNAUTHORIZED", REUSED);
        assert_eq!(reused.json()["error"]["i18nVars"], json!({ "field": "refreshToken" }));
        assert_eq!(ada.call("GET", "/api/v1/users/attribution").await.status, 401);
        assert_told(&ada.refresh(&ada.refresh).await, 401, "AUTH_UNAUTHORIZED", INVALID);
    }
    assert_eq!(ends(&server).await, [RevokeReason::TokenReuse; 2]);
}

#[on_every_store]
async fn what_is_no_token_of_the_session_ends_nothing() {
    let server = Server::start().await;
    let mut ada = Native::logged_in(&server, "ada@example.com").await;
    let eve = Native::logged_in(&server, "eve@example.com").await;
    let bytes = URL_SAFE_NO_PAD.decode(&ada.refresh).unwrap();
    let mut made_up = bytes.clone();
    made_up[20] ^= 1;
    // The session of another, whose id every bearer token tells, with one's own secret.
    let mut mixed = URL_SAFE_NO_PAD.decode(&eve.refresh).unwrap();
    mixed[..16].copy_from_slice(&bytes[..16]);
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let wrong = [
        text(&made_up),
        text(&mixed),
        text(&bytes[..48]),
        text(&bytes[..63]),
        ada.refresh[..85].to_owned(),
        format!("{}=", ada.refresh),
        format!(" {}", ada.refresh),
        String::new(),
        "\u{0}".to_owned(),
        ada.access.clone(),
        "x".repeat(3000),
    ];
    for token in &wrong {
        assert_told(&ada.refresh(token).await, 401, "AUTH_UNAUTHORIZED", INVALID);
    }
    let missing = ada.browser.clone().post("/api/v1/auth/refresh", "").await;
    assert_told(&missing, 401, "AUTH_UNAUTHORIZED", INVALID);
    // A session of a browser has no refresh token, and a refresh token is no session cookie.
    let cookies = server.signed_in("bob@example.com").await.cookies;
    assert_told(&ada.refresh(&cookies["nl_session"]).await, 401, "AUTH_UNAUTHORIZED", INVALID);
    let mut thief = server.browser();
    thief.cookies.insert("nl_session".into(), text(&bytes[..48]));
    assert_eq!(thief.get("/v1/auth/me").await.status, 401);
    for body in ["[]", "{", "\"\"", "{\"refreshToken\":\"\\ud800\"}"] {
        assert_eq!(ada.browser.clone().post("/api/v1/auth/refresh", body).await.status, 400);
    }
    let typed = ada.browser.clone().post("/api/v1/auth/refresh", r#"{"refreshToken":[]}"#).await;
    assert_told(&typed, 400, "BAD_REQUEST", "error.invalid_field");
    assert!(ends(&server).await.is_empty());
    ada.refreshed().await;
}

#[on_every_store]
async fn sixty_four_uses_of_one_token_give_one_successor() {
    let server = Server::start().await;
    let ada = Native::logged_in(&server, "ada@example.com").await;
    let uses = (0..64).map(|_| ada.refresh(&ada.refresh));
    let answers = join_all(uses).await;
    let mut tokens: Vec<_> = answers
        .iter()
        .map(|a| a.json()["data"]["refreshToken"].as_str().unwrap().to_owned())
        .collect();
    tokens.dedup();
    assert_eq!((tokens.len(), count(&server, "RefreshRotated.v1").await), (1, 1));
}

#[on_every_store]
async fn a_session_ends_with_its_time_its_log_out_and_its_user() {
    let server = Server::with(&["--admin-token", TOKEN]).await;
    let day = Duration::from_hours(24);
    // Unused for 30 days, and however much it is used after 90.
    let ada = Native::logged_in(&server, "ada@example.com").await;
    server.pass(30 * day);
    assert_told(&ada.refresh(&ada.refresh).await, 401, "AUTH_UNAUTHORIZED", INVALID);
    let mut ada = Native::logged_in(&server, "ada@example.com").await;
    for _ in 0..3 {
        server.pass(29 * day);
        ada.refreshed().await;
    }
    server.pass(3 * day);
    assert_told(&ada.refresh(&ada.refresh).await, 401, "AUTH_UNAUTHORIZED", INVALID);
    // Log-out is well whatever it is called with, also with a token that was exchanged.
    let mut ada = Native::logged_in(&server, "ada@example.com").await;
    let first = ada.refresh.clone();
    ada.refreshed().await;
    for body in [json!({ "refreshToken": first }), json!({ "refreshToken": "x" }), json!({})] {
        let answer = ada.browser.clone().post("/api/v1/auth/logout", body.to_string()).await;
        assert_eq!(answer.text, r#"{"success":true,"data":{"message":"Logged out."}}"#);
    }
    assert_eq!(ada.call("GET", "/api/v1/users/profile").await.status, 401);
    assert_told(&ada.refresh(&ada.refresh).await, 401, "AUTH_UNAUTHORIZED", INVALID);
    // A suspended user, and an erased one.
    let eve = Native::logged_in(&server, "eve@example.com").await;
    let profile = eve.call("GET", "/api/v1/users/profile").await.json();
    let id = profile["data"]["id"].as_str().unwrap();
    let mut operator = server.browser();
    operator.headers.push(("x-admin-token", TOKEN.to_owned()));
    let suspend = format!("/v1/admin/users/{id}/suspend");
    assert_eq!(operator.post(&suspend, r#"{"reason":"spam"}"#).await.status, 200);
    assert_told(&eve.refresh(&eve.refresh).await, 401, "AUTH_UNAUTHORIZED", INVALID);
    let mut browser = server.browser();
    let request_id = started(&mut browser, "eve@example.com", &json!({})).await;
    let body = json!({ "requestId": request_id, "code": server.code("eve@example.com") });
    let refused = browser.post("/api/v1/auth/login", body.to_string()).await;
    assert_told(&refused, 403, "ACCOUNT_SUSPENDED", "auth.login.suspended");
    let bob = Native::logged_in(&server, "bob@example.com").await;
    let profile = bob.call("GET", "/api/v1/users/profile").await.json();
    let id = profile["data"]["id"].as_str().unwrap().parse().unwrap();
    server.app.erase_user(id, "test").await.unwrap();
    assert_told(&bob.refresh(&bob.refresh).await, 401, "AUTH_UNAUTHORIZED", INVALID);
}

#[on_every_store]
async fn tokens_outlive_their_key_unless_it_is_given_up() {
    let server = Server::with(&["--admin-token", TOKEN]).await;
    let mut ada = Native::logged_in(&server, "ada@example.com").await;
    let mut operator = server.browser();
    operator.headers.push(("x-admin-token", TOKEN.to_owned()));
    let mut rotated = async |at_once: bool| {
        let body = json!({ "at_once": at_once }).to_string();
        let answer = operator.post("/v1/admin/keys/refresh/rotate", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        // The exchange before it is still in its grace when the new key signs.
        let first = ada.refresh.clone();
        ada.refreshed().await;
        server.pass(Duration::from_secs(16));
        let engine = &server.app.engine;
        service_keys::load(&engine.keys, &*engine.store, server.clock.now()).await.unwrap();
        ada.refresh(&first).await
    };
    let again = rotated(false).await;
    assert_eq!(again.status, 200, "{}", again.text);
    let lost = rotated(true).await;
    assert_told(&lost, 401, "AUTH_UNAUTHORIZED", INVALID);
    assert_told(&ada.refresh(&ada.refresh).await, 401, "AUTH_UNAUTHORIZED", INVALID);
    assert!(ends(&server).await.is_empty());
}

#[on_every_store]
async fn a_browser_keeps_its_token_in_a_cookie_that_no_other_site_uses() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let request_id = started(&mut browser, "ada@example.com", &json!({})).await;
    let code = server.code("ada@example.com");
    let body = json!({ "requestId": request_id, "code": code }).to_string();
    let login = browser.post("/api/v1/auth/login", body).await;
    assert!(login.json()["data"].get("refreshToken").is_none(), "{}", login.text);
    let line =
        login.all("set-cookie").into_iter().find(|l| l.starts_with("whence_refresh=")).unwrap();
    let (_, attributes) = line.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/api/v1/auth; Max-Age=2592000");
    let first = browser.cookies["whence_refresh"].clone();
    // A script that may send the cookie does not get to read it.
    let body = r#"{"tokenDelivery":"body"}"#;
    let refreshed = browser.post("/api/v1/auth/refresh", body).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    assert!(refreshed.json()["data"].get("refreshToken").is_none());
    assert_ne!(browser.cookies["whence_refresh"], first);
    let mut elsewhere = browser.clone();
    elsewhere.headers.push(("sec-fetch-site", "cross-site".into()));
    for path in ["login/start", "login", "refresh", "logout"] {
        let refused = elsewhere.post(&format!("/api/v1/auth/{path}"), "{}").await;
        assert_told(&refused, 403, "FORBIDDEN", "error.forbidden");
        assert!(refused.all("set-cookie").is_empty());
    }
    // One that a sibling domain planted beside it: which one is the browser's own cannot be told.
    let mut native = server.browser();
    let answer = log_in(&server, &mut native, "eve@example.com", &json!({})).await.json();
    let planted = answer["data"]["refreshToken"].as_str().unwrap();
    let own = browser.cookies["whence_refresh"].clone();
    let both = format!("whence_refresh={planted}; whence_refresh={own}");
    let request = browser.request("POST", "/api/v1/auth/refresh").header("cookie", both);
    let several = server.browser().send(request).await;
    assert_told(&several, 401, "AUTH_UNAUTHORIZED", INVALID);
    assert!(several.all("set-cookie").iter().all(|line| line.contains("Max-Age=0")));
    // What is no token of ours beside it does no harm.
    let both = format!("whence_refresh=x; whence_refresh={own}");
    let request = browser.request("POST", "/api/v1/auth/refresh").header("cookie", both);
    assert_eq!(browser.clone().send(request).await.status, 200);
    // The session that a browser brings to a login is replaced.
    let mut again = browser.clone();
    let request_id = started(&mut again, "ada@example.com", &json!({})).await;
    let code = server.code("ada@example.com");
    let body = json!({ "requestId": request_id, "code": code }).to_string();
    assert_eq!(again.post("/api/v1/auth/login", body).await.status, 200);
    assert_eq!(ends(&server).await, [RevokeReason::Replaced]);
    let gone = browser.post("/api/v1/auth/refresh", "").await;
    assert_told(&gone, 401, "AUTH_UNAUTHORIZED", INVALID);
    let out = again.post("/api/v1/auth/logout", "").await;
    assert_eq!(out.status, 200);
    assert!(!again.cookies.contains_key("whence_refresh"));
    assert_eq!(ends(&server).await, [RevokeReason::Replaced, RevokeReason::Logout]);
}

#[on_every_store]
async fn exchanges_of_a_session_are_counted() {
    let server = Server::start().await;
    let mut ada = Native::logged_in(&server, "ada@example.com").await;
    for _ in 0..600 {
        ada.refreshed().await;
    }
    let refused = ada.refresh(&ada.refresh).await;
    assert_told(&refused, 429, "RATE_LIMITED", "error.rate_limited");
    let wait = refused.json()["error"]["i18nVars"]["retryAfterSeconds"].as_u64().unwrap();
    assert_eq!(refused.header("retry-after"), Some(wait.to_string()));
    server.pass(Duration::from_secs(wait));
    ada.refreshed().await;
}
