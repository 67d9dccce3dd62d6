//! Referrals that cannot be decided now are not lost.

use std::time::Duration;

use whence_events::{Refusal, StreamId};

use super::{assert_cleared, attribute, decisions, landed, referrer, register_first, user_id};
use crate::server::{Server, until};
use crate::service::broken::{Call, Faults, users_unwritten};
use crate::stores::on_every_store;

/// A server that was restarted, so that it has no stream in memory and has to read.
async fn with_ada(faults: &Faults) -> (Server, String) {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let code = ada.code.clone();
    drop(ada);
    let (home, clock) = server.stop();
    (Server::at(home, clock, &[], faults.wrap()).await, code)
}

fn codes_cannot_be_read(call: &Call<'_>) -> bool {
    matches!(call, Call::Read(StreamId::Code(_)))
}

#[on_every_store]
async fn a_refusal_that_is_on_record_is_decided_again_by_the_sweep() {
    let faults = Faults::none();
    let (server, code) = with_ada(&faults).await;
    faults.set(codes_cannot_be_read);
    let mut bob = landed(&server, &code).await;
    let bob_id = register_first(&server, &mut bob, "bob@example.com").await;
    let answer = attribute(&mut bob).await;
    insta::assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"internal_error"}"#);
    assert_cleared(&answer, &bob);
    let (_, refused) = decisions(&server, bob_id).await;
    assert_eq!(refused[0].reason, Refusal::InternalError);

    // Still broken: nothing changes, and it does not pile up.
    server.settle().await;
    server.pass(Duration::from_mins(1));
    server.app.sweep_now().await;
    assert_eq!(decisions(&server, bob_id).await.1.len(), 1);

    // Long after: what counts is when the user asked.
    faults.clear();
    server.pass(Duration::from_hours(1440));
    server.app.sweep_now().await;
    let (attributed, _) = decisions(&server, bob_id).await;
    assert_eq!(attributed.len(), 1);
    assert!(attributed[0].touch_id.is_some());
    server.settle().await;
    assert!(server.app.engine.read_db.undecided_referrals(10).await.unwrap().is_empty());
}

#[on_every_store]
async fn a_login_is_not_failed_by_it() {
    let faults = Faults::none();
    let (server, code) = with_ada(&faults).await;
    faults.set(codes_cannot_be_read);
    let mut bob = landed(&server, &code).await;
    let verified = server.log_in(&mut bob, "bob@example.com").await;
    assert_cleared(&verified, &bob);
    let bob_id = user_id(&verified);
    assert_eq!(decisions(&server, bob_id).await.1[0].reason, Refusal::InternalError);
    faults.clear();
    server.settle().await;
    server.pass(Duration::from_mins(1));
    server.app.sweep_now().await;
    assert_eq!(decisions(&server, bob_id).await.0.len(), 1);
}

#[on_every_store]
async fn with_nothing_on_record_the_cookie_stays() {
    let faults = Faults::none();
    let (server, code) = with_ada(&faults).await;
    let mut bob = landed(&server, &code).await;
    let bob_id = register_first(&server, &mut bob, "bob@example.com").await;
    server.onboarded(&mut bob).await;
    faults.set(users_unwritten);
    let answer = attribute(&mut bob).await;
    insta::assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"internal_error"}"#);
    assert!(bob.cookies.contains_key("ref_code") && answer.all("set-cookie").is_empty());
    assert!(decisions(&server, bob_id).await.1.is_empty());
    faults.clear();
    assert_eq!(attribute(&mut bob).await.text, r#"{"attributed":true}"#);
}

/// An append whose answer is lost, once: the same event ids are found again.
#[on_every_store]
async fn a_store_that_fails_once_is_asked_again() {
    let faults = Faults::none();
    let (server, code) = with_ada(&faults).await;
    let mut bob = landed(&server, &code).await;
    let bob_id = register_first(&server, &mut bob, "bob@example.com").await;
    server.onboarded(&mut bob).await;
    let mut left = 1;
    faults.set(move |call| {
        let fails = matches!(call, Call::Append(_)) && left > 0;
        left -= i32::from(fails);
        fails
    });
    assert_eq!(attribute(&mut bob).await.text, r#"{"attributed":true}"#);
    assert_eq!(decisions(&server, bob_id).await.0.len(), 1);
}

/// The duty to decide on one code outlives refusals of others.
#[on_every_store]
async fn another_codes_refusal_does_not_lose_it() {
    let faults = Faults::none();
    let (server, code) = with_ada(&faults).await;
    faults.set(codes_cannot_be_read);
    let mut bob = landed(&server, &code).await;
    let bob_id = user_id(&server.log_in(&mut bob, "bob@example.com").await);
    faults.clear();
    bob.cookies.insert("ref_code".to_owned(), "UNKNOWN1".to_owned());
    assert_eq!(attribute(&mut bob).await.json()["reason"], "unknown_code");
    bob.cookies.insert("ref_code".to_owned(), "-".to_owned());
    assert_eq!(attribute(&mut bob).await.json()["reason"], "invalid_cookie");
    server.settle().await;
    server.pass(Duration::from_mins(1));
    server.app.sweep_now().await;
    assert_eq!(decisions(&server, bob_id).await.0.len(), 1, "the first code's credit");
}

/// A decision that says what an earlier one said is recorded all the same when it ends a duty:
/// else it would be decided again for ever.
#[on_every_store]
async fn deciding_again_comes_to_an_end() {
    let faults = Faults::none();
    let (server, _) = with_ada(&faults).await;
    // Empty streams are never kept in memory, so that this one is read each time.
    let mut bob = landed(&server, "NEVERWAS").await;
    let ref_code = bob.cookies["ref_code"].clone();
    let bob_id = register_first(&server, &mut bob, "bob@example.com").await;
    assert_eq!(attribute(&mut bob).await.json()["reason"], "unknown_code");
    bob.cookies.insert("ref_code".to_owned(), ref_code);
    faults.set(codes_cannot_be_read);
    assert_eq!(attribute(&mut bob).await.json()["reason"], "internal_error");
    faults.clear();
    server.settle().await;
    assert_eq!(server.app.engine.read_db.undecided_referrals(10).await.unwrap().len(), 1);
    server.pass(Duration::from_mins(1));
    server.app.sweep_now().await;
    let head = server.app.engine.store.head().await.unwrap();
    until("projected", async || server.app.progress.projected() >= head).await;
    assert!(server.app.engine.read_db.undecided_referrals(10).await.unwrap().is_empty());
    let reasons: Vec<_> = decisions(&server, bob_id).await.1.iter().map(|r| r.reason).collect();
    assert_eq!(reasons, [Refusal::UnknownCode, Refusal::InternalError, Refusal::UnknownCode]);
}
