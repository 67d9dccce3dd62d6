//! The change of an account's address: one owner, a notice, and a way to object.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Notify;
use whence::infra::mail::Mail;
use whence::store::{EventStore, StoreError};
use whence_events::{EmailAddress, Event, RevokeReason, StreamId, UserEvent};
use whence_test_macros::passes_on;

use crate::server::{Answer, Browser, Server, until};
use crate::stores::on_every_store;

const HOUR: Duration = Duration::from_hours(1);

async fn ask(server: &Server, browser: &mut Browser, email: &str) -> (String, String) {
    let body = json!({ "email": email }).to_string();
    let answer = browser.post("/v1/auth/email/change", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    (answer.json()["request_id"].as_str().unwrap().to_owned(), server.code(email))
}

async fn verify(browser: &mut Browser, (request_id, code): &(String, String)) -> Answer {
    let body = json!({ "request_id": request_id, "code": code }).to_string();
    browser.post("/v1/auth/email/change/verify", body).await
}

pub async fn change(server: &Server, browser: &mut Browser, email: &str) -> Answer {
    let asked = ask(server, browser, email).await;
    verify(browser, &asked).await
}

/// Takes the mails of an address until one is of the wanted kind.
fn take<T>(server: &Server, email: &str, kind: impl Fn(&Mail) -> Option<T>) -> Option<T> {
    let mails = server.app.mailer.memory().unwrap();
    let address = EmailAddress::parse(email).unwrap();
    std::iter::from_fn(|| mails.take(&address)).find_map(|stored| kind(&stored.mail))
}

/// Returns the path of the page on which the owner of an address objects.
async fn objection(server: &Server, email: &str) -> String {
    let link = |mail: &Mail| match mail {
        Mail::AddressChanged { link, .. } => Some(link.clone()),
        _ => None,
    };
    let mut found = None;
    until("the notice is sent", async || {
        server.app.sweep_now().await;
        found = found.take().or_else(|| take(server, email, link));
        found.is_some()
    })
    .await;
    let link = found.unwrap();
    link[link.find("/v1/auth/email/objection/").unwrap()..].to_owned()
}

async fn log_in_status(server: &Server, email: &str) -> (u16, String) {
    let mut browser = server.browser();
    let request_id = browser.start(email).await;
    let answer = browser.verify(&request_id, &server.code(email)).await;
    (answer.status, if answer.status == 200 { String::new() } else { answer.error() })
}

#[on_every_store]
async fn an_account_moves_and_keeps_its_sessions() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let mut other = server.signed_in("ada@example.com").await;
    let before = ada.get("/v1/auth/me").await.json()["user"].clone();
    let answer = change(&server, &mut ada, "ada@example.net").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let user = answer.json()["user"].clone();
    assert_eq!((&user["id"], &user["email"]), (&before["id"], &json!("ada@example.net")));
    assert_eq!(other.get("/v1/auth/me").await.json()["user"], user);
    let mut again = server.signed_in("ada@example.net").await;
    assert_eq!(again.get("/v1/auth/me").await.json()["user"]["id"], before["id"]);
    assert_eq!(log_in_status(&server, "ada@example.com").await, (409, "email_moved".into()));
    // Once nobody can object any more, the address is anybody's, as somebody new.
    server.pass(73 * HOUR);
    until("the address is free", async || {
        server.app.sweep_now().await;
        server.types().await.iter().any(|name| name == "MailboxReleased.v1")
    })
    .await;
    let mut new = server.signed_in("ada@example.com").await;
    assert_ne!(new.get("/v1/auth/me").await.json()["user"]["id"], before["id"]);
}

#[on_every_store]
async fn the_previous_address_objects_and_has_the_account_back() {
    let server = Server::start().await;
    let mut thief = server.signed_in("ada@example.com").await.with_csrf();
    let user = thief.get("/v1/auth/me").await.json()["user"]["id"].clone();
    assert_eq!(change(&server, &mut thief, "eve@example.net").await.status, 200);
    let path = objection(&server, "ada@example.com").await;
    assert_eq!(change(&server, &mut thief, "eve@example.org").await.status, 200);
    let mut ada = server.browser();
    for _ in 0..2 {
        let page = ada.get(&path).await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("<form method=\"post\">"), "a link alone does nothing");
        assert!(!page.text.contains("<script") && !page.text.contains("http"));
    }
    assert_eq!(thief.get("/v1/auth/me").await.status, 200);
    assert_eq!(ada.post(&path, "").await.status, 200);
    assert_eq!(thief.get("/v1/auth/me").await.status, 401);
    let mut ada = server.signed_in("ada@example.com").await;
    assert_eq!(ada.get("/v1/auth/me").await.json()["user"]["id"], user);
    for theirs in ["eve@example.net", "eve@example.org"] {
        let mut eve = server.signed_in(theirs).await;
        assert_ne!(eve.get("/v1/auth/me").await.json()["user"]["id"], user, "{theirs} is free");
    }
    assert_eq!(server.browser().post(&path, "").await.status, 404, "once");
    let ended = server.log().await.into_iter().filter(|recorded| {
        matches!(&recorded.event, Event::User(event) if matches!(event.as_ref(),
            UserEvent::SessionRevoked(revoked) if revoked.reason == RevokeReason::Objection))
    });
    assert_eq!(ended.count(), 1);
}

#[on_every_store]
async fn nobody_objects_with_anything_else_nor_after_72_hours() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    assert_eq!(change(&server, &mut ada, "ada@example.net").await.status, 200);
    let path = objection(&server, "ada@example.com").await;
    let mut stranger = server.browser();
    let mut wrong = path.clone();
    let last = if wrong.pop() == Some('A') { 'B' } else { 'A' };
    wrong.push(last);
    for path in [wrong.as_str(), &path[..path.len() - 1], "/v1/auth/email/objection/x"] {
        assert_eq!(stranger.get(path).await.status, 404, "{path}");
        assert_eq!(stranger.post(path, "").await.status, 404, "{path}");
    }
    server.pass(72 * HOUR);
    assert_eq!(stranger.post(&path, "").await.status, 404);
    assert_eq!(ada.get("/v1/auth/me").await.json()["user"]["email"], "ada@example.net");
}

#[on_every_store]
async fn a_code_does_what_it_was_mailed_for_and_nothing_else() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let mut bob = server.signed_in("bob@example.com").await.with_csrf();
    let moving = ask(&server, &mut ada, "new@example.com").await;
    // Not to log in, not for another user, and not with the code of a login.
    let logged_in = server.browser().verify(&moving.0, &moving.1).await;
    assert_eq!(logged_in.error(), "invalid_request");
    assert_eq!(verify(&mut bob, &moving).await.error(), "invalid_request");
    let login = server.browser().start("new@example.com").await;
    let login = (login, server.code("new@example.com"));
    assert_eq!(verify(&mut ada, &login).await.error(), "invalid_request");
    let wrong =
        (moving.0.clone(), format!("{:06}", (moving.1.parse::<u32>().unwrap() + 1) % 1_000_000));
    assert_eq!(verify(&mut ada, &wrong).await.error(), "invalid_code");
    let mut bare = server.browser();
    bare.cookies = ada.cookies.clone();
    assert_eq!(verify(&mut bare, &moving).await.error(), "csrf_missing");
    assert_eq!(server.browser().post("/v1/auth/email/change", "{}").await.status, 401);
    assert_eq!(verify(&mut ada, &moving).await.status, 200);
    let again = verify(&mut ada, &moving).await;
    assert_eq!(again.json()["user"]["email"], "new@example.com", "an answer may have been lost");
    let body = json!({ "email": " New@Example.com " }).to_string();
    assert_eq!(ada.post("/v1/auth/email/change", body).await.error(), "email_unchanged");
    let body = json!({ "email": "nobody" }).to_string();
    assert_eq!(ada.post("/v1/auth/email/change", body).await.error(), "invalid_email");
}

#[on_every_store]
async fn an_address_of_another_account_is_told_so_by_mail_alone() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    server.signed_in("bob@example.com").await;
    let body = json!({ "email": "bob@example.com" }).to_string();
    let answer = ada.post("/v1/auth/email/change", body).await;
    assert_eq!(answer.shown(), r#"200 {"request_id":"<uuid>"}"#);
    let told = take(&server, "bob@example.com", |mail| {
        matches!(mail, Mail::AddressInUse { .. }).then_some(())
    });
    assert!(told.is_some());
}

#[on_every_store]
async fn of_two_users_who_want_an_address_at_once_one_gets_it() {
    let server = Server::start().await;
    let mut browsers = vec![];
    for name in ["ada", "bob", "eve"] {
        browsers.push(server.signed_in(&format!("{name}@example.com")).await.with_csrf());
    }
    let mut asked = vec![];
    for browser in &mut browsers {
        asked.push(ask(&server, browser, "prize@example.com").await);
    }
    let login = server.browser().start("prize@example.com").await;
    let login = (login, server.code("prize@example.com"));
    let tries = browsers.iter_mut().zip(&asked).map(|(browser, asked)| verify(browser, asked));
    let mut stranger = server.browser();
    let (answers, sign_up) =
        futures::join!(futures::future::join_all(tries), stranger.verify(&login.0, &login.1));
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!((answer.status, answer.error().as_str()), (409, "email_taken"));
    }
    assert_eq!(sign_up.status, 200, "the owner of the address logs in, whoever that is");
    server.settle().await;
    let mut owners = 0;
    for browser in &mut browsers {
        let email = browser.get("/v1/auth/me").await.json()["user"]["email"].clone();
        owners += usize::from(email == "prize@example.com");
    }
    assert_eq!(owners, won);
    assert!(won <= 1);
}

#[on_every_store]
async fn one_user_who_wants_two_addresses_at_once_ends_up_with_one() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let first = ask(&server, &mut ada, "one@example.com").await;
    let second = ask(&server, &mut ada, "two@example.com").await;
    let mut same = ada.clone();
    let (one, two) = futures::join!(verify(&mut ada, &first), verify(&mut same, &second));
    assert_eq!((one.status, two.status), (200, 200));
    server.settle().await;
    let me = ada.get("/v1/auth/me").await.json()["user"].clone();
    let (kept, left) = match me["email"].as_str().unwrap() {
        "one@example.com" => ("one@example.com", "two@example.com"),
        email => (email, "one@example.com"),
    };
    // Each of the addresses that it left can object.
    let mut browser = server.browser();
    for previous in ["ada@example.com", left] {
        let path = objection(&server, previous).await;
        assert_eq!(browser.get(&path).await.status, 200, "{previous}");
    }
    assert_eq!(log_in_status(&server, kept).await.0, 200);
    assert_eq!(log_in_status(&server, left).await, (409, "email_moved".into()));
    assert_eq!(log_in_status(&server, "ada@example.com").await, (409, "email_moved".into()));
}

#[on_every_store]
async fn a_billing_customer_is_linked_by_an_operator() {
    let server = crate::service::erasure::operated().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let id = ada.get("/v1/auth/me").await.json()["user"]["id"].as_str().unwrap().to_owned();
    let mut grace = crate::service::erasure::grace(&server);
    let path = format!("/v1/admin/users/{id}/billing-customer");
    let put = |grace: &Browser, body: &str| grace.request("PUT", &path).body(body.to_owned());
    let linked = grace.send(put(&grace, r#"{"billing_customer_id":"cus_1"}"#)).await;
    assert_eq!((linked.status, linked.json()["changed"].clone()), (200, json!(true)));
    server.settle().await;
    assert_eq!(ada.get("/v1/auth/me").await.json()["user"]["billing_customer_id"], "cus_1");
    let same = grace.send(put(&grace, r#"{"billing_customer_id":"cus_1"}"#)).await;
    assert_eq!(same.json()["changed"], json!(false));
    let bad = grace.send(put(&grace, r#"{"billing_customer_id":"ada@example.com"}"#)).await;
    assert_eq!(bad.error(), "invalid_parameter");
    assert_eq!(ada.send(put(&ada, "{}")).await.status, 401);
}

/// A store that holds the destruction of a key until it is told to go on.
#[derive(Clone)]
struct Holding {
    inner: Arc<dyn EventStore>,
    holds: Arc<AtomicBool>,
    held: Arc<Notify>,
    goes_on: Arc<Notify>,
    done: Arc<Notify>,
}

#[passes_on(whence::store)]
#[async_trait]
impl EventStore for Holding {
    async fn destroy_key(&self, subject: &StreamId, up_to: Option<u32>) -> Result<(), StoreError> {
        if !self.holds.swap(false, Ordering::SeqCst) {
            return self.inner.destroy_key(subject, up_to).await;
        }
        self.held.notify_one();
        self.goes_on.notified().await;
        self.inner.destroy_key(subject, up_to).await?;
        self.done.notify_one();
        Ok(())
    }
}

#[on_every_store]
async fn a_release_that_is_late_leaves_the_key_of_the_next_owner() {
    let mut holding = None;
    let server = Server::over(&[], |inner| {
        let (holds, held, goes_on, done) = Default::default();
        holding = Some(Holding { inner, holds, held, goes_on, done });
        Arc::new(holding.clone().unwrap())
    })
    .await;
    let Holding { holds, held, goes_on, done, .. } = holding.unwrap();
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    assert_eq!(change(&server, &mut ada, "ada@example.net").await.status, 200);
    server.pass(73 * HOUR);
    server.settle().await;
    holds.store(true, Ordering::SeqCst);
    let app = server.app.clone();
    let late = tokio::spawn(async move { app.sweep_now().await });
    held.notified().await;
    // Another release is faster, and somebody else signs up.
    until("the address is free", async || {
        server.app.sweep_now().await;
        server.types().await.iter().any(|name| name == "MailboxReleased.v1")
    })
    .await;
    server.signed_in("ada@example.com").await;
    goes_on.notify_one();
    done.notified().await;
    late.await.unwrap();
    let email = EmailAddress::parse("ada@example.com").unwrap();
    let stream = StreamId::Mailbox(server.app.engine.keys.email_key(&email));
    let key = server.app.engine.store.read_key(&stream).await.unwrap().unwrap();
    assert!(key.generation == 1 && key.wrapped.is_some(), "generation {}", key.generation);
}
