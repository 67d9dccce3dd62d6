//! `GET /api/v1/users/attribution`: the 13 fields, how each is filled, and that they freeze.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value;
use whence::engine::handler::Context;
use whence::infra::random::new_correlation_id;
use whence_events::{Actor, UserId};

use super::bearer::with_bearer;
use super::{attribute, landed, referrer, register_first, user_id};
use crate::server::{Answer, Browser, Server};
use crate::service::broken::{Call, Faults};
use crate::stores::on_every_store;

const PATH: &str = "/api/v1/users/attribution";
const MMDB: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/maxmind/GeoLite2-Country-Test.mmdb");
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

/// The snapshot of whoever is logged in.
async fn snapshot(browser: &Browser) -> Answer {
    let mut browser = with_bearer(browser).await;
    browser.get(PATH).await
}

async fn data(browser: &Browser) -> Value {
    let answer = snapshot(browser).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["data"].clone()
}

/// A page of ours reports a visit.
async fn visit(browser: &mut Browser, page: &str, referrer: &str) {
    let location = format!("{}{page}", browser.url());
    let report = serde_json::json!({ "location": location, "referrer": referrer });
    assert_eq!(browser.post("/v1/touch", report.to_string()).await.status, 204);
}

async fn claim(server: &Server, user_id: UserId, handle: &str) {
    let context = Context::of_request(new_correlation_id(), Actor::System);
    server.app.claim_handle(user_id, handle.parse().unwrap(), &context).await.unwrap();
}

#[on_every_store]
async fn every_field_is_filled_by_a_landing() {
    let flags = ["--trusted-proxy", "127.0.0.1", "--country-header", "cloudflare"];
    let server = Server::with(&flags).await;
    let ada = referrer(&server, "ada@example.com").await;
    let alice = user_id(&server.log_in(&mut server.browser(), "alice@example.com").await);
    claim(&server, alice, "alice").await;
    let mut bob = server.browser();
    bob.headers = vec![("user-agent", IPHONE.to_owned()), ("cf-ipcountry", "TR".to_owned())];
    let page = format!(
        "/creators/Alice?ref={}&utm_source=google&utm_medium=cpc&utm_campaign=spring_promo\
         &utm_term=creator-tools&utm_content=banner-top",
        ada.code
    );
    visit(&mut bob, &page, "https://example.com/ref").await;
    server.log_in(&mut bob, "bob@example.com").await;
    let answer = snapshot(&bob).await;
    let shown = answer
        .text
        .replace(&ada.user_id.to_string(), "<ada>")
        .replace(&alice.to_string(), "<alice>")
        .replace(&ada.code, "<code>");
    assert_snapshot!(shown, @r#"{"success":true,"data":{"referredBy":"<ada>","referralCode":"<code>","firstReferrerUrl":"https://example.com/ref","firstLandingPage":"/creators/Alice","acquiredViaCreatorId":"<alice>","utmSource":"google","utmMedium":"cpc","utmCampaign":"spring_promo","utmTerm":"creator-tools","utmContent":"banner-top","registrationDevice":"mobile","registrationCountry":"TR","createdAt":"2026-01-01T00:00:00.000Z"}}"#);
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
}

#[on_every_store]
async fn a_direct_visitor_has_nulls() {
    let server = Server::start().await;
    let browser = server.signed_in("ada@example.com").await;
    assert_snapshot!(snapshot(&browser).await.text, @r#"{"success":true,"data":{"referredBy":null,"referralCode":null,"firstReferrerUrl":null,"firstLandingPage":null,"acquiredViaCreatorId":null,"utmSource":null,"utmMedium":null,"utmCampaign":null,"utmTerm":null,"utmContent":null,"registrationDevice":null,"registrationCountry":null,"createdAt":"2026-01-01T00:00:00.000Z"}}"#);
}

#[on_every_store]
async fn a_short_link_fills_campaign_referrer_and_code() {
    let server = Server::with(&["--landing-url", "https://www.example.com/landing"]).await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = server.browser();
    let link = format!("/r/{}?utm_source=x&utm_content=%20two%20words%20", ada.code);
    let request = bob.request("GET", &link).header("referer", "https://blog.test/post?q=1#top");
    let answer = bob.send(request).await;
    let target = answer.header("location").unwrap();
    assert!(target.starts_with("https://www.example.com/landing?utm_source=x&"), "{target}");
    server.log_in(&mut bob, "bob@example.com").await;
    let data = data(&bob).await;
    assert_eq!(data["referredBy"], ada.user_id.to_string());
    assert_eq!(data["firstLandingPage"], "/landing");
    assert_eq!(
        (data["utmSource"].as_str(), data["utmContent"].as_str()),
        (Some("x"), Some("two words"))
    );
    let url = data["firstReferrerUrl"].as_str().unwrap();
    assert!(url.starts_with("https://blog.test/post"), "{url}");
}

/// One tuple: what was not known at the first touch is never filled in later.
#[on_every_store]
async fn the_first_touch_is_frozen_with_its_gaps() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let alice = user_id(&server.log_in(&mut server.browser(), "alice@example.com").await);
    claim(&server, alice, "alice").await;
    let mut bob = server.browser();
    visit(&mut bob, "/pricing?utm_source=first", "").await;
    server.pass(Duration::from_mins(1));
    let full = format!("/creators/alice?ref={}&utm_source=2&utm_medium=2&utm_term=2", ada.code);
    visit(&mut bob, &full, "https://late.test/").await;
    server.log_in(&mut bob, "bob@example.com").await;
    let before = data(&bob).await;
    assert_eq!(before["utmSource"], "first");
    assert_eq!(before["firstLandingPage"], "/pricing");
    for gap in ["firstReferrerUrl", "acquiredViaCreatorId", "utmMedium", "utmTerm"] {
        assert_eq!(before[gap], Value::Null, "{gap}");
    }
    // Who referred them is another fact, and came later.
    assert_eq!(before["referredBy"], ada.user_id.to_string());

    // Neither a landing nor a login after the registration changes anything.
    bob.cookies.clear();
    visit(&mut bob, "/creators/alice?utm_medium=3", "https://later.test/").await;
    bob.headers = vec![("user-agent", IPHONE.to_owned())];
    server.log_in(&mut bob, "bob@example.com").await;
    assert_eq!(data(&bob).await, before);
}

#[on_every_store]
async fn a_first_touch_outside_of_the_window_counts_for_nothing() {
    let server = Server::with(&["--referral-window-days", "1"]).await;
    let mut bob = server.browser();
    visit(&mut bob, "/pricing?utm_source=old", "").await;
    server.pass(Duration::from_secs(86_401));
    server.log_in(&mut bob, "bob@example.com").await;
    assert_eq!(data(&bob).await["utmSource"], Value::Null);
}

#[on_every_store]
async fn a_forged_first_touch_counts_for_nothing() {
    let server = Server::start().await;
    let mut bob = server.browser();
    visit(&mut bob, "/pricing?utm_source=first", "").await;
    let cookie = bob.cookies.get_mut("whence_touch").unwrap();
    let last = if cookie.ends_with('A') { "B" } else { "A" };
    cookie.truncate(cookie.len() - 3);
    cookie.push_str(&last.repeat(3));
    server.log_in(&mut bob, "bob@example.com").await;
    assert_eq!(data(&bob).await["utmSource"], Value::Null);
}

#[on_every_store]
async fn country_by_database_and_device_by_agent() {
    let server = Server::with(&["--trusted-proxy", "127.0.0.1", "--geoip", MMDB]).await;
    for (ip, agent, country, device) in [
        ("2.125.160.216", IPHONE, "GB", "mobile"),
        (
            "2001:218::1",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0",
            "JP",
            "desktop",
        ),
        (
            "2.125.160.216, 127.0.0.1",
            "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X)",
            "GB",
            "tablet",
        ),
        // What a client puts in front is not believed: the proxy saw the last one.
        ("2001:218::1, 2.125.160.216", IPHONE, "GB", "mobile"),
    ] {
        let mut browser = server.browser();
        browser.headers =
            vec![("x-forwarded-for", ip.to_owned()), ("user-agent", agent.to_owned())];
        server.log_in(&mut browser, &format!("{country}.{device}@x.test")).await;
        let data = data(&browser).await;
        let found = (data["registrationCountry"].as_str(), data["registrationDevice"].as_str());
        assert_eq!(found, (Some(country), Some(device)), "{ip} {agent}");
    }
    // From a peer that is no trusted proxy the header is worth nothing.
    let server = Server::with(&["--geoip", MMDB]).await;
    let mut browser = server.browser();
    browser.headers = vec![("x-forwarded-for", "2.125.160.216".to_owned())];
    server.log_in(&mut browser, "bob@x.test").await;
    assert_eq!(data(&browser).await["registrationCountry"], Value::Null);
}

#[on_every_store]
async fn it_has_an_etag_once_it_is_final() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = landed(&server, &ada.code).await;
    register_first(&server, &mut bob, "bob@example.com").await;
    assert_eq!(snapshot(&bob).await.header("etag"), None, "a referral may still come");
    attribute(&mut bob).await;
    let answer = snapshot(&bob).await;
    let tag = answer.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "strong: {tag}");
    let mut asking = with_bearer(&bob).await;
    for (sent, status) in [
        (tag.as_str(), 304),
        (&format!("\"x\", {tag}"), 304),
        (&format!("W/{tag}"), 304),
        ("*", 304),
        ("\"x\"", 200),
    ] {
        let request = asking.request("GET", PATH).header("if-none-match", sent);
        let answer = asking.send(request).await;
        assert_eq!(answer.status, status, "{sent}");
        assert_eq!(answer.header("etag").unwrap(), tag);
        assert_eq!(answer.text.is_empty(), status == 304);
    }
}

#[on_every_store]
async fn it_is_final_after_the_grace_unless_a_referral_is_undecided() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    let ada = server.signed_in("ada@example.com").await;
    let mut bob = server.browser();
    bob.cookies.insert("ref_code".to_owned(), "NEVERWAS".to_owned());
    faults.set(|call| matches!(call, Call::Read(whence_events::StreamId::Code(_))));
    server.log_in(&mut bob, "bob@example.com").await;
    faults.clear();
    server.pass(Duration::from_hours(24));
    assert_eq!(snapshot(&ada).await.header("etag"), None);
    server.pass(Duration::from_secs(1));
    assert!(snapshot(&ada).await.header("etag").is_some());
    assert_eq!(snapshot(&bob).await.header("etag"), None);
    server.app.sweep_now().await;
    server.settle().await;
    assert!(snapshot(&bob).await.header("etag").is_some());
}

#[on_every_store]
async fn nothing_changes_it() {
    let server = Server::start().await;
    let mut browser = with_bearer(&server.signed_in("ada@example.com").await).await;
    for method in ["POST", "PATCH", "PUT", "DELETE"] {
        let answer = browser.send(browser.request(method, PATH)).await;
        let error = answer.json()["error"]["code"].clone();
        assert_eq!((answer.status, error.as_str()), (405, Some("METHOD_NOT_ALLOWED")), "{method}");
    }
}
