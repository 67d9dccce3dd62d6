//! Which of the codes that a visitor comes with is kept: one that credits nobody is no first code.

use std::time::Duration;

use serde_json::json;
use whence_events::{CodeStatus, Event};

use super::{Referrer, attribute, decisions, referrer, user_id};
use crate::server::{Browser, Server, until};
use crate::service::broken::{Call, Faults};
use crate::stores::on_every_store;

const LAST: [&str; 2] = ["--referral-model", "last"];

/// Follows links one after the other, a second apart.
async fn follows(server: &Server, codes: &[&str]) -> Browser {
    let mut browser = server.browser();
    for code in codes {
        server.pass(Duration::from_secs(1));
        assert_eq!(browser.get(&format!("/r/{code}")).await.status, 302);
    }
    browser
}

/// The code that a visitor carries.
fn carried(browser: &Browser) -> &str {
    browser.cookies["ref_code"].split('.').nth(1).unwrap()
}

/// A user whose chosen code was given up, and whose other one an operator disabled.
async fn with_old_codes(server: &Server) -> Referrer {
    let mut eve = referrer(server, "eve@example.com").await;
    let token = eve.browser.cookies["nl_csrf"].clone();
    eve.browser.headers.push(("x-csrf-token", token));
    let chosen = eve.browser.post("/v1/referrals/code", r#"{"slug":"autumn"}"#).await;
    assert_eq!(chosen.status, 200, "{}", chosen.text);
    let given_up = eve.browser.request("DELETE", "/v1/referrals/code");
    assert_eq!(eve.browser.send(given_up).await.status, 200);
    let mut grace = server.browser();
    grace.headers.push(("x-admin-token", "0123456789abcdefghij0123".into()));
    let disable = format!("/v1/admin/codes/{}/disable", eve.code);
    let disabled = grace.post(&disable, json!({ "reason": "spam" }).to_string()).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    eve
}

async fn operated(more: &[&str]) -> Server {
    Server::with(&[&["--admin-token", "grace=0123456789abcdefghij0123"], more].concat()).await
}

/// The codes of recorded landings with their status.
async fn landings(server: &Server) -> Vec<(String, CodeStatus)> {
    let log = server.log().await;
    let touches = log.iter().filter_map(|recorded| match &recorded.event {
        Event::Touch(event) => {
            let touch = event.touch();
            Some((touch.code.as_ref()?.to_string(), touch.code_status))
        }
        _ => None,
    });
    touches.collect()
}

#[on_every_store]
async fn a_code_that_credits_nobody_is_no_first_code() {
    let server = operated(&[]).await;
    let ada = referrer(&server, "ada@example.com").await;
    let eve = with_old_codes(&server).await;
    let longer = format!("{}X", ada.code);
    for (n, void) in [&ada.code[1..], &longer, "autumn", &eve.code].into_iter().enumerate() {
        let mut browser = follows(&server, &[void, &ada.code]).await;
        assert_eq!(carried(&browser), ada.code, "{void}");
        // And once there is a real one, it stays.
        browser.get(&format!("/r/{void}")).await;
        assert_eq!(carried(&browser), ada.code, "{void}");
        let verified = server.log_in(&mut browser, &format!("bob{n}@example.com")).await;
        let (attributed, refused) = decisions(&server, user_id(&verified)).await;
        assert_eq!(attributed[0].referrer_id, ada.user_id, "{void}");
        assert!(refused.is_empty());
    }
}

#[on_every_store]
async fn each_of_them_is_on_record_and_no_click() {
    let server = operated(&[]).await;
    let mut eve = with_old_codes(&server).await;
    follows(&server, &["nobodys", "autumn", &eve.code]).await;
    until("three landings", async || landings(&server).await.len() == 3).await;
    let mut found = landings(&server).await;
    found.sort_by_key(|(code, _)| code.clone());
    let mut expected = [
        ("nobodys".to_owned(), CodeStatus::Unknown),
        ("autumn".to_owned(), CodeStatus::Inactive),
        (eve.code.clone(), CodeStatus::Inactive),
    ];
    expected.sort_by_key(|(code, _)| code.clone());
    assert_eq!(found, expected);
    server.settle().await;
    assert_eq!(eve.browser.get("/v1/referrals/me").await.json()["clicks"], 0);
}

#[on_every_store]
async fn a_code_that_nobody_has_is_refused_on_record_when_no_other_came() {
    let server = operated(&[]).await;
    with_old_codes(&server).await;
    for (n, (codes, reason)) in
        [(["nobodys", "nobody-2"], "unknown_code"), (["autumn", "nobodys"], "code_inactive")]
            .into_iter()
            .enumerate()
    {
        let mut browser = follows(&server, &codes).await;
        assert_eq!(carried(&browser), codes[0], "the first that came");
        let verified = server.log_in(&mut browser, &format!("bob{n}@example.com")).await;
        let (_, refused) = decisions(&server, user_id(&verified)).await;
        assert_eq!(refused[0].reason.as_str(), reason);
    }
}

#[on_every_store]
async fn a_code_that_was_given_up_after_its_touch_stays_the_first() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let gil = referrer(&server, "gil@example.com").await;
    let mut browser = follows(&server, &[&ada.code]).await;
    server.pass(Duration::from_secs(1));
    let code = ada.code.parse().unwrap();
    server.app.disable_referral_code(ada.user_id, code, "test").await.unwrap();
    browser.get(&format!("/r/{}", gil.code)).await;
    let verified = server.log_in(&mut browser, "bob@example.com").await;
    let (attributed, _) = decisions(&server, user_id(&verified)).await;
    assert_eq!(attributed[0].referrer_id, ada.user_id);
}

#[on_every_store]
async fn in_the_other_model_the_last_one_that_credits_somebody_wins() {
    let server = operated(&LAST).await;
    let ada = referrer(&server, "ada@example.com").await;
    let gil = referrer(&server, "gil@example.com").await;
    let eve = with_old_codes(&server).await;
    for void in ["nobodys", "autumn", &eve.code] {
        let browser = follows(&server, &[&ada.code, &gil.code, void]).await;
        assert_eq!(carried(&browser), gil.code, "{void}");
        let browser = follows(&server, &[void, &ada.code]).await;
        assert_eq!(carried(&browser), ada.code, "{void}");
    }
}

/// Fails every read of a name, by which codes are looked up.
fn names_unread(call: &Call<'_>) -> bool {
    matches!(call, Call::Read(stream) if stream.to_string().starts_with("name-"))
}

#[on_every_store]
async fn what_cannot_be_looked_up_counts_as_somebodys() {
    for (flags, winner) in [(&[][..], "first-1"), (&LAST[..], "second-2")] {
        let faults = Faults::none();
        let server = Server::over(flags, faults.wrap()).await;
        faults.set(names_unread);
        let browser = follows(&server, &["first-1", "second-2"]).await;
        assert_eq!(carried(&browser), winner, "as the model has it");
        faults.clear();
    }
}

#[on_every_store]
async fn the_same_at_the_attribute_call() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = server.signed_in("bob@example.com").await;
    bob.cookies.remove("ref_code");
    let followed = follows(&server, &["nobodys", &ada.code]).await;
    let mut late = server.browser();
    late.cookies = followed.cookies;
    // The account is older than the touch: it is decided on the right code all the same.
    late.cookies.extend(bob.cookies);
    assert_eq!(attribute(&mut late).await.json()["reason"], "not_new_user");
}
