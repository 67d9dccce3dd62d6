//! `GET /v1/referrals/me` and `GET /v1/referrals/invitees`: the codes and the invitees of a user.

use std::time::Duration;

use insta::assert_snapshot;

use super::{landed, referrer, user_id};
use crate::server::{Server, until};
use crate::stores::on_every_store;

#[on_every_store]
async fn a_referrer_sees_code_link_clicks_and_invitees() {
    let server = Server::with(&["--public-url", "http://localhost:9"]).await;
    let mut ada = referrer(&server, "ada@example.com").await;
    let mine = ada.browser.get("/v1/referrals/me").await;
    let shown = mine.text.replace(&ada.code, "<code>");
    assert_snapshot!(shown, @r#"{"primary_code":"<code>","custom_slug":null,"link":"http://localhost:9/r/<code>","invitees":0,"clicks":0,"inviter_display":null,"attributed_at":null}"#);

    // Three clicks of two visitors within the hour are two; a third one follows an hour later.
    let mut bob = server.browser();
    bob.headers.push(("user-agent", "Bobs-Browser/1".to_owned()));
    bob.get(&format!("/r/{}", ada.code)).await;
    bob.get(&format!("/r/{}", ada.code.to_lowercase())).await;
    landed(&server, &ada.code).await;
    server.pass(Duration::from_secs(3601));
    landed(&server, &ada.code).await;
    server.log_in(&mut bob, "bob@example.com").await;
    until("three clicks", async || ada.browser.get("/v1/referrals/me").await.json()["clicks"] == 3)
        .await;
    // What somebody else did shows once the read models have it.
    server.settle().await;
    assert_eq!(ada.browser.get("/v1/referrals/me").await.json()["invitees"], 1);
    // The one who was brought sees when.
    let theirs = bob.get("/v1/referrals/me").await;
    assert_eq!(theirs.json()["attributed_at"], "2026-01-01T01:00:01.000000Z");
}

#[on_every_store]
async fn without_a_session_both_are_401() {
    let server = Server::start().await;
    let mut nobody = server.browser();
    for path in ["/v1/referrals/me", "/v1/referrals/invitees"] {
        let answer = nobody.get(path).await;
        assert_eq!((answer.status, answer.error().as_str()), (401, "unauthenticated"));
    }
}

#[on_every_store]
async fn invitees_come_newest_first_and_never_with_addresses() {
    let server = Server::start().await;
    let mut ada = referrer(&server, "ada@example.com").await;
    let empty = ada.browser.get("/v1/referrals/invitees").await;
    assert_snapshot!(empty.shown(), @r#"200 {"items":[]}"#);
    let mut brought = vec![];
    for n in 0..3 {
        server.pass(Duration::from_secs(1));
        let mut browser = landed(&server, &ada.code).await;
        let verified = server.log_in(&mut browser, &format!("secret{n}@example.com")).await;
        brought.insert(0, user_id(&verified).to_string());
    }
    server.settle().await;
    let list = async |query: &str| -> Vec<String> {
        let mut browser = ada.browser.clone();
        let answer = browser.get(&format!("/v1/referrals/invitees{query}")).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains('@') && !answer.text.contains("secret"), "{}", answer.text);
        let items = answer.json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["user_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(list("").await, brought);
    assert_eq!(list("?limit=2").await, brought[..2]);
    assert_eq!(list("?limit=2&offset=2").await, brought[2..]);
    assert_eq!(list("?offset=3").await, [] as [&str; 0]);
    // Out of range, or no numbers at all: the defaults.
    for query in
        ["?limit=0", "?limit=201", "?limit=-1", "?limit=x", "?offset=-1", "?offset=1000001", "?%ff"]
    {
        assert_eq!(list(query).await, brought, "{query}");
    }
    let first = ada.browser.get("/v1/referrals/invitees?limit=1").await;
    assert_snapshot!(first.shown(), @r#"200 {"items":[{"user_id":"<uuid>","display_name":null,"signed_at":"<time>"}]}"#);
}

#[on_every_store]
async fn fifty_invitees_make_a_page() {
    let server = Server::start().await;
    let mut ada = referrer(&server, "ada@example.com").await;
    for n in 0..51 {
        let mut browser = super::with_cookie(server.browser(), &ada.code);
        server.log_in(&mut browser, &format!("u{n}@example.com")).await;
    }
    server.settle().await;
    let page = ada.browser.get("/v1/referrals/invitees").await;
    assert_eq!(page.json()["items"].as_array().unwrap().len(), 50);
    let all = ada.browser.get("/v1/referrals/invitees?limit=200").await;
    assert_eq!(all.json()["items"].as_array().unwrap().len(), 51);
}
