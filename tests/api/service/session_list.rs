//! Users see their sessions, and end one, all others, or the one that a login replaces.

use serde_json::json;

use crate::server::Server;
use crate::stores::on_every_store;

#[on_every_store]
async fn a_user_sees_their_own_sessions_and_no_more_of_them_than_they_need() {
    let server = Server::start().await;
    let mut phone = server.browser();
    phone.headers.push((
        "user-agent",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1".into(),
    ));
    server.log_in(&mut phone, "ada@example.com").await;
    server.pass(std::time::Duration::from_mins(1));
    let mut laptop = server.signed_in("ada@example.com").await;
    server.signed_in("bob@example.com").await;
    server.settle().await;
    let answer = laptop.get("/v1/auth/sessions").await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    let items = json["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "the newest first: {json}");
    assert_eq!((&items[0]["current"], &items[1]["current"]), (&json!(true), &json!(false)));
    assert_eq!(items[1]["device_class"], "mobile");
    assert_eq!(items[1]["created_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(items[1]["last_active_at"], items[1]["created_at"]);
    let fields: Vec<_> = items[0].as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["country", "created_at", "current", "device_class", "id", "ip", "kind", "last_active_at"];
    let mut fields = fields;
    fields.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(items[0]["ip"], "127.0.0.*");
    assert!(!answer.text.contains("Mozilla") && !answer.text.contains("127.0.0.1"));
    assert_eq!(server.browser().get("/v1/auth/sessions").await.error(), "unauthenticated");
}

#[on_every_store]
async fn a_user_ends_one_session_and_no_one_elses() {
    let server = Server::start().await;
    let mut phone = server.signed_in("ada@example.com").await.with_csrf();
    let mut laptop = server.signed_in("ada@example.com").await;
    let mut bob = server.signed_in("bob@example.com").await;
    let id = async |browser: &mut crate::server::Browser| {
        let json = browser.get("/v1/auth/sessions").await.json();
        let items = json["items"].as_array().unwrap().clone();
        let own = items.iter().find(|item| item["current"] == true).unwrap();
        format!("/v1/auth/sessions/{}", own["id"].as_str().unwrap())
    };
    let (phones, laptops, bobs) = (id(&mut phone).await, id(&mut laptop).await, id(&mut bob).await);
    let mut without = phone.clone();
    without.headers.clear();
    let missing = without.send(without.request("DELETE", &laptops)).await;
    assert_eq!((missing.status, missing.error().as_str()), (403, "csrf_missing"));
    for wrong in [bobs.as_str(), "/v1/auth/sessions/x"] {
        let answer = phone.send(phone.request("DELETE", wrong)).await;
        assert_eq!((answer.status, answer.error().as_str()), (404, "not_found"), "{wrong}");
    }
    assert_eq!(bob.get("/v1/auth/me").await.status, 200);
    assert_eq!(phone.send(phone.request("DELETE", &laptops)).await.shown(), r#"200 {"ok":true}"#);
    assert_eq!(laptop.get("/v1/auth/me").await.status, 401);
    assert_eq!(phone.send(phone.request("DELETE", &laptops)).await.status, 404, "once");
    let own = phone.send(phone.request("DELETE", &phones)).await;
    assert_eq!((own.status, own.all("set-cookie").len()), (200, 2));
    assert!(phone.cookies.keys().eq(["whence_device"]), "its cookies go with it");
}

#[on_every_store]
async fn all_other_sessions_end_at_once_with_their_bearers() {
    let server = Server::start().await;
    let mut thief = server.signed_in("ada@example.com").await.with_csrf();
    let mut others = [server.signed_in("ada@example.com").await, thief.clone()];
    let bearer = thief.post("/v1/auth/token", "").await.json();
    let mut portal = server.browser();
    let bearer = format!("Bearer {}", bearer["access_token"].as_str().unwrap());
    portal.headers.push(("authorization", bearer));
    assert_eq!(portal.get("/api/v1/users/attribution").await.status, 200);
    let mut ada = server.signed_in("ada@example.com").await;
    let missing = ada.post("/v1/auth/sessions/revoke-all", "").await;
    assert_eq!((missing.status, missing.error().as_str()), (403, "csrf_missing"));
    let mut ada = ada.with_csrf();
    let done = ada.post("/v1/auth/sessions/revoke-all", "").await;
    assert_eq!(done.shown(), r#"200 {"ok":true,"revoked":2}"#);
    for browser in &mut others {
        assert_eq!(browser.get("/v1/auth/me").await.status, 401);
    }
    assert_eq!(portal.get("/api/v1/users/attribution").await.status, 401);
    assert_eq!(ada.get("/v1/auth/me").await.status, 200, "this one goes on");
    let none = ada.post("/v1/auth/sessions/revoke-all", "").await;
    assert_eq!(none.shown(), r#"200 {"ok":true,"revoked":0}"#);
    assert_eq!(ada.get("/v1/auth/sessions").await.json()["items"].as_array().unwrap().len(), 1);
}

#[on_every_store]
async fn a_login_ends_the_session_that_the_browser_brought_and_no_other() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    let mut elsewhere = server.signed_in("ada@example.com").await;
    let mut before = browser.clone();
    // A login that does not come about ends nothing, and neither does a token without its secret.
    let request_id = browser.start("bob@example.com").await;
    let code = server.code("bob@example.com");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(browser.verify(&request_id, wrong).await.error(), "invalid_code");
    let mut thief = server.browser();
    let token = before.cookies["nl_session"].clone();
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    let forged = format!("{}{last}", &token[..token.len() - 1]);
    thief.cookies.insert("nl_session".into(), forged);
    server.log_in(&mut thief, "eve@example.com").await;
    assert_eq!(before.get("/v1/auth/me").await.status, 200);
    // Another site's page cannot have it ended: its login is refused.
    let mut from_elsewhere = browser.clone();
    from_elsewhere.headers.push(("sec-fetch-site", "cross-site".into()));
    assert_eq!(from_elsewhere.verify(&request_id, &code).await.status, 403);
    assert_eq!(before.get("/v1/auth/me").await.status, 200);
    assert_eq!(browser.verify(&request_id, &code).await.status, 200);
    assert_eq!(before.get("/v1/auth/me").await.status, 401, "replaced");
    assert_eq!(browser.get("/v1/auth/me").await.json()["user"]["email"], "bob@example.com");
    assert_eq!(elsewhere.get("/v1/auth/me").await.status, 200);
}
