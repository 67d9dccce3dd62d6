//! Users who ask to be erased: the grace time, its undoing, and what the sweep does when it is over.

use std::time::Duration;

use serde_json::{Value, json};
use whence_events::{EmailAddress, Event, StreamId, UserEvent, UserId};

use crate::server::{Answer, Browser, START, Server};
use crate::service::broken::Faults;
use crate::service::erasure::{grace, operated};
use crate::stores::on_every_store;

const PATH: &str = "/v1/auth/erasure";
const DAY: Duration = Duration::from_hours(24);

/// A browser that has just logged in and sends its CSRF token, and the id of its user.
async fn signed_in(server: &Server, email: &str) -> (Browser, UserId) {
    let mut browser = server.browser();
    let answer = server.log_in(&mut browser, email).await;
    let id = answer.json()["user"]["id"].as_str().unwrap().parse().unwrap();
    (browser.with_csrf(), id)
}

async fn withdraw(browser: &mut Browser) -> Answer {
    let request = browser.request("DELETE", PATH);
    browser.send(request).await
}

async fn sweep(server: &Server) -> usize {
    server.settle().await;
    let erased = server.app.erase_due_now().await;
    server.settle().await;
    erased
}

async fn types_of(server: &Server, user_id: UserId) -> Vec<&'static str> {
    let own = |event: &&whence_events::Recorded| event.stream == StreamId::User(user_id);
    let log = server.log().await;
    let names = log.iter().filter(own).map(|event| match &event.event {
        Event::User(event) => match event.as_ref() {
            UserEvent::ErasureRequested(_) => "requested",
            UserEvent::ErasureCancelled(_) => "cancelled",
            UserEvent::UserErased(_) => "erased",
            UserEvent::ErasureCompleted(_) => "completed",
            _ => "",
        },
        _ => "",
    });
    names.filter(|name| !name.is_empty()).collect()
}

async fn is_live(server: &Server, stream: &StreamId) -> bool {
    let key = server.app.engine.store.read_key(stream).await.unwrap();
    key.is_some_and(|key| key.wrapped.is_some())
}

/// Takes the mails of an address, and returns those that announce an erasure.
fn announcements(server: &Server, email: &str) -> Vec<String> {
    let email = EmailAddress::parse(email).unwrap();
    let memory = server.app.mailer.memory().unwrap();
    let mails = std::iter::from_fn(|| memory.take(&email));
    let texts = mails.map(|mail| mail.mail.render().unwrap().text);
    texts.filter(|text| text.contains("undo the erasure")).collect()
}

fn mailbox(server: &Server, email: &str) -> StreamId {
    let email = EmailAddress::parse(email).unwrap();
    StreamId::Mailbox(server.app.engine.keys.email_key(&email))
}

#[on_every_store]
async fn an_erasure_is_due_after_the_grace_time_and_not_before() {
    let server = Server::start().await;
    let (mut ada, id) = signed_in(&server, "ada@example.com").await;
    server.onboarded(&mut ada).await;
    assert_eq!(ada.get(PATH).await.json(), json!({ "erasure": null }));
    let shape = ada.get("/v1/auth/me").await.json();
    assert!(shape.get("erasure_due_at").is_none(), "{shape}");

    let asked = ada.post(PATH, "").await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let due_at = json!((START + 14 * DAY).to_string());
    assert_eq!(asked.json()["erasure"]["requested_at"], json!(START.to_string()));
    assert_eq!(asked.json()["erasure"]["due_at"], due_at);
    assert_eq!(ada.get(PATH).await.json(), asked.json());
    assert_eq!(ada.get("/v1/auth/me").await.json()["erasure_due_at"], due_at);
    let mails = announcements(&server, "ada@example.com");
    let [mail] = &mails[..] else { panic!("{mails:?}") };
    assert!(mail.contains("2026-01-15 at 00:00 UTC") && mail.contains("Log in"), "{mail}");

    // Asked again: the same time, nothing on record, no mail.
    server.pass(Duration::from_mins(1));
    let again = ada.post(PATH, "").await;
    assert_eq!((again.status, again.json()), (202, asked.json()));
    assert_eq!(types_of(&server, id).await, ["requested"]);
    assert!(announcements(&server, "ada@example.com").is_empty());

    server.clock.set(START + 14 * DAY - Duration::from_secs(1));
    assert_eq!(sweep(&server).await, 0);
    // Log-ins go on, so that it can be undone.
    let (mut elsewhere, same) = signed_in(&server, "ada@example.com").await;
    assert_eq!(same, id);
    assert_eq!(elsewhere.get("/v1/auth/me").await.json()["erasure_due_at"], due_at);

    server.clock.set(START + 14 * DAY);
    assert_eq!(sweep(&server).await, 1);
    for browser in [&mut ada, &mut elsewhere] {
        assert_eq!(browser.get("/v1/auth/me").await.status, 401);
        assert_eq!(withdraw(browser).await.status, 401);
    }
    assert_eq!(types_of(&server, id).await, ["requested", "erased", "completed"]);
    assert!(!is_live(&server, &StreamId::User(id)).await);
    assert!(!is_live(&server, &mailbox(&server, "ada@example.com")).await);
    server.pass(DAY);
    assert_eq!(sweep(&server).await, 0, "once");
    let (_, new) = signed_in(&server, "ada@example.com").await;
    assert_ne!(new, id);
}

#[on_every_store]
async fn who_withdraws_is_not_erased_and_may_ask_again() {
    let server = Server::start().await;
    let (mut ada, id) = signed_in(&server, "ada@example.com").await;
    assert_eq!(withdraw(&mut ada).await.json(), json!({ "ok": true }), "there is nothing to undo");
    assert_eq!(ada.post(PATH, "").await.status, 202);
    // In another session, which is no recent one.
    server.pass(13 * DAY);
    assert_eq!(withdraw(&mut ada).await.json(), json!({ "ok": true }));
    assert_eq!(ada.get(PATH).await.json()["erasure"], Value::Null);
    let me = ada.get("/v1/auth/me").await.json();
    assert!(me.get("erasure_due_at").is_none(), "{me}");
    server.pass(2 * DAY);
    assert_eq!(sweep(&server).await, 0);
    let (mut ada, same) = signed_in(&server, "ada@example.com").await;
    assert_eq!(same, id);
    let again = ada.post(PATH, "").await;
    let due_at = (START + 29 * DAY).to_string();
    assert_eq!(again.json()["erasure"]["due_at"], json!(due_at));
    assert_eq!(types_of(&server, id).await, ["requested", "cancelled", "requested"]);
}

#[on_every_store]
async fn an_erasure_takes_a_recent_login_and_a_csrf_token() {
    let server = Server::start().await;
    let mut stranger = server.browser();
    for method in ["GET", "POST", "DELETE"] {
        let request = stranger.request(method, PATH);
        assert_eq!(stranger.send(request).await.error(), "unauthenticated");
    }
    let mut plain = server.signed_in("ada@example.com").await;
    assert_eq!(plain.post(PATH, "").await.error(), "csrf_missing");
    assert_eq!(withdraw(&mut plain).await.error(), "csrf_missing");
    let mut ada = plain.with_csrf();
    server.pass(Duration::from_mins(15));
    let old = ada.post(PATH, "").await;
    assert_eq!((old.status, old.error().as_str()), (403, "recent_login_required"));
    assert_eq!(ada.get(PATH).await.json()["erasure"], Value::Null);
    let (mut ada, _) = signed_in(&server, "ada@example.com").await;
    assert_eq!(ada.post(PATH, "not json: {").await.status, 202, "the body says nothing");
}

#[on_every_store]
async fn without_a_grace_time_an_erasure_is_done_at_once() {
    let server = Server::with(&["--erasure-grace-days", "0"]).await;
    let (mut ada, id) = signed_in(&server, "ada@example.com").await;
    let done = ada.post(PATH, "").await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(!ada.cookies.contains_key("nl_session"), "{:?}", ada.cookies);
    assert_eq!(types_of(&server, id).await, ["requested", "erased", "completed"]);
    assert!(announcements(&server, "ada@example.com").is_empty(), "there is nothing to undo");
    assert_ne!(signed_in(&server, "ada@example.com").await.1, id);
}

#[on_every_store]
async fn a_login_under_way_when_the_erasure_falls_due_never_makes_half_an_account() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    let (mut ada, id) = signed_in(&server, "ada@example.com").await;
    assert_eq!(ada.post(PATH, "").await.status, 202);
    server.clock.set(START + 14 * DAY);
    server.settle().await;
    let mut elsewhere = server.browser();
    let request_id = elsewhere.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    // The process stops after the first step: the account is over, the address not yet free.
    faults.set(|call| matches!(call, crate::service::broken::Call::Other));
    assert_eq!(server.app.erase_due_now().await, 0);
    faults.clear();
    let verified = elsewhere.verify(&request_id, &code).await;
    assert_eq!((verified.status, verified.error().as_str()), (400, "invalid_request"));
    assert!(!elsewhere.cookies.contains_key("nl_session"));
    // The sweep completes it, and the address signs up as somebody new.
    server.pass(Duration::from_mins(1));
    assert_eq!(sweep(&server).await, 1);
    assert_eq!(types_of(&server, id).await, ["requested", "erased", "completed"]);
    assert_ne!(signed_in(&server, "ada@example.com").await.1, id);
}

/// The store goes away after so many calls, for every number there is; the next sweep goes on.
#[on_every_store]
async fn the_next_sweep_completes_what_was_interrupted_anywhere() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    let mut interrupted = 0;
    for survived in 0.. {
        let email = format!("u{survived}@example.com");
        let mut browser = server.browser();
        let landing = browser.request("GET", "/r/unknown?utm_source=blog");
        let landing = landing.header("referer", "https://blog.example.org/page");
        assert_eq!(browser.send(landing).await.status, 302);
        let touches = async || {
            let log = server.log().await;
            log.iter().filter(|event| matches!(event.stream, StreamId::Touch(_))).count()
        };
        crate::server::until("the landing is on record", async || touches().await > survived).await;
        let answer = server.log_in(&mut browser, &email).await;
        let id: UserId = answer.json()["user"]["id"].as_str().unwrap().parse().unwrap();
        let mut browser = browser.with_csrf();
        server.onboarded(&mut browser).await;
        assert_eq!(browser.post(PATH, "").await.status, 202);
        server.pass(14 * DAY);
        server.settle().await;
        let mut left = survived;
        faults.set(move |_| {
            let fails = left == 0;
            left = left.saturating_sub(1);
            fails
        });
        let first = server.app.erase_due_now().await;
        faults.clear();
        server.pass(Duration::from_mins(1));
        sweep(&server).await;
        assert_eq!(types_of(&server, id).await, ["requested", "erased", "completed"], "{survived}");
        assert!(!is_live(&server, &StreamId::User(id)).await, "after {survived} calls");
        assert!(!is_live(&server, &mailbox(&server, &email)).await, "after {survived} calls");
        for event in server.log().await {
            let touch = matches!(event.stream, StreamId::Touch(_));
            assert!(!touch || !is_live(&server, &event.stream).await, "after {survived} calls");
        }
        if first == 1 {
            break;
        }
        interrupted += 1;
    }
    assert!(interrupted >= 8, "only {interrupted} calls could be interrupted");
}

#[on_every_store]
async fn an_operator_s_erasure_that_was_interrupted_is_completed_by_the_sweep() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    let (_, id) = signed_in(&server, "bob@example.com").await;
    faults.set(|call| matches!(call, crate::service::broken::Call::Other));
    assert!(server.app.erase_user(id, "grace").await.is_err());
    faults.clear();
    assert_eq!(sweep(&server).await, 0, "the call itself is given a minute");
    server.pass(Duration::from_mins(1));
    assert_eq!(sweep(&server).await, 1);
    assert!(!is_live(&server, &StreamId::User(id)).await);
    assert!(!is_live(&server, &mailbox(&server, "bob@example.com")).await);
    assert_eq!(types_of(&server, id).await, ["erased", "completed"]);
}

/// Whatever the order, one of the two happens, and not both.
#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn who_withdraws_while_the_sweep_comes_is_erased_or_not() {
    let server = Server::start().await;
    for round in 0..8 {
        let (mut user, id) = signed_in(&server, &format!("u{round}@example.com")).await;
        assert_eq!(user.post(PATH, "").await.status, 202);
        server.pass(14 * DAY);
        server.settle().await;
        let sweeping = async {
            tokio::time::sleep(Duration::from_micros(300 * round)).await;
            server.app.erase_due_now().await
        };
        let (erased, withdrawn) = futures::join!(sweeping, withdraw(&mut user));
        let types = types_of(&server, id).await;
        if erased == 1 {
            assert_eq!(types, ["requested", "erased", "completed"]);
            assert_eq!(withdrawn.status, 401, "{}", withdrawn.text);
        } else {
            assert_eq!(types, ["requested", "cancelled"]);
            assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
            assert_eq!(user.get("/v1/auth/me").await.status, 200);
        }
    }
}

#[on_every_store]
async fn an_operator_sees_that_an_erasure_is_due_and_who_asked() {
    let server = operated().await;
    let (mut ada, id) = signed_in(&server, "ada@example.com").await;
    assert_eq!(ada.post(PATH, "").await.status, 202);
    let story = grace(&server).get(&format!("/v1/admin/users/{id}")).await.json();
    assert_eq!(story["erasure_due_at"], json!((START + 14 * DAY).to_string()));
    let timeline = story["timeline"].as_array().unwrap();
    let asked = timeline.iter().find(|line| line["type"] == "ErasureRequested.v1").unwrap();
    assert_eq!(asked["actor"], "owner");
    assert!(asked["text"].as_str().unwrap().starts_with("asked to be erased"), "{asked}");
    server.pass(14 * DAY);
    assert_eq!(sweep(&server).await, 1);
    let story = grace(&server).get(&format!("/v1/admin/users/{id}")).await.json();
    assert!(story.get("erasure_due_at").is_none());
    assert!(story.to_string().contains("was erased, as owner asked"), "{story}");
}
