//! The cookies of a visitor who is erased name nobody: whoever comes with them is somebody new.

use serde_json::json;
use whence::http::landing::cookies::FIRST_TOUCH;
use whence_events::{Event, TouchId, UserEvent, UserId};

use crate::server::{Browser, Server, until};
use crate::service::erasure::{grace, operated};
use crate::stores::on_every_store;

/// The first touches that recorded touches belong to, in the order of the log.
async fn visitors(server: &Server) -> Vec<TouchId> {
    let log = server.log().await;
    let touch = log.iter().filter_map(|recorded| match &recorded.event {
        Event::Touch(touch) => touch.touch().first_touch_id,
        _ => None,
    });
    touch.collect()
}

/// Registers, and has an operator erase the account.
async fn register_and_be_erased(server: &Server, browser: &mut Browser, email: &str) {
    let user = server.log_in(browser, email).await.json()["user"]["id"].clone();
    let user_id: UserId = user.as_str().unwrap().parse().unwrap();
    let erase = format!("/v1/admin/users/{user_id}/erase");
    assert_eq!(grace(server).post(&erase, "").await.status, 200);
}

/// Reports a visit of a page, as the script of a page does.
async fn report(server: &Server, browser: &mut Browser, page: &str) {
    let body = json!({ "location": format!("{}{page}", server.url) }).to_string();
    assert_eq!(browser.post("/v1/touch", body).await.status, 204);
}

#[on_every_store]
async fn a_visit_after_an_erasure_is_of_somebody_new_by_every_way() {
    let server = operated().await;
    let mut bob = server.browser();
    assert_eq!(bob.get("/r/OAK7?utm_source=letter").await.status, 302);
    until("the landing is recorded", async || visitors(&server).await.len() == 1).await;
    let old = visitors(&server).await[0];
    let cookies = bob.cookies.clone();
    register_and_be_erased(&server, &mut bob, "bob@example.com").await;

    for (number, way) in ["/r/ELM8?utm_source=later", "/shop?utm_source=later"].iter().enumerate() {
        bob.cookies.clone_from(&cookies);
        if way.starts_with("/r/") {
            assert_eq!(bob.get(way).await.status, 302);
        } else {
            report(&server, &mut bob, way).await;
        }
        until("recorded", async || visitors(&server).await.len() == number + 2).await;
        assert_ne!(bob.cookies[FIRST_TOUCH], cookies[FIRST_TOUCH], "a fresh cookie");
    }
    let after = visitors(&server).await;
    assert!(!after[1..].contains(&old), "{after:?}");
    assert_ne!(after[1], after[2], "two visitors, for all that is known");

    // Registers anew, with the cookies of before.
    bob.cookies = cookies;
    server.log_in(&mut bob, "robert@example.com").await;
    let known: Vec<_> = server
        .log()
        .await
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::User(event) => event.snapshot().map(|snapshot| snapshot.touch_id),
            _ => None,
        })
        .collect();
    assert_eq!(known, [Some(old), None]);
    let decided: Vec<_> = server
        .log()
        .await
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::User(event) => match &**event {
                UserEvent::ReferralRefused(refused) => Some(refused.evidence.touch_id),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(decided, [Some(old), None], "the code counts, the landing is not known");
}

#[on_every_store]
async fn a_first_visit_that_was_not_recorded_is_forgotten_as_well() {
    let server = operated().await;
    let mut bob = server.browser();
    report(&server, &mut bob, "/").await;
    let cookie = bob.cookies[FIRST_TOUCH].clone();
    assert_eq!(visitors(&server).await, [], "a direct visit leaves no event");
    report(&server, &mut bob, "/shop?utm_source=letter").await;
    until("recorded", async || visitors(&server).await.len() == 1).await;
    assert_eq!(bob.cookies[FIRST_TOUCH], cookie, "the same visitor");
    register_and_be_erased(&server, &mut bob, "bob@example.com").await;
    report(&server, &mut bob, "/shop?utm_source=later").await;
    until("recorded", async || visitors(&server).await.len() == 2).await;
    let [before, after] = visitors(&server).await[..] else { panic!("two") };
    assert_ne!(before, after);
    assert_ne!(bob.cookies[FIRST_TOUCH], cookie);
}

#[on_every_store]
async fn what_is_stored_of_a_login_does_not_let_anybody_try_codes() {
    let server = Server::start().await;
    let mut bob = server.browser();
    let token = bob.start("bob@example.com").await;
    let log = serde_json::to_string(&format!("{:?}", server.log().await)).unwrap();
    assert!(!log.contains(&token), "the log does not know the token");
    let stored = server.log().await.iter().find_map(|recorded| match &recorded.event {
        Event::Mailbox(whence_events::MailboxEvent::LoginStarted(started)) => {
            Some(started.request_id)
        }
        _ => None,
    });
    let stored = stored.unwrap().to_string();
    let code = server.code("bob@example.com");
    let mut thief = server.browser();
    for _ in 0..6 {
        assert_eq!(thief.verify(&stored, "000000").await.error(), "invalid_request");
    }
    assert_eq!(thief.verify(&stored, &code).await.error(), "invalid_request");
    assert_eq!(bob.verify(&token, &code).await.status, 200, "no try was used up");
}
