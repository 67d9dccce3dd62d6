//! What a user reads of themselves, by bearer or by the session cookie of the same site.

use std::time::Duration;

use serde_json::json;

use super::{Native, assert_told};
use crate::server::Server;
use crate::stores::on_every_store;

const PATHS: [&str; 2] = ["/api/v1/users/attribution", "/api/v1/users/profile"];

#[on_every_store]
async fn a_profile_is_the_user_with_the_fields_of_the_snapshot() {
    let server = Server::start().await;
    let ada = Native::logged_in(&server, "ada@example.com").await;
    let profile = ada.call("GET", PATHS[1]).await;
    assert_eq!(profile.header("cache-control").as_deref(), Some("no-store"));
    let profile = profile.json();
    let snapshot = ada.call("GET", PATHS[0]).await.json();
    for (name, value) in snapshot["data"].as_object().unwrap() {
        assert_eq!(profile["data"][name], *value, "{name}");
    }
    let mut names: Vec<_> = profile["data"].as_object().unwrap().keys().collect();
    names.retain(|name| snapshot["data"].get(*name).is_none());
    let own =
        ["id", "email", "displayName", "avatarUrl", "billingCustomerId", "provider", "updatedAt"];
    assert_eq!(names, own);
    assert_eq!(snapshot["data"].as_object().unwrap().len(), 13);
    assert_eq!(profile["data"]["email"], "ada@example.com");
}

#[on_every_store]
async fn a_page_of_the_same_site_reads_by_its_session_cookie() {
    let flags =
        ["--allowed-origin", "https://app.shop.test", "--public-url", "https://login.shop.test"];
    let flags = [&flags[..], &["--development", "--host-cookie-prefix=false"]].concat();
    let server = Server::with(&flags).await;
    let browser = server.signed_in("ada@shop.test").await;
    let on_page = |headers: &[(&'static str, &str)]| {
        let mut there = browser.clone();
        there.headers.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        there
    };
    for path in PATHS {
        assert_eq!(on_page(&[]).get(path).await.status, 200);
        assert_eq!(on_page(&[("sec-fetch-site", "same-origin")]).get(path).await.status, 200);
        let allowed = [("sec-fetch-site", "same-site"), ("origin", "https://app.shop.test")];
        assert_eq!(on_page(&allowed).get(path).await.status, 200);
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "https://blog.shop.test")],
            &[("origin", "https://evil.test")],
        ] {
            let refused = on_page(foreign).get(path).await;
            assert_told(&refused, 403, "FORBIDDEN", "error.forbidden");
        }
        // A bearer token counts alone where there is one.
        let wrong = on_page(&[("authorization", "Bearer x")]).get(path).await;
        assert_told(&wrong, 401, "AUTH_UNAUTHORIZED", "auth.login.invalid_credentials");
    }
    let eve = Native::logged_in(&server, "eve@shop.test").await;
    let bearer = format!("Bearer {}", eve.access);
    let both = on_page(&[("authorization", &bearer)]).get(PATHS[1]).await;
    assert_eq!(both.json()["data"]["email"], "eve@shop.test");
    let mut ended = browser.clone().with_csrf();
    assert_eq!(ended.clone().post("/v1/auth/logout", "").await.status, 200);
    assert_eq!(ended.get(PATHS[0]).await.status, 401);
}

#[on_every_store]
async fn browsers_keep_a_snapshot_and_ask_whether_it_is_the_same() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    let fresh = browser.get(PATHS[0]).await;
    assert_eq!(fresh.header("cache-control").as_deref(), Some("private, no-cache"));
    assert_eq!(fresh.header("etag"), None, "a referral can still come");
    server.pass(Duration::from_hours(8 * 24));
    let settled = browser.get(PATHS[0]).await;
    let tag = settled.header("etag").unwrap();
    assert!(tag.starts_with('"'), "{tag}");
    browser.headers.push(("if-none-match", tag.clone()));
    let same = browser.get(PATHS[0]).await;
    assert_eq!((same.status, same.text.as_str()), (304, ""));
    assert_eq!(same.header("cache-control").as_deref(), Some("private, no-cache"));
    assert_eq!(same.header("etag"), Some(tag));
    assert!(same.all("vary").join(",").contains("cookie"));
}

#[on_every_store]
async fn a_client_sees_and_ends_sessions_by_bearer() {
    let server = Server::start().await;
    let ada = Native::logged_in(&server, "ada@example.com").await;
    server.pass(Duration::from_secs(1));
    let mut laptop = server.signed_in("ada@example.com").await;
    let bob = Native::logged_in(&server, "bob@example.com").await;
    server.settle().await;
    let list = ada.call("GET", "/api/v1/auth/sessions").await.json();
    let items = list["data"]["items"].as_array().unwrap();
    let shown: Vec<_> = items.iter().map(|i| (i["kind"].clone(), i["current"].clone())).collect();
    assert_eq!(shown, [(json!("cookie"), json!(false)), (json!("bearer"), json!(true))]);
    let names: Vec<_> = items[0].as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["id", "kind", "deviceClass", "ip", "country", "current", "createdAt", "lastActiveAt"];
    assert_eq!(names, expected);
    let path = |item: &serde_json::Value| {
        format!("/api/v1/auth/sessions/{}", item["id"].as_str().unwrap())
    };
    let (cookie, own) = (path(&items[0]), path(&items[1]));
    for wrong in ["/api/v1/auth/sessions/x", &cookie] {
        assert_told(&bob.call("DELETE", wrong).await, 404, "NOT_FOUND", "error.not_found");
    }
    assert_eq!(ada.call("DELETE", &cookie).await.status, 200);
    assert_eq!(laptop.get("/v1/auth/me").await.status, 401);
    let other = Native::logged_in(&server, "ada@example.com").await;
    let ended = ada.call("POST", "/api/v1/auth/sessions/revoke-all").await;
    assert_eq!(ended.text, r#"{"success":true,"data":{"revoked":1}}"#);
    assert_eq!(other.refresh(&other.refresh).await.status, 401);
    assert_eq!(ada.call("DELETE", &own).await.status, 200);
    assert_eq!(ada.call("GET", "/api/v1/auth/sessions").await.status, 401);
    let without = server.browser().get("/api/v1/auth/sessions").await;
    assert_told(&without, 401, "AUTH_UNAUTHORIZED", "auth.login.invalid_credentials");
}
