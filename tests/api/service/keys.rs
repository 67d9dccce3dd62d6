//! Keys are rotated under a running service, and nothing that was good is refused.

use std::time::Duration;

use serde_json::{Value, json};
use whence::engine::proof::{Checkpoint, Verifier};
use whence::engine::service_keys::{self, MasterRotation, list, rotate_master};
use whence::infra::keys::{Keys, MasterKey};
use whence_events::StreamId;

use crate::server::{Browser, Server};
use crate::stores::on_every_store;

const TOKEN: &str = "abcdefghij0123456789";
const DAY: Duration = Duration::from_hours(24);

fn operator(server: &Server) -> Browser {
    let mut browser = server.browser();
    browser.headers.push(("x-admin-token", TOKEN.to_owned()));
    browser
}

/// Makes a new key of a purpose by the API, and lets the time pass until it signs.
async fn rotated(server: &Server, purpose: &str, at_once: bool) {
    let path = format!("/v1/admin/keys/{purpose}/rotate");
    let answer = operator(server).post(&path, json!({ "at_once": at_once }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lead = if purpose == "bearer" && !at_once { 66 * 60 } else { 16 };
    server.pass(Duration::from_secs(lead));
    looked(server).await;
}

/// What a service does at intervals.
async fn looked(server: &Server) {
    let engine = &server.app.engine;
    service_keys::load(&engine.keys, &*engine.store, server.clock.now()).await.unwrap();
}

async fn token(browser: &Browser) -> String {
    let answer = browser.clone().post("/v1/auth/token", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn bearer_status(server: &Server, token: &str) -> u16 {
    let browser = server.browser();
    let request = browser.request("GET", "/api/v1/users/attribution");
    let request = request.header("authorization", format!("Bearer {token}"));
    server.browser().send(request).await.status
}

async fn published(server: &Server) -> Vec<Value> {
    let answer = server.browser().get("/.well-known/jwks.json").await;
    answer.json()["keys"].as_array().unwrap().clone()
}

#[on_every_store]
async fn a_bearer_key_is_published_before_it_signs_and_after() {
    let server = Server::with(&["--admin-token", TOKEN]).await;
    let browser = server.signed_in("ada@example.com").await.with_csrf();
    let first = published(&server).await;
    assert_eq!(first.len(), 1);
    let answer = operator(&server).post("/v1/admin/keys/bearer/rotate", "{}").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let both = published(&server).await;
    assert_eq!((both.len(), &both[0]), (2, &first[0]), "known to all before it signs");
    server.pass(Duration::from_mins(64));
    looked(&server).await;
    let old = token(&browser).await;
    assert_eq!(bearer_status(&server, &old).await, 200);
    server.pass(Duration::from_mins(2));
    looked(&server).await;
    let new = token(&browser).await;
    let named = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    assert_eq!(named(&old), first[0]["kid"].as_str().unwrap());
    assert_eq!(named(&new), both[1]["kid"].as_str().unwrap());
    for token in [&old, &new] {
        assert_eq!(bearer_status(&server, token).await, 200);
    }
    server.pass(Duration::from_mins(30));
    looked(&server).await;
    assert_eq!(published(&server).await, [both[1].clone()]);
}

#[on_every_store]
async fn sessions_and_landings_outlive_their_keys() {
    let server = Server::with(&["--admin-token", TOKEN]).await;
    let mut visitor = server.browser();
    assert_eq!(visitor.get("/r/ABCDEFGH?utm_source=paper").await.status, 302);
    let touch = visitor.cookies["whence_touch"].clone();
    let browser = server.signed_in("ada@example.com").await.with_csrf();
    for purpose in ["csrf", "cookie"] {
        rotated(&server, purpose, false).await;
    }
    token(&browser).await;
    // The cookie of the visitor is accepted as it is: it would be replaced otherwise.
    let again = visitor.get("/r/ABCDEFGH?utm_source=paper").await;
    assert!(!again.all("set-cookie").iter().any(|line| line.starts_with("whence_touch=")));
    assert_eq!(visitor.cookies["whence_touch"], touch);
    // A key that got into wrong hands ends what it signed.
    for purpose in ["csrf", "cookie"] {
        rotated(&server, purpose, true).await;
    }
    assert_eq!(browser.clone().post("/v1/auth/token", "").await.status, 403);
    visitor.get("/r/ABCDEFGH?utm_source=paper").await;
    assert_ne!(visitor.cookies["whence_touch"], touch);
}

#[on_every_store]
async fn old_and_new_checkpoint_keys_sign_and_the_old_names_the_new() {
    let server = Server::with(&["--admin-token", TOKEN]).await;
    let _ = server.signed_in("ada@example.com").await;
    server.settle().await;
    let key = async || -> Verifier {
        let text = server.browser().get("/v1/log/key").await.text;
        text.trim_end().parse().unwrap()
    };
    let old = key().await;
    rotated(&server, "checkpoint", false).await;
    let new = key().await;
    assert_ne!(old, new);
    let note = server.browser().get("/v1/log/checkpoint").await.text;
    for key in [&old, &new] {
        Checkpoint::open(&note, key).unwrap();
    }
    let keys = server.browser().get("/v1/log/keys").await.json();
    let successions: Vec<String> = serde_json::from_value(keys["successions"].clone()).unwrap();
    assert_eq!(old.with_successors(&successions), [old.clone(), new.clone()]);
    // Another key cannot name one in its place.
    assert_eq!(new.with_successors(&successions), std::slice::from_ref(&new));
    server.pass(91 * DAY);
    looked(&server).await;
    let _ = server.signed_in("bob@example.com").await;
    server.settle().await;
    let note = server.browser().get("/v1/log/checkpoint").await.text;
    assert!(Checkpoint::open(&note, &old).is_err() && Checkpoint::open(&note, &new).is_ok());
}

#[on_every_store]
async fn the_index_key_is_not_rotated_and_no_secret_is_listed() {
    let server = Server::with(&["--admin-token", TOKEN]).await;
    let answer = operator(&server).post("/v1/admin/keys/index/rotate", "{}").await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_parameter"));
    let answer = operator(&server).post("/v1/admin/keys/master/rotate", "{}").await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let listed = operator(&server).get("/v1/admin/keys").await.json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 9);
    assert_eq!(listed["under_old_master"], 0);
    assert_eq!(server.browser().get("/v1/admin/keys").await.status, 401);
}

/// The master keys of a home, the new one first.
fn both(old: &str) -> String {
    format!("{} {old}", "5c".repeat(32))
}

/// A rotation that is killed after each of its steps, with clients between them.
#[on_every_store]
async fn a_master_key_is_rotated_and_killed_at_each_step() {
    let old = "0d".repeat(32);
    let server = Server::with(&["--master-key", &old, "--admin-token", TOKEN]).await;
    let mut sessions = Vec::new();
    for n in 0..3 {
        sessions.push(server.signed_in(&format!("user{n}@example.com")).await.with_csrf());
    }
    let cookies: Vec<_> = sessions.iter().map(|browser| browser.cookies.clone()).collect();
    let checkpoint_key = server.browser().get("/v1/log/key").await.text;
    drop(sessions);
    let (mut home, mut clock) = server.stop();
    let keys = both(&old);
    let flags = ["--master-key", &keys, "--admin-token", TOKEN];
    let mut steps = 0;
    loop {
        let server = Server::at(home, clock, &flags, |store| store).await;
        let engine = &server.app.engine;
        // From the beginning, and one step further than the process before.
        let mut at = MasterRotation::default();
        for _ in 0..=steps {
            let now = server.clock.now();
            at = rotate_master(&engine.keys, &*engine.store, at, now).await.unwrap();
            if at.done {
                break;
            }
        }
        for cookies in &cookies {
            let mut browser = server.browser();
            browser.cookies = cookies.clone();
            let token = token(&browser.with_csrf()).await;
            assert_eq!(bearer_status(&server, &token).await, 200, "after {steps} steps");
        }
        assert_eq!(server.browser().get("/v1/log/key").await.text, checkpoint_key);
        let _ = server.signed_in(&format!("new{steps}@example.com")).await;
        let done = at.done;
        (home, clock) = server.stop();
        if done {
            break;
        }
        steps += 1;
        assert!(steps < 20, "it comes to an end");
    }
    // The old key is not needed any more, and opens nothing.
    let new = "5c".repeat(32);
    let flags = ["--master-key", &new, "--admin-token", TOKEN];
    let server = Server::at(home, clock, &flags, |store| store).await;
    let engine = &server.app.engine;
    let known = list(&engine.keys, &*engine.store, server.clock.now()).await.unwrap();
    assert_eq!((known.under_old_master, known.next_master), (0, None));
    let mut browser = server.browser();
    let me = server.log_in(&mut browser, "user0@example.com").await;
    assert!(me.text.contains("user0@example.com"), "{}", me.text);
    let old = Keys::derive(&MasterKey::parse(&old).unwrap());
    for key in engine.store.vault_keys(None, 1000).await.unwrap() {
        let wrapped = key.wrapped.unwrap();
        let subject = key.subject.to_string();
        assert!(!whence::infra::sealing::opens(&old.wrapping, &subject, key.generation, &wrapped));
        assert!(matches!(key.subject, StreamId::User(_) | StreamId::Mailbox(_)));
    }
}
