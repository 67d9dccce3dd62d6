//! A store or a mail server that fails: what clients are told, and what is on record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use insta::assert_snapshot;
use tempfile::TempDir;
use whence::infra::mail::Mailer;
use whence_events::{Event, MailboxEvent};

use crate::server::{Server, sender, until};
use crate::service::broken::{Faults, Late, down, unwritten, users_unwritten, written};
use crate::service::login::wrong;
use crate::stores::on_every_store;

const ADA: &str = r#"{"email":"ada@example.com"}"#;
const UNAVAILABLE: &str = r#"503 {"error":"unavailable","message":"Not right now. Try again in a moment.","request_id":"<uuid>"}"#;

const INTERNAL: &str =
    r#"500 {"error":"internal","message":"This went wrong on our side.","request_id":"<uuid>"}"#;

async fn faulty() -> (Server, Faults) {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    (server, faults)
}

async fn count(server: &Server, name: &str) -> usize {
    server.types().await.iter().filter(|found| *found == name).count()
}

#[on_every_store]
async fn a_session_that_cannot_be_opened_is_told_and_the_next_login_works() {
    let (server, faults) = faulty().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    faults.set(users_unwritten);
    let failed = browser.verify(&request_id, &code).await;
    assert_snapshot!(failed.shown(), @r#"500 {"error":"session_issue_failed","message":"The code was right, but no session could be opened. Start again.","request_id":"<uuid>"}"#);
    assert!(failed.all("set-cookie").is_empty());
    faults.clear();
    assert_eq!(browser.verify(&request_id, &code).await.error(), "invalid_request", "it is used");
    server.log_in(&mut browser, "ada@example.com").await;
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    assert_eq!(count(&server, "MailboxClaimed.v1").await, 1);
    assert_eq!(count(&server, "UserRegistered.v1").await, 1);
}

#[on_every_store]
async fn a_logout_that_fails_keeps_the_cookie_for_another_try() {
    let (server, faults) = faulty().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    server.onboarded(&mut browser).await;
    faults.set(users_unwritten);
    let failed = browser.post("/v1/auth/logout", "").await;
    assert_snapshot!(failed.shown(), @r#"500 {"error":"logout_failed","message":"The session may go on. Try again.","request_id":"<uuid>"}"#);
    assert!(failed.all("set-cookie").is_empty());
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    faults.clear();
    assert_eq!(browser.clone().post("/v1/auth/logout", "").await.status, 200);
    assert_eq!(browser.get("/v1/auth/me").await.status, 401);
}

#[on_every_store]
async fn a_renewal_that_fails_does_not_matter() {
    let (server, faults) = faulty().await;
    let mut browser = server.signed_in("ada@example.com").await;
    server.onboarded(&mut browser).await;
    server.pass(Duration::from_hours(20 * 24));
    faults.set(users_unwritten);
    let answer = browser.get("/v1/auth/me").await;
    assert_eq!((answer.status, answer.all("set-cookie").len()), (200, 2));
    assert!(!server.types().await.contains(&"SessionExtended.v1".to_owned()));
    faults.clear();
    until("a later use is recorded", async || {
        assert_eq!(browser.get("/v1/auth/me").await.status, 200);
        server.types().await.contains(&"SessionExtended.v1".to_owned())
    })
    .await;
}

#[on_every_store]
async fn without_a_store_nothing_is_promised() {
    let (server, faults) = faulty().await;
    let mut known = server.signed_in("ada@example.com").await.with_csrf();
    let mut browser = server.browser();
    let request_id = browser.start("bob@example.com").await;
    let code = server.code("bob@example.com");
    faults.set(down);
    let start = browser.post("/v1/auth/email/start", ADA).await;
    assert_eq!(start.shown(), UNAVAILABLE);
    assert_eq!(start.header("retry-after").as_deref(), Some("2"));
    assert_eq!(browser.verify(&request_id, &code).await.shown(), UNAVAILABLE);
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(browser.verify(unknown, &code).await.shown(), UNAVAILABLE);
    let out = known.post("/v1/auth/logout", "").await;
    assert_eq!(out.error(), "logout_failed");
    assert_eq!(out.header("retry-after").as_deref(), Some("2"));
    assert_eq!(browser.get("/healthz").await.status, 200);
    let ready = browser.get("/readyz").await;
    assert_snapshot!(ready.shown(), @r#"503 {"status":"unavailable","reason":"the event store does not answer"}"#);
    faults.clear();
    assert_eq!(browser.verify(&request_id, &code).await.status, 200, "the code was not touched");
    let ada = whence_events::EmailAddress::parse("ada@example.com").unwrap();
    assert!(server.app.mailer.memory().unwrap().take_code(&ada).is_none(), "no mail went out");
}

#[on_every_store]
async fn an_append_whose_answer_got_lost_is_written_once() {
    let (server, faults) = faulty().await;
    let mut browser = server.browser();
    faults.set(written(2));
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    assert_eq!(count(&server, "LoginStarted.v1").await, 1);
    faults.set(written(1));
    assert_eq!(browser.verify(&request_id, wrong(&code)).await.error(), "invalid_code");
    assert_eq!(count(&server, "CodeRejected.v1").await, 1);
    faults.set(written(1));
    assert_eq!(browser.verify(&request_id, &code).await.status, 200);
    for name in ["CodeVerified.v1", "MailboxClaimed.v1", "UserRegistered.v1", "SessionOpened.v1"] {
        assert_eq!(count(&server, name).await, 1, "{name}");
    }
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
}

#[on_every_store]
async fn an_append_that_failed_is_written_by_the_next_try() {
    let (server, faults) = faulty().await;
    let mut browser = server.browser();
    faults.set(unwritten(2));
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    faults.set(unwritten(3));
    assert_eq!(browser.verify(&request_id, &code).await.shown(), UNAVAILABLE);
    assert_eq!(count(&server, "CodeVerified.v1").await, 0);
    // Nothing is on record, so the code is still good.
    assert_eq!(browser.verify(&request_id, &code).await.status, 200);
}

#[on_every_store]
async fn what_was_written_counts_although_nobody_heard_of_it() {
    let (server, faults) = faulty().await;
    let mut browser = server.browser();
    faults.set(written(3));
    assert_eq!(browser.post("/v1/auth/email/start", ADA).await.shown(), UNAVAILABLE);
    assert_eq!(count(&server, "LoginStarted.v1").await, 1);
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    for _ in 0..4 {
        faults.set(written(3));
        assert_eq!(browser.verify(&request_id, wrong(&code)).await.shown(), UNAVAILABLE);
    }
    assert_eq!(browser.verify(&request_id, wrong(&code)).await.error(), "invalid_code");
    assert_eq!(count(&server, "CodeRejected.v1").await, 5);
    assert_eq!(browser.verify(&request_id, &code).await.error(), "invalid_request", "locked");
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    faults.set(written(3));
    assert_eq!(browser.verify(&request_id, &code).await.shown(), UNAVAILABLE);
    assert_eq!(browser.verify(&request_id, &code).await.error(), "invalid_request", "used");
}

#[on_every_store]
async fn a_code_that_cannot_be_mailed_is_told_and_recorded() {
    let directory = TempDir::new().unwrap();
    let way = format!("directory:{}", directory.path().join("mail").display());
    let vanished = Mailer::open(&way, &sender()).unwrap();
    directory.close().unwrap();
    // The discard port of this machine, where nobody listens.
    let refused = Mailer::open("smtp://127.0.0.1:9?tls=none", &sender()).unwrap();
    for (mailer, reason, status) in [(vanished, "local", 500), (refused, "unreachable", 503)] {
        let server = Server::mailing(mailer).await;
        let mut browser = server.browser();
        let answer = browser.post("/v1/auth/email/start", ADA).await;
        assert_eq!(answer.status, status);
        // Another try helps only against an outage.
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
        assert_eq!(answer.shown() == INTERNAL, status == 500, "{}", answer.text);
        let log = server.log().await;
        let of_login = |event: &Event| match event {
            Event::Mailbox(MailboxEvent::LoginStarted(started)) => Some(started.request_id),
            Event::Mailbox(MailboxEvent::CodeDeliveryFailed(failed)) => {
                assert_eq!(serde_json::to_value(failed.reason).unwrap(), reason);
                Some(failed.request_id)
            }
            _ => None,
        };
        let ids: Vec<_> = log.iter().filter_map(|recorded| of_login(&recorded.event)).collect();
        assert!(ids.len() == 2 && ids[0] == ids[1], "{reason}: {ids:?}");
        // Codes that certainly did not go out use up nothing.
        for _ in 0..6 {
            assert_eq!(browser.post("/v1/auth/email/start", ADA).await.status, status);
        }
    }
}

#[on_every_store]
async fn read_models_that_catch_up_while_somebody_asks_hide_nothing() {
    let server = Server::over(&[], |store| Late::wrap(store, &Arc::default())).await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let verified = browser.verify(&request_id, &server.code("ada@example.com")).await;
    assert_eq!(verified.status, 200, "{}", verified.text);
    let me = browser.get("/v1/auth/me").await;
    assert_eq!(me.status, 200, "{}", me.text);
}

/// "Nobody knows" is not "no": a logout must not say ok to a session that goes on, and a right code
/// must not be given up.
#[on_every_store]
async fn read_models_that_are_stuck_are_told_from_sessions_that_are_gone() {
    let holding = Arc::new(AtomicBool::new(false));
    let server = Server::over(&[], |store| Late::wrap(store, &holding)).await;
    // Twice: by the second time the runner has also seen that the log holds no more, and reads it no
    // more by itself.
    server.settle().await;
    server.settle().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let mut bob = server.browser();
    let request_id = bob.start("bob@example.com").await;
    let code = server.code("bob@example.com");
    holding.store(true, Ordering::SeqCst);
    let out = ada.post("/v1/auth/logout", "").await;
    assert_eq!((out.error().as_str(), out.all("set-cookie").len()), ("logout_failed", 0));
    assert_eq!(ada.get("/v1/auth/me").await.shown(), UNAVAILABLE);
    // It may be open on another node.
    let elsewhere = "01980000-0000-7000-8000-000000000000";
    assert_eq!(bob.verify(elsewhere, &code).await.shown(), UNAVAILABLE);
    // What began here needs no table.
    assert_eq!(bob.verify(&request_id, &code).await.status, 200);
    holding.store(false, Ordering::SeqCst);
    assert_eq!(ada.get("/v1/auth/me").await.status, 200);
    // A revocation counts once it is on record, although the read models hear of it later.
    let mut leaving = ada.clone();
    let out = tokio::spawn(async move { leaving.post("/v1/auth/logout", "").await });
    for _ in 0..100 {
        if ada.get("/v1/auth/me").await.status == 401 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ada.get("/v1/auth/me").await.status, 401);
    assert!(!out.is_finished());
    server.settle().await;
    assert_eq!(out.await.unwrap().status, 200);
}
