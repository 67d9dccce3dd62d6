//! Creators: handles that users claim, and the visitors whom their pages bring.

use serde_json::{Value, json};
use whence_events::Event;

use crate::server::{Answer, Browser, Server, until};
use crate::stores::on_every_store;

const TOKEN: &str = "0123456789abcdefghij0123";

async fn operated() -> Server {
    Server::with(&["--admin-token", &format!("grace={TOKEN}")]).await
}

async fn claim(browser: &mut Browser, handle: &str) -> Answer {
    let body = json!({ "handle": handle }).to_string();
    let request = browser.request("PUT", "/v1/creators/me").body(body);
    browser.send(request).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.error().as_str()), (status, error), "{}", answer.text);
}

/// The snapshot of a new user, by the portal's call.
async fn snapshot(server: &Server, browser: Browser) -> Value {
    let mut browser = browser.with_csrf();
    let token = browser.post("/v1/auth/token", "").await.json()["access_token"].clone();
    let mut portal = server.browser();
    portal.headers.push(("authorization", format!("Bearer {}", token.as_str().unwrap())));
    portal.get("/api/v1/users/attribution").await.json()["data"].clone()
}

#[on_every_store]
async fn a_user_claims_a_handle_and_keeps_it() {
    let server = Server::with(&["--public-url", "http://localhost:9"]).await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let none = ada.get("/v1/creators/me").await;
    assert_eq!(none.text, r#"{"handle":null,"link":null,"handles":[]}"#);
    let mine = r#"{"handle":"ada.paints","link":"http://localhost:9/creators/ada.paints","handles":["ada.paints"]}"#;
    for handle in ["ada.paints", " Ada.Paints "] {
        let answer = claim(&mut ada, handle).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, mine));
    }
    assert_eq!(ada.get("/v1/creators/me").await.text, mine);
    let claimed = server.types().await;
    let claimed = claimed.iter().filter(|kind| *kind == "CreatorHandleClaimed.v1").count();
    assert_eq!(claimed, 1, "the same again leaves no event");

    // A second one, and the first is theirs all the same.
    let second = claim(&mut ada, "paintings").await.json();
    assert_eq!(second["handles"], json!(["ada.paints", "paintings"]));
    let mut bob = server.signed_in("bob@example.com").await.with_csrf();
    refused(&claim(&mut bob, "ada.paints").await, 409, "handle_taken");
    let year = bob.request("PUT", "/v1/creators/me").body(r#"{"handle":2026}"#);
    assert_eq!(bob.send(year).await.json()["handle"], "2026");
}

#[on_every_store]
async fn a_handle_that_cannot_be_had() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let mut bob = server.signed_in("bob@example.com").await.with_csrf();
    assert_eq!(claim(&mut ada, "modern-oil").await.status, 200);
    for alike in ["modern_oil", "modem-oil", "m0dern-oil", "modern.o1l", "modern-oi1", "MODERN-0IL"]
    {
        refused(&claim(&mut bob, alike).await, 409, "handle_confusable");
    }
    for word in ["admin", "api", "www", "Support", "supp0rt", "adm1n", "postmaster", "null"] {
        refused(&claim(&mut bob, word).await, 409, "handle_reserved");
    }
    for bad in
        ["", "b", "bob!", "-bob", "bob.", "b\u{f6}b", "b\u{43e}b", "\u{ff42}ob", "b/b", "b..b"]
    {
        refused(&claim(&mut bob, bad).await, 400, "handle_invalid");
    }
    let empty = bob.request("PUT", "/v1/creators/me").body("{}");
    refused(&bob.send(empty).await, 400, "handle_invalid");
    assert_eq!(bob.get("/v1/creators/me").await.json()["handles"], json!([]));
    assert_eq!(claim(&mut bob, "modernist").await.status, 200, "what only begins alike");
}

#[on_every_store]
async fn handles_cannot_be_hoarded() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    for handle in ["one", "two", "three", "four", "five"] {
        assert_eq!(claim(&mut ada, handle).await.status, 200);
    }
    refused(&claim(&mut ada, "six").await, 409, "handle_limit");
    assert_eq!(claim(&mut ada, "one").await.status, 200, "what one has is no new one");
    let mut bob = server.signed_in("bob@example.com").await.with_csrf();
    assert_eq!(claim(&mut bob, "six").await.status, 200, "a refused one is free");
}

#[on_every_store]
async fn a_claim_takes_a_session_and_its_csrf_token() {
    let server = Server::start().await;
    let mut nobody = server.browser();
    refused(&claim(&mut nobody, "ada").await, 401, "unauthenticated");
    refused(&nobody.get("/v1/creators/me").await, 401, "unauthenticated");
    let mut ada = server.signed_in("ada@example.com").await;
    refused(&claim(&mut ada, "ada").await, 403, "csrf_missing");
}

#[on_every_store]
async fn of_two_who_want_one_at_once_one_has_it() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let mut bob = server.signed_in("bob@example.com").await.with_csrf();
    let (one, other) = tokio::join!(claim(&mut ada, "lily-1"), claim(&mut bob, "1ily-1"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", one.text, other.text);
}

#[on_every_store]
async fn visitors_of_a_creator_are_theirs_in_snapshot_and_report() {
    let server = operated().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    assert_eq!(claim(&mut ada, "ada").await.status, 200);
    let ada_id = ada.get("/v1/auth/me").await.json()["user"]["id"].clone();

    // By the link of the creator, by a parameter of a short link, and by a page of the platform.
    let mut by_link = server.browser();
    let answer = by_link.get("/creators/Ada?utm_source=video").await;
    let location = answer.header("location").unwrap();
    assert!(location.ends_with("/?utm_source=video&creator=ada"), "{location}");
    let mut by_parameter = server.browser();
    by_parameter.get("/r/nobodys?creator=ada").await;
    let mut by_page = server.browser();
    let page = json!({ "location": format!("{}/creators/ada", server.url) }).to_string();
    assert_eq!(by_page.post("/v1/touch", page).await.status, 204);
    // Nobody's page.
    let mut by_other = server.browser();
    assert_eq!(by_other.get("/creators/adah").await.status, 302);

    let visitors = [("link", by_link), ("parameter", by_parameter), ("page", by_page)];
    for (name, mut browser) in visitors {
        server.log_in(&mut browser, &format!("{name}@example.com")).await;
        let data = snapshot(&server, browser).await;
        assert_eq!(data["acquiredViaCreatorId"], ada_id, "{name}");
        assert_eq!(data["referredBy"], Value::Null, "{name}");
    }
    server.log_in(&mut by_other, "other@example.com").await;
    assert_eq!(snapshot(&server, by_other).await["acquiredViaCreatorId"], Value::Null);

    until("four landings", async || {
        let log = server.log().await;
        log.iter().filter(|recorded| matches!(recorded.event, Event::Touch(_))).count() == 4
    })
    .await;
    let mut grace = server.browser();
    grace.headers.push(("x-admin-token", TOKEN.to_owned()));
    let report = grace.get("/v1/admin/analytics/creators").await.json();
    let rows = report["rows"].as_array().unwrap();
    let of_ada = rows.iter().find(|row| row["creator"] == ada_id).unwrap();
    assert_eq!((&of_ada["clicks"], &of_ada["signups"]), (&json!(3), &json!(3)), "{report}");
}

#[on_every_store]
async fn a_link_of_no_creator_leads_to_the_landing_page() {
    let server = Server::with(&["--landing-url", "https://www.shop.test/"]).await;
    for (path, target) in [
        ("/creators/never-was", "https://www.shop.test/?creator=never-was"),
        ("/creators/!?creator=x&y=1", "https://www.shop.test/?y=1"),
        ("/creators/ada?creator=eve", "https://www.shop.test/?creator=ada"),
    ] {
        let answer = server.browser().get(path).await;
        assert_eq!((answer.status, answer.header("location").as_deref()), (302, Some(target)));
    }
}

#[on_every_store]
async fn operators_list_and_give_handles() {
    let server = operated().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let id = ada.get("/v1/auth/me").await.json()["user"]["id"].as_str().unwrap().to_owned();
    let mut grace = server.browser();
    let path = format!("/v1/admin/users/{id}/handles");
    refused(&grace.get(&path).await, 401, "admin_token_invalid");
    grace.headers.push(("x-admin-token", TOKEN.to_owned()));
    assert_eq!(grace.get(&path).await.json()["handles"], json!([]));
    // Also one that no user gets alone.
    let given = grace.post(&path, r#"{"handle":"official"}"#).await;
    assert_eq!(given.json(), json!({ "user_id": id, "handles": ["official"] }));
    assert_eq!(ada.get("/v1/creators/me").await.json()["handle"], "official");
    refused(&grace.post(&path, r#"{"handle":"x"}"#).await, 400, "handle_invalid");
    let year = grace.post(&path, r#"{"handle":2027}"#).await;
    assert_eq!(year.json()["handles"], json!(["official", "2027"]));
    let mut bob = server.signed_in("bob@example.com").await.with_csrf();
    assert_eq!(claim(&mut bob, "bob").await.status, 200);
    refused(&grace.post(&path, r#"{"handle":"bob"}"#).await, 409, "handle_taken");
    refused(&grace.post(&path, r#"{"handle":"b0b"}"#).await, 409, "handle_confusable");
    let nobody = "/v1/admin/users/67e55044-10b1-426f-9247-bb680e5fe0c8/handles";
    refused(&grace.get(nobody).await, 404, "not_found");
    let log = server.log().await;
    let by = log.iter().find(|recorded| recorded.event.event_type() == "CreatorHandleClaimed.v1");
    assert_eq!(by.unwrap().metadata.actor.to_string(), "operator:grace");
}
