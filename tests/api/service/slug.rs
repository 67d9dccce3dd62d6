//! The referral code that a user chooses.

use insta::assert_snapshot;

use crate::server::Server;
use crate::stores::on_every_store;

#[on_every_store]
async fn a_user_chooses_a_code_and_gives_it_up() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    server.onboarded(&mut ada).await;
    let chosen = ada.post("/v1/referrals/code", r#"{"slug":" Ada "}"#).await;
    let host = server.url.trim_start_matches("http://");
    assert_snapshot!(
        chosen.shown().replace(host, "HOST").replace("127.0.0.1:8080", "HOST"),
        @r#"200 {"code":{"code":"ada","kind":"custom","link":"http://HOST/r/ada"}}"#
    );
    let me = ada.get("/v1/referrals/me").await.json();
    assert_eq!(me["custom_slug"], "ada");
    assert!(me["link"].as_str().unwrap().ends_with("/r/ada"));

    let delete = ada.request("DELETE", "/v1/referrals/code");
    assert_snapshot!(ada.send(delete).await.shown(), @r#"200 {"ok":true}"#);
    assert!(ada.get("/v1/referrals/me").await.json()["custom_slug"].is_null());
    let again = ada.request("DELETE", "/v1/referrals/code");
    assert_eq!(ada.send(again).await.status, 200);
}

#[on_every_store]
async fn a_code_that_cannot_be_had() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let mut bob = server.signed_in("bob@example.com").await.with_csrf();
    assert_eq!(ada.post("/v1/referrals/code", r#"{"slug":"ada"}"#).await.status, 200);
    let cases = [
        (r#"{"slug":"ADA"}"#, 409, "slug_taken"),
        (r#"{"slug":"admin"}"#, 409, "slug_reserved"),
        (r#"{"slug":"-x-"}"#, 400, "slug_invalid"),
        (r#"{"slug":"ab"}"#, 400, "slug_invalid"),
        ("{}", 400, "slug_invalid"),
        (r#"{"slug":1}"#, 400, "slug_invalid"),
        (r#"{"slug":[1]}"#, 400, "invalid_json"),
    ];
    for (body, status, error) in cases {
        let answer = bob.post("/v1/referrals/code", body).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, error), "{body}");
    }
    let mut stranger = server.browser();
    let answer = stranger.post("/v1/referrals/code", r#"{"slug":"new"}"#).await;
    assert_eq!((answer.status, answer.error().as_str()), (401, "unauthenticated"));
    ada.headers.clear();
    let answer = ada.post("/v1/referrals/code", r#"{"slug":"new"}"#).await;
    assert_eq!((answer.status, answer.error().as_str()), (403, "csrf_missing"));
}

#[on_every_store]
async fn codes_cannot_be_hoarded() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    for slug in ["one", "two", "six"] {
        let body = format!(r#"{{"slug":"{slug}"}}"#);
        assert_eq!(ada.post("/v1/referrals/code", body).await.status, 200);
    }
    let answer = ada.post("/v1/referrals/code", r#"{"slug":"ten"}"#).await;
    assert_eq!((answer.status, answer.error().as_str()), (429, "rate_limited"));
    assert_eq!(answer.header("retry-after").as_deref(), Some("86400"));
    let names =
        server.log().await.iter().filter(|e| e.stream.to_string() == "name-code-ten").count();
    assert_eq!(names, 0, "a code that is refused is not taken");
}
