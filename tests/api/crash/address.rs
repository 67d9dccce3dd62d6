//! The process dies right before, or right after, each append of a change of address.

use std::time::Duration;

use serde_json::json;
use whence::infra::clock::Clock;

use crate::crash::client::OPERATOR_TOKEN;
use crate::crash::log;
use crate::crash::steps::Child;
use crate::server::{START, Server, until};
use crate::stores::Home;
use whence_events::Actor;

/// First event of each append of a change, in order; the first one proves the new address.
const STEPS: [&str; 4] =
    ["CodeVerified.v1", "EmailChanged.v1", "MailboxMoved.v1", "EmailChangeNoticed.v1"];

const OLD: &str = "ada@example.com";
const NEW: &str = "ada@example.net";

/// Until the log has the expected ones of these events, each once, after those that were there before.
async fn completed(server: &Server, steps: &[&str], before: usize, expected: &[&str], what: &str) {
    let found = async || {
        let types = server.types().await;
        let of_it = |name: &&String| steps.contains(&name.as_str());
        types.iter().filter(of_it).skip(before).cloned().collect::<Vec<_>>()
    };
    until("the change is complete", async || {
        server.app.sweep_now().await;
        found().await.len() >= expected.len()
    })
    .await;
    server.app.sweep_now().await;
    server.settle().await;
    assert_eq!(found().await, expected, "{what}: each step once");
}

async fn dies(when: &str, at: &str) {
    let clock = Clock::manual(START);
    let server = Server::at(Home::sqlite(), clock, &[], |store| store).await;
    let mut ada = server.signed_in(OLD).await;
    server.onboarded(&mut ada).await;
    let user = ada.get("/v1/auth/me").await.json()["user"]["id"].clone();
    let cookies = ada.cookies.clone();
    let (home, clock) = server.stop();

    let child = Child::start(home.path(), when, at).await;
    let body = json!({ "email": NEW });
    let started = child.client.post("/v1/auth/email/change", body, &cookies).await.unwrap();
    assert_eq!(started.status, 200, "{}", started.body);
    let body = json!({ "request_id": started.body["request_id"], "code": child.code(NEW) });
    let answer = child.client.post("/v1/auth/email/change/verify", body, &cookies).await;
    assert!(answer.is_none(), "{when} {at}: nobody knows what became of it");
    child.dies().await;

    clock.set(START + Duration::from_mins(2));
    let server = Server::at(home, clock, &[], |store| store).await;
    let is_proven = at != "CodeVerified.v1" || when == "after";
    let expected: &[&str] = if is_proven { &STEPS[1..] } else { &[] };
    completed(&server, &STEPS[1..], 0, expected, &format!("{when} {at}")).await;
    let (mine, other) = if is_proven { (NEW, OLD) } else { (OLD, NEW) };
    ada = server.signed_in(mine).await;
    assert_eq!(ada.get("/v1/auth/me").await.json()["user"]["id"], user, "{when} {at}");
    assert_eq!(ada.get("/v1/auth/me").await.json()["user"]["email"], mine);
    let mut stranger = server.browser();
    let request_id = stranger.start(other).await;
    let answer = stranger.verify(&request_id, &server.code(other)).await;
    let status = if is_proven { 409 } else { 200 };
    assert_eq!(answer.status, status, "{when} {at}: {}", answer.text);
    server.everybody_onboarded().await;
    server.settle().await;
    let events = server.log().await;
    assert_eq!(server.app.engine.read_db.dump().await.unwrap(), log::rebuilt(&events).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_before_each_append_of_a_change_of_address() {
    for step in STEPS {
        dies("before", step).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_after_each_append_of_a_change_of_address() {
    for step in STEPS {
        dies("after", step).await;
    }
}

/// First event of each append of an operator's move, in order.
const ORDERED: [&str; 4] =
    ["MailboxClaimed.v1", "EmailChanged.v1", "MailboxMoved.v1", "EmailChangeNoticed.v1"];

/// An operator's order is carried out by the sweep, or by the same order again.
async fn dies_ordered(when: &str, at: &str, repeats: bool) {
    let clock = Clock::manual(START);
    let server = Server::at(Home::sqlite(), clock, &[], |store| store).await;
    let mut ada = server.signed_in(OLD).await;
    server.onboarded(&mut ada).await;
    let user = ada.get("/v1/auth/me").await.json()["user"]["id"].as_str().unwrap().to_owned();
    let cookies = ada.cookies.clone();
    let (home, clock) = server.stop();

    let child = Child::start(home.path(), when, at).await;
    let (path, body) = (
        format!("/v1/admin/users/{user}/email"),
        json!({ "email": NEW, "reason": "a lost mailbox" }),
    );
    let answer = child.client.order(&path, body.clone()).await;
    assert!(answer.is_none(), "{when} {at}: nobody knows what became of it");
    child.dies().await;

    let grace = ["--admin-token", &format!("grace={OPERATOR_TOKEN}")];
    let server = Server::at(home, clock, &grace, |store| store).await;
    let is_claimed = at != ORDERED[0] || when == "after";
    if repeats {
        let mut operator = server.browser();
        operator.headers.push(("x-admin-token", OPERATOR_TOKEN.into()));
        let again = operator.post(&path, body.to_string()).await;
        let is_changed = !is_claimed || at == ORDERED[0] || (at == ORDERED[1] && when == "before");
        assert_eq!((again.status, &again.json()["changed"]), (200, &json!(is_changed)));
    }
    server.clock.set(START + Duration::from_mins(2));
    let expected: &[&str] = if repeats || is_claimed { &ORDERED } else { &[] };
    // The first claim is that of the login.
    completed(&server, &ORDERED, 1, expected, &format!("{when} {at}")).await;
    let log = server.log().await;
    let moved = log.iter().find(|recorded| recorded.event.event_type() == ORDERED[1]);
    let actor = moved.map(|moved| moved.metadata.actor.clone());
    let grace = Actor::Operator("grace".into());
    assert_eq!(actor, (!expected.is_empty()).then_some(grace), "{when} {at}");
    let mut old = server.browser();
    old.cookies = cookies;
    let (mine, status) = if expected.is_empty() { (OLD, 200) } else { (NEW, 401) };
    assert_eq!(old.get("/v1/auth/me").await.status, status, "{when} {at}");
    let mut ada = server.signed_in(mine).await;
    assert_eq!(ada.get("/v1/auth/me").await.json()["user"]["id"], user, "{when} {at}");
    server.settle().await;
    let events = server.log().await;
    assert_eq!(server.app.engine.read_db.dump().await.unwrap(), log::rebuilt(&events).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_before_each_append_of_an_operators_move() {
    for (step, repeats) in ORDERED.into_iter().zip([true, false].into_iter().cycle()) {
        dies_ordered("before", step, repeats).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_after_each_append_of_an_operators_move() {
    for (step, repeats) in ORDERED.into_iter().zip([false, true].into_iter().cycle()) {
        dies_ordered("after", step, repeats).await;
    }
}
