//! The process dies right before, or right after, each append of a change of address.

use std::time::Duration;

use serde_json::json;
use whence::infra::clock::Clock;

use crate::crash::log;
use crate::crash::steps::Child;
use crate::server::{START, Server, until};
use crate::stores::Home;

/// First event of each append of a change, in order; the first one proves the new address.
const STEPS: [&str; 4] =
    ["CodeVerified.v1", "EmailChanged.v1", "MailboxMoved.v1", "EmailChangeNoticed.v1"];

const OLD: &str = "ada@example.com";
const NEW: &str = "ada@example.net";

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
    let steps = async || {
        let types = server.types().await;
        let of_it = |name: &&String| STEPS[1..].contains(&name.as_str());
        types.iter().filter(of_it).cloned().collect::<Vec<_>>()
    };
    until("the change is complete", async || {
        server.app.sweep_now().await;
        steps().await.len() >= expected.len()
    })
    .await;
    server.app.sweep_now().await;
    server.settle().await;
    assert_eq!(steps().await, expected, "{when} {at}: each step once");
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
