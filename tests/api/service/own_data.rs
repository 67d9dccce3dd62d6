//! What users are shown about themselves, and what they are not.

use std::time::Duration;

use serde_json::{Value, json};
use whence_events::{Event, StreamId};

use crate::server::{Browser, START, Server, until};
use crate::service::erasure::{grace, operated};
use crate::stores::on_every_store;

const PATH: &str = "/v1/auth/export";
const PAGE: &str = "/v1/auth/export.html";
const REFERRER: &str = "https://blog.example.org/<b>private</b>";
const AGENT: &str = "Adas-Browser/7 <script>alert(1)</script>";

/// Bob, who came by ada's link, with everything on record that an account can have; and ada.
async fn bob(server: &Server) -> (Browser, Browser) {
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    let mut bob = server.browser();
    bob.headers.push(("x-forwarded-for", "203.0.113.77".into()));
    bob.headers.push(("user-agent", AGENT.into()));
    let landing = bob.request("GET", &format!("/r/{code}?utm_source=news&gclid=click-7"));
    assert_eq!(bob.send(landing.header("referer", REFERRER)).await.status, 302);
    until("the landing is on record", async || {
        server.log().await.iter().any(|event| matches!(event.stream, StreamId::Touch(_)))
    })
    .await;
    // A stranger asks for a code for bob's address.
    let mut stranger = server.browser();
    stranger.headers.push(("x-forwarded-for", "198.51.100.99".into()));
    stranger.start("bob@example.com").await;
    server.log_in(&mut bob, "bob@example.com").await;
    server.onboarded(&mut bob).await;
    (bob, ada)
}

const FLAGS: [&str; 2] = ["--trusted-proxy", "127.0.0.1"];

#[on_every_store]
async fn a_user_gets_everything_about_them_and_nothing_about_others() {
    let server = Server::with(&FLAGS).await;
    let (mut bob, mut ada) = bob(&server).await;
    let me = bob.get("/v1/auth/me").await.json();
    let adas_id = ada.get("/v1/auth/me").await.json()["user"]["id"].clone();

    let answer = bob.get(PATH).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    let disposition = answer.header("content-disposition").unwrap();
    assert_eq!(disposition, "attachment; filename=\"account-2026-01-01.json\"");
    assert!(answer.header("cache-control").unwrap().contains("no-store"));
    let data = answer.json();
    assert_eq!(data["account"]["id"], me["user"]["id"]);
    assert_eq!(data["account"]["email"], "bob@example.com");
    assert_eq!(data["account"]["plan"], "free");
    assert_eq!(data["addresses"][0]["since"], json!(START.to_string()));
    let session = &data["sessions"][0];
    assert_eq!(session["ip"], "203.0.113.77");
    assert_eq!(session["user_agent"], AGENT);
    assert_eq!(session["ended_at"], Value::Null);
    assert_eq!(data["devices"].as_array().unwrap().len(), 1);
    assert_eq!(data["origin"]["utm_source"], "news");
    assert_eq!(data["origin"]["click_ids"], json!({ "gclid": "click-7" }));
    for place in [&data["origin"]["first_referrer_url"], &data["landings"][0]["referrer_url"]] {
        assert!(place.as_str().unwrap().starts_with("https://blog.example.org/"), "{place}");
    }
    assert_eq!(data["landings"][0]["user_agent"], AGENT);
    assert_eq!(data["referral_decisions"][0]["referred_by"], adas_id);
    assert_eq!(data["referral_codes"].as_array().unwrap().len(), 1);
    let timeline = data["timeline"].as_array().unwrap();
    let types: Vec<_> = timeline.iter().map(|line| line["type"].as_str().unwrap()).collect();
    for needed in [
        "TouchRecorded.v2",
        "LoginStarted.v1",
        "MailboxClaimed.v1",
        "UserRegistered.v1",
        "NameReserved.v1",
        "ReferralCodeIssued.v1",
        "WelcomeEmailSent.v1",
    ] {
        assert!(types.contains(&needed), "{needed} in {types:?}");
    }
    // Every event of bob's stream is told.
    let id = data["account"]["id"].as_str().unwrap();
    let log = server.log().await;
    let own = log.iter().filter(|event| event.stream.to_string() == format!("user-{id}"));
    let own: Vec<_> = own.map(|event| event.event.event_type()).collect();
    assert!(own.iter().all(|name| types.contains(name)), "{own:?} {types:?}");

    // Secrets, and what is others'.
    let text = &answer.text;
    for other in ["ada@example.com", "198.51.100.99", "token_hash", "code_mac", "email_key"] {
        assert!(!text.contains(other), "{other}");
    }
    assert!(text.contains("198.51.100.*"), "that somebody asked for a code is bob's to know");
    // And ada learns whom she referred by id and date.
    let adas = ada.get(PATH).await;
    assert_eq!(adas.json()["referred_users"][0]["user_id"], data["account"]["id"]);
    assert_eq!(adas.json()["referred_users_total"], 1);
    for other in ["bob@example.com", "203.0.113.77", "news", "private"] {
        assert!(!adas.text.contains(other), "{other}");
    }
}

#[on_every_store]
async fn the_page_is_plain_and_escaped_and_loads_nothing() {
    let server = Server::with(&FLAGS).await;
    let (mut bob, _) = bob(&server).await;
    let page = bob.get(PAGE).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(page.header("content-type").as_deref(), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("script"), "{policy}");
    for needed in
        ["bob@example.com", "203.0.113.77", "2026-01-01 00:00 UTC", "Nothing is on record"]
    {
        assert!(page.text.contains(needed), "{needed}");
    }
    for bad in ["<script", "<b>", "<img", "src=", "url(", "@import", "198.51.100.99"] {
        assert!(!page.text.contains(bad), "{bad}");
    }
    assert!(page.text.contains("&#60;script&#62;"), "what a browser says about itself is text");
}

#[on_every_store]
async fn an_export_takes_a_recent_login_and_is_on_record_and_bounded() {
    let server = operated().await;
    for path in [PATH, PAGE] {
        assert_eq!(server.browser().get(path).await.error(), "unauthenticated");
    }
    let mut ada = server.signed_in("ada@example.com").await;
    let cross = ada.request("GET", PATH).header("sec-fetch-site", "cross-site");
    assert_eq!(ada.send(cross).await.error(), "csrf_invalid");
    let reads = async || {
        let log = server.log().await;
        let reads = log.iter().filter(|event| matches!(event.event, Event::Audit(_)));
        reads.map(|event| event.metadata.actor.to_string()).collect::<Vec<_>>()
    };
    assert!(reads().await.is_empty());
    for n in 0..10 {
        let path = if n % 2 == 0 { PATH } else { PAGE };
        assert_eq!(ada.get(path).await.status, 200);
    }
    assert_eq!(reads().await, ["owner"; 10]);
    let eleventh = ada.get(PATH).await;
    assert_eq!((eleventh.status, eleventh.error().as_str()), (429, "rate_limited"));
    assert_eq!(eleventh.header("retry-after").as_deref(), Some("3600"));
    assert_eq!(server.signed_in("bob@example.com").await.get(PATH).await.status, 200);
    server.pass(Duration::from_hours(1));
    let late = ada.get(PATH).await;
    assert_eq!((late.status, late.error().as_str()), (403, "recent_login_required"));
    let mut again = server.signed_in("ada@example.com").await;
    assert_eq!(again.get(PATH).await.status, 200);
    // Operators see that it was read.
    let events = grace(&server).get("/v1/admin/events?type=AuditRead.v1").await;
    assert!(events.text.contains("an audit was read: own_data"), "{}", events.text);
}
