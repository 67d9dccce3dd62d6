//! Operators end sessions, suspend users and disable codes, each time for a reason on record.

use serde_json::{Value, json};

use crate::server::{Answer, Browser, Server};
use crate::stores::on_every_store;

const TOKEN: &str = "0123456789abcdefghij0123";
const REASON: &str = "reported by four users";

async fn operated() -> Server {
    Server::with(&["--admin-token", &format!("grace={TOKEN}")]).await
}

async fn take(server: &Server, path: &str, body: Value) -> Answer {
    let mut grace = server.browser();
    grace.headers.push(("x-admin-token", TOKEN.into()));
    grace.post(&format!("/v1/admin/{path}"), body.to_string()).await
}

async fn ask(server: &Server, path: &str) -> Answer {
    let mut grace = server.browser();
    grace.headers.push(("x-admin-token", TOKEN.into()));
    grace.get(&format!("/v1/admin/{path}")).await
}

async fn user_id(browser: &mut Browser) -> String {
    browser.get("/v1/auth/me").await.json()["user"]["id"].as_str().unwrap().to_owned()
}

/// The texts of a user's timeline that name the reason, and who is on record for each.
async fn on_record(server: &Server, user: &str) -> Vec<(String, String)> {
    let timeline = ask(server, &format!("users/{user}/timeline")).await.json();
    let lines = timeline.as_array().unwrap().iter();
    let lines = lines.filter(|line| line["text"].as_str().unwrap().ends_with(REASON));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines.map(|line| (text(&line["text"]), text(&line["actor"]))).collect()
}

fn line(text: &str) -> (String, String) {
    (format!("{text}: {REASON}"), "operator:grace".to_owned())
}

#[on_every_store]
async fn an_operator_lists_and_ends_sessions() {
    let server = operated().await;
    let mut phone = server.signed_in("ada@example.com").await;
    let mut laptop = server.signed_in("ada@example.com").await;
    let mut tablet = server.signed_in("ada@example.com").await;
    let ada = user_id(&mut phone).await;
    let list = ask(&server, &format!("users/{ada}/sessions")).await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!(items[0]["ip"], "127.0.0.*");
    assert!(items[0].get("current").is_none());
    let own = laptop.get("/v1/auth/sessions").await.json();
    let own = own["items"].as_array().unwrap().iter().find(|item| item["current"] == true);
    let id = &own.unwrap()["id"];
    let revoke = format!("users/{ada}/sessions/revoke");
    let done = take(&server, &revoke, json!({ "reason": REASON, "session_id": id })).await;
    assert_eq!((done.status, &done.json()["sessions_ended"]), (200, &json!([id])));
    assert_eq!(laptop.get("/v1/auth/me").await.status, 401);
    assert_eq!(phone.get("/v1/auth/me").await.status, 200);
    let again = take(&server, &revoke, json!({ "reason": REASON, "session_id": id })).await;
    assert_eq!((again.status, again.error().as_str()), (404, "not_found"));
    let all = take(&server, &revoke, json!({ "reason": REASON })).await.json();
    assert_eq!(
        (&all["changed"], all["sessions_ended"].as_array().unwrap().len()),
        (&json!(true), 2)
    );
    for browser in [&mut phone, &mut tablet] {
        assert_eq!(browser.get("/v1/auth/me").await.status, 401);
    }
    let none = take(&server, &revoke, json!({ "reason": REASON })).await.json();
    assert_eq!(none["changed"], false);
    assert_eq!(
        on_record(&server, &ada).await,
        [line("an operator ended 1 session"), line("an operator ended 2 sessions")]
    );
    // They may log in again.
    server.log_in(&mut phone, "ada@example.com").await;
}

#[on_every_store]
async fn a_suspended_user_is_out_at_once_and_only_they_are_told() {
    let server = operated().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let user = user_id(&mut ada).await;
    let bearer = ada.post("/v1/auth/token", "").await.json();
    let bearer = bearer["access_token"].as_str().unwrap().to_owned();
    let done = take(&server, &format!("users/{user}/suspend"), json!({ "reason": REASON })).await;
    assert_eq!((done.status, &done.json()["changed"]), (200, &json!(true)), "{}", done.text);
    assert_eq!(ada.get("/v1/auth/me").await.status, 401);
    let mut portal = server.browser();
    portal.headers.push(("authorization", format!("Bearer {bearer}")));
    assert_eq!(portal.get("/api/v1/users/attribution").await.status, 401);
    // Who does not read their mail sees what they see of any address.
    let mut stranger = server.browser();
    let request_id = stranger.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(stranger.verify(&request_id, wrong).await.error(), "invalid_code");
    let told = ada.verify(&request_id, &code).await;
    assert_eq!((told.status, told.error().as_str()), (403, "account_suspended"));
    assert!(told.all("set-cookie").iter().all(|cookie| !cookie.starts_with("nl_session=1")));
    assert_eq!(ada.verify(&request_id, &code).await.error(), "invalid_request", "the code is used");
    let story = ask(&server, &format!("users/{user}")).await.json();
    assert!(story["suspended_at"].is_string());
    let back = take(&server, &format!("users/{user}/reinstate"), json!({ "reason": REASON })).await;
    assert_eq!(back.status, 200);
    server.log_in(&mut server.browser(), "ada@example.com").await;
    assert_eq!(
        on_record(&server, &user).await,
        [line("was suspended by an operator"), line("was reinstated by an operator")]
    );
}

#[on_every_store]
async fn a_code_that_an_operator_disabled_credits_nobody_new_until_it_is_enabled() {
    let server = operated().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let user = user_id(&mut ada).await;
    let code = server.onboarded(&mut ada).await;
    server.pass(std::time::Duration::from_mins(1));
    let early = landed(&server, &code).await;
    let mut before = landed(&server, &code).await;
    server.log_in(&mut before, "bob@example.org").await;
    let body = json!({ "reason": REASON });
    let path = format!("codes/{}/disable", code.to_lowercase());
    let done = take(&server, &path, body.clone()).await;
    assert_eq!((done.status, &done.json()["code"]), (200, &json!(code)), "{}", done.text);
    // Picked up before or after: nobody new is credited, and who was credited stays.
    for (email, mut browser) in
        [("eve@example.net", early), ("dan@example.edu", landed(&server, &code).await)]
    {
        browser.headers.clear();
        server.log_in(&mut browser, email).await;
    }
    server.settle().await;
    let overview = ada.get("/v1/referrals/me").await.json();
    assert_eq!((&overview["invitees"], &overview["primary_code"]), (&json!(1), &Value::Null));
    assert_eq!(overview["disabled_codes"], json!([code]));
    let story = ask(&server, &format!("codes/{code}")).await.json();
    assert_eq!(story["active"], false);
    assert!(story["blocked_at"].is_string());
    let enabled = take(&server, &format!("codes/{code}/enable"), body.clone()).await;
    assert_eq!(enabled.json()["changed"], true);
    let mut late = landed(&server, &code).await;
    server.log_in(&mut late, "fay@example.net").await;
    server.settle().await;
    let overview = ada.get("/v1/referrals/me").await.json();
    assert_eq!((&overview["invitees"], &overview["primary_code"]), (&json!(2), &json!(code)));
    assert!(overview.get("disabled_codes").is_none());
    let record = on_record(&server, &user).await;
    assert!(record[0].0.starts_with(&format!("referral code {code} was disabled")), "{record:?}");
    assert_eq!(record.len(), 2);
}

/// A slug that an operator disabled cannot be chosen again by its owner.
#[on_every_store]
async fn an_owner_does_not_take_up_what_an_operator_disabled() {
    let server = operated().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let body = r#"{"slug":"cheap-stuff"}"#;
    assert_eq!(ada.post("/v1/referrals/code", body).await.status, 200);
    let disable = json!({ "reason": REASON });
    assert_eq!(take(&server, "codes/cheap-stuff/disable", disable).await.status, 200);
    let again = ada.post("/v1/referrals/code", body).await;
    assert_eq!((again.status, again.error().as_str()), (409, "slug_reserved"));
    let overview = ada.get("/v1/referrals/me").await.json();
    assert_eq!(overview["custom_slug"], Value::Null);
}

async fn landed(server: &Server, code: &str) -> Browser {
    let mut browser = server.browser();
    browser.headers =
        vec![("sec-fetch-mode", "navigate".into()), ("sec-fetch-dest", "document".into())];
    browser.get(&format!("/r/{code}")).await;
    browser.headers.clear();
    assert!(browser.cookies.contains_key("ref_code"));
    browser
}

#[on_every_store]
async fn sessions_end_without_a_reason_too() {
    let server = operated().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let user = user_id(&mut ada).await;
    let done = take(&server, &format!("users/{user}/sessions/revoke"), json!({})).await;
    let ended = done.json()["sessions_ended"].as_array().map(Vec::len);
    assert_eq!((done.status, ended), (200, Some(1)));
    assert_eq!(ada.get("/v1/auth/me").await.status, 401);
    let timeline = ask(&server, &format!("users/{user}/timeline")).await;
    assert!(timeline.text.contains(": no reason given"), "{}", timeline.text);
}

#[on_every_store]
async fn a_measure_without_a_reason_or_a_subject_changes_nothing() {
    let server = operated().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let user = user_id(&mut ada).await;
    let code = server.onboarded(&mut ada).await;
    let length = server.log().await.len();
    let nobody = "0190f5c0-7a10-7c4e-8f00-000000000001";
    for path in [
        format!("users/{user}/sessions/revoke"),
        format!("users/{user}/suspend"),
        format!("users/{user}/reinstate"),
        format!("codes/{code}/disable"),
        format!("codes/{code}/enable"),
    ] {
        // That sessions end is urgent: without a word, "no reason given" goes on record.
        let urgent = path.ends_with("/sessions/revoke");
        let bodies = [json!({ "reason": " " }), json!({ "reason": "x".repeat(501) }), json!({})];
        for body in bodies.into_iter().take(if urgent { 2 } else { 3 }) {
            let answer = take(&server, &path, body).await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (400, "invalid_parameter"),
                "{path}"
            );
        }
        let mut stranger = server.browser();
        let closed = stranger.post(&format!("/v1/admin/{path}"), r#"{"reason":"x"}"#).await;
        assert_eq!(closed.error(), "admin_token_invalid");
        let elsewhere = path.replace(&user, nobody).replace(&code, "nobodys");
        let answer = take(&server, &elsewhere, json!({ "reason": REASON })).await;
        assert_eq!((answer.status, answer.error().as_str()), (404, "not_found"), "{elsewhere}");
    }
    assert_eq!(server.log().await.len(), length);
}
