//! A user as a referrer: their code, and whom they brought.

use std::time::Duration;

use insta::assert_snapshot;

use crate::server::{Browser, Server, masked};
use crate::stores::on_every_store;

/// Signs somebody up who followed a short link.
async fn invited(server: &Server, code: &str, email: &str) -> (Browser, String) {
    let mut browser = server.browser();
    browser.headers =
        vec![("sec-fetch-mode", "navigate".into()), ("sec-fetch-dest", "document".into())];
    browser.get(&format!("/r/{code}")).await;
    browser.headers.clear();
    assert!(browser.cookies.contains_key("ref_code"));
    let user = server.log_in(&mut browser, email).await.json();
    server.pass(Duration::from_mins(1));
    (browser, user["user"]["id"].as_str().unwrap().to_owned())
}

#[on_every_store]
async fn a_user_has_a_code_and_nobody_yet() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    let overview = ada.get("/v1/referrals/me").await;
    assert_snapshot!(overview.shown().replace(&code, "<code>"), @r#"200 {"primary_code":"<code>","custom_slug":null,"link":"http://127.0.0.1:8080/r/<code>","invitees":0,"clicks":0,"inviter_display":null,"attributed_at":null}"#);
    let invitees = ada.get("/v1/referrals/invitees").await;
    assert_snapshot!(invitees.shown(), @r#"200 {"items":[]}"#);
}

#[on_every_store]
async fn before_the_code_is_made_there_is_none() {
    let server = Server::start().await;
    let mut ada = server.browser();
    let request_id = ada.start("ada@example.com").await;
    ada.verify(&request_id, &server.code("ada@example.com")).await;
    // Verify never waits for it; whoever asks meanwhile is told nulls and not an error.
    let overview = ada.get("/v1/referrals/me").await;
    assert_eq!(overview.status, 200);
    assert!(overview.json()["invitees"].is_u64(), "{}", overview.text);
}

#[on_every_store]
async fn whom_a_user_brought_is_listed_without_addresses() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    server.pass(Duration::from_mins(1));
    let mut ids = vec![];
    let mut bob = None;
    for email in ["bob@example.org", "carol@example.net", "dan@example.edu"] {
        let (browser, id) = invited(&server, &code, email).await;
        ids.push(id);
        bob = bob.or(Some(browser));
    }
    server.settle().await;
    let answer = ada.get("/v1/referrals/invitees").await;
    assert_snapshot!(answer.shown(), @r#"200 {"items":[{"user_id":"<uuid>","display_name":null,"signed_at":"<time>"},{"user_id":"<uuid>","display_name":null,"signed_at":"<time>"},{"user_id":"<uuid>","display_name":null,"signed_at":"<time>"}]}"#);
    assert!(!answer.text.contains("example"));
    let listed = async |ada: &mut Browser, query: &str| -> Vec<String> {
        let answer = ada.get(&format!("/v1/referrals/invitees{query}")).await.json();
        let items = answer["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["user_id"].as_str().unwrap().to_owned()).collect()
    };
    let all = listed(&mut ada, "").await;
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(all.clone()), sorted(ids));
    assert_eq!(listed(&mut ada, "?limit=1").await, all[..1]);
    assert_eq!(listed(&mut ada, "?limit=2&offset=1").await, all[1..]);
    assert!(listed(&mut ada, "?offset=3").await.is_empty());
    for out_of_range in ["?limit=0", "?limit=201", "?limit=-1", "?limit=x", "?offset=-1", "?%ff"] {
        assert_eq!(listed(&mut ada, out_of_range).await, all, "{out_of_range}");
    }
    let overview = ada.get("/v1/referrals/me").await.json();
    // One and the same client followed the link three times.
    assert_eq!((&overview["invitees"], &overview["clicks"]), (&3.into(), &1.into()));
    let mine = bob.unwrap().get("/v1/referrals/me").await;
    let attributed = &mine.json()["attributed_at"];
    assert_eq!(masked(&attributed.to_string()), r#""<time>""#);
    assert!(!mine.text.contains("ada@"), "{}", mine.text);
}
