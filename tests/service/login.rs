//! Login by a mailed code.

use insta::assert_snapshot;

use crate::support::Server;

#[tokio::test]
async fn a_newcomer_logs_in() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let started = browser.post("/v1/auth/email/start", r#"{"email":" Ada@Example.com "}"#).await;
    assert_snapshot!(started.shown(), @r#"200 {"request_id":"<uuid>"}"#);
    let request_id = started.json()["request_id"].as_str().unwrap().to_owned();
    let verified = browser.verify(&request_id, &server.code("ada@example.com")).await;
    assert_snapshot!(verified.shown(), @r#"200 {"user":{"id":"<uuid>","email":"ada@example.com","display_name":null,"avatar_url":null,"billing_customer_id":null,"created_at":"<time>","updated_at":"<time>"}}"#);
    let me = browser.get("/v1/auth/me").await;
    assert_snapshot!(me.shown(), @r#"200 {"user":{"id":"<uuid>","email":"ada@example.com","display_name":null,"avatar_url":null,"billing_customer_id":null,"created_at":"<time>","updated_at":"<time>"},"provider":"email"}"#);
}
