//! `POST /v1/auth/attribute`: its answers, and each reason that can be met over HTTP.

use std::time::Duration;

use insta::assert_snapshot;
use whence_events::{Signal, Via};

use super::{
    assert_cleared, attribute, decisions, landed, referrer, register_first, user_id, with_cookie,
};
use crate::server::Server;
use crate::stores::on_every_store;

const DAY: Duration = Duration::from_hours(24);

#[on_every_store]
async fn the_code_in_the_cookie_is_attributed_once() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = landed(&server, &ada.code).await;
    let bob_id = register_first(&server, &mut bob, "bob@example.com").await;
    let answer = attribute(&mut bob).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":true}"#);
    assert_cleared(&answer, &bob);

    // Called again, with and without a cookie: stable, and the cookie goes each time.
    let again = attribute(&mut bob).await;
    assert_snapshot!(again.shown(), @r#"200 {"attributed":false,"reason":"already_attributed"}"#);
    let mut bob = with_cookie(bob, &ada.code);
    let again = attribute(&mut bob).await;
    assert_snapshot!(again.shown(), @r#"200 {"attributed":false,"reason":"already_attributed"}"#);
    assert_cleared(&again, &bob);

    let (attributed, _) = decisions(&server, bob_id).await;
    assert_eq!(attributed.len(), 1);
    assert_eq!((attributed[0].referrer_id, attributed[0].via), (ada.user_id, Via::Attribute));
    assert_eq!(attributed[0].code.as_str(), ada.code);
    assert!(attributed[0].touch_id.is_some() && attributed[0].touched_at.is_some());
}

#[on_every_store]
async fn a_login_decides_on_the_cookie_it_brings() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = landed(&server, &ada.code).await;
    let verified = server.log_in(&mut bob, "bob@example.com").await;
    assert_cleared(&verified, &bob);
    let (attributed, _) = decisions(&server, user_id(&verified)).await;
    assert_eq!((attributed[0].referrer_id, attributed[0].via), (ada.user_id, Via::Verify));
    let after = attribute(&mut bob).await;
    assert_snapshot!(after.shown(), @r#"200 {"attributed":false,"reason":"already_attributed"}"#);
}

#[on_every_store]
async fn the_body_is_ignored_whatever_it_is() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    let huge = "x".repeat(8 * 1024 * 1024);
    for body in ["", "{", "null", r#"{"referral_code":"OTHER"}"#, "\0\u{1}\u{2}", huge.as_str()] {
        let answer = browser.post("/v1/auth/attribute", body).await;
        assert_eq!(answer.shown(), r#"200 {"attributed":false,"reason":"no_cookie"}"#);
    }
    let bare = browser.request("POST", "/v1/auth/attribute");
    let answer = browser.send(bare).await;
    assert_eq!(answer.json()["reason"], "no_cookie");
    let wrong_type = browser.request("POST", "/v1/auth/attribute").header("content-type", "x/y");
    assert_eq!(browser.send(wrong_type).await.json()["reason"], "no_cookie");
}

#[on_every_store]
async fn without_a_session_it_is_401_and_the_cookie_stays() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut nobody = landed(&server, &ada.code).await;
    let answer = attribute(&mut nobody).await;
    assert_snapshot!(answer.error(), @"unauthenticated");
    assert_eq!((answer.status, answer.all("set-cookie").len()), (401, 0));

    // Garbage, a session that ended by logout, and one that ended by its time.
    nobody.cookies.insert("nl_session".to_owned(), "garbage".to_owned());
    assert_eq!(attribute(&mut nobody).await.status, 401);
    let ended = server.signed_in("bob@example.com").await.with_csrf();
    let mut stale = ended.clone();
    let mut ended = ended;
    assert_eq!(ended.post("/v1/auth/logout", "").await.status, 200);
    stale.cookies.insert("ref_code".to_owned(), ada.code.clone());
    assert_eq!(attribute(&mut stale).await.status, 401);
    assert!(stale.cookies.contains_key("ref_code"));
    let mut late = with_cookie(server.signed_in("eve@example.com").await, &ada.code);
    server.pass(31 * DAY);
    assert_eq!(attribute(&mut late).await.status, 401);
    assert!(late.cookies.contains_key("ref_code"));
}

#[on_every_store]
async fn other_verbs_are_refused() {
    let server = Server::start().await;
    let mut browser = server.browser();
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let answer = browser.send(browser.request(method, "/v1/auth/attribute")).await;
        assert_eq!((answer.status, answer.error().as_str()), (405, "method_not_allowed"));
    }
}

#[on_every_store]
async fn no_cookie() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    let before = server.log().await.len();
    let answer = attribute(&mut browser).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"no_cookie"}"#);
    server.onboarded(&mut browser).await;
    let (attributed, refused) =
        decisions(&server, server.log().await.iter().find_map(user_of).unwrap()).await;
    assert!(attributed.is_empty() && refused.is_empty() && before > 0);
}

fn user_of(recorded: &whence_events::Recorded) -> Option<whence_events::UserId> {
    match &recorded.stream {
        whence_events::StreamId::User(user_id) => Some(*user_id),
        _ => None,
    }
}

#[on_every_store]
async fn invalid_cookie() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let signed = landed(&server, &ada.code).await.cookies["ref_code"].clone();
    let (text, mac) = signed.rsplit_once('.').unwrap();
    let parts: Vec<_> = text.split('.').collect();
    let flipped = if mac.starts_with('A') { "B" } else { "A" };
    let earlier = format!("{}.{}.1.{}.{mac}", parts[0], parts[1], parts[3]);
    for (n, value) in [
        format!("{text}.{flipped}{}", &mac[1..]),
        format!("{text}."),
        earlier,
        signed.replace(&ada.code, "OTHERONE"),
        "-".to_owned(),
        "%00".to_owned(),
        "x".repeat(3000),
        String::new(),
    ]
    .iter()
    .enumerate()
    {
        let user = server.signed_in(&format!("bob{n}@example.com")).await;
        let mut user = with_cookie(user, value);
        let answer = attribute(&mut user).await;
        assert_eq!(answer.text, r#"{"attributed":false,"reason":"invalid_cookie"}"#, "{value}");
        // What has our form is ours to take away; anything else may be another application's.
        if value.split('.').count() == 5 && !value.ends_with('.') {
            assert_cleared(&answer, &user);
        } else {
            assert_eq!((answer.all("set-cookie").len(), &user.cookies["ref_code"]), (0, value));
        }
    }
}

#[on_every_store]
async fn unknown_code() {
    let server = Server::start().await;
    let mut bob = landed(&server, "NEVERWAS").await;
    let bob_id = register_first(&server, &mut bob, "bob@example.com").await;
    let answer = attribute(&mut bob).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"unknown_code"}"#);
    assert_cleared(&answer, &bob);
    let (_, refused) = decisions(&server, bob_id).await;
    assert_eq!(refused[0].code.as_ref().unwrap().as_str(), "NEVERWAS");
    // The same again is answered and not recorded twice.
    let mut bob = with_cookie(bob, "NEVERWAS");
    assert_eq!(attribute(&mut bob).await.json()["reason"], "unknown_code");
    assert_eq!(bob.cookies["ref_code"], "NEVERWAS", "a bare code that is nobody's is not ours");
    assert_eq!(decisions(&server, bob_id).await.1.len(), 1);
}

#[on_every_store]
async fn code_inactive_when_disabled_before_the_touch() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut before = landed(&server, &ada.code).await;
    server.pass(Duration::from_secs(1));
    let code = ada.code.parse().unwrap();
    server.app.disable_referral_code(ada.user_id, code, "test").await.unwrap();
    server.pass(Duration::from_secs(1));
    let mut after = landed(&server, &ada.code).await;
    register_first(&server, &mut after, "late@example.com").await;
    let answer = attribute(&mut after).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"code_inactive"}"#);
    assert_cleared(&answer, &after);
    // Whoever followed the link while it was good still counts.
    register_first(&server, &mut before, "early@example.com").await;
    assert_eq!(attribute(&mut before).await.text, r#"{"attributed":true}"#);
}

#[on_every_store]
async fn referrer_ineligible_when_erased() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = landed(&server, &ada.code).await;
    register_first(&server, &mut bob, "bob@example.com").await;
    server.app.erase_user(ada.user_id, "test").await.unwrap();
    let answer = attribute(&mut bob).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"referrer_ineligible"}"#);
    assert_cleared(&answer, &bob);
}

#[on_every_store]
async fn window_expired() {
    let server = Server::with(&["--referral-window-days", "2"]).await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = landed(&server, &ada.code).await;
    let mut eve = landed(&server, &ada.code).await;
    server.pass(2 * DAY);
    register_first(&server, &mut eve, "eve@example.com").await;
    assert_eq!(attribute(&mut eve).await.text, r#"{"attributed":true}"#);
    server.pass(Duration::from_secs(1));
    register_first(&server, &mut bob, "bob@example.com").await;
    let answer = attribute(&mut bob).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"window_expired"}"#);
    assert_cleared(&answer, &bob);
}

#[on_every_store]
async fn not_new_user_when_older_than_the_touch() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = server.signed_in("bob@example.com").await;
    server.pass(Duration::from_secs(1));
    bob.get(&format!("/r/{}", ada.code)).await;
    let answer = attribute(&mut bob).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"not_new_user"}"#);
    assert_cleared(&answer, &bob);
}

#[on_every_store]
async fn not_new_user_when_older_than_the_grace() {
    let server = Server::with(&["--referral-grace-hours", "1"]).await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = landed(&server, &ada.code).await;
    let mut eve = bob.clone();
    register_first(&server, &mut bob, "bob@example.com").await;
    register_first(&server, &mut eve, "eve@example.com").await;
    server.pass(Duration::from_hours(1));
    assert_eq!(attribute(&mut eve).await.text, r#"{"attributed":true}"#);
    server.pass(Duration::from_secs(1));
    let answer = attribute(&mut bob).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"not_new_user"}"#);
}

#[on_every_store]
async fn self_referral_by_an_alias_of_the_same_address() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let gil = referrer(&server, "gil.blas@gmail.com").await;
    for (code, email) in [
        (&ada.code, "ada+2@example.com"),
        (&gil.code, "gilblas@gmail.com"),
        (&gil.code, "g.i.l.blas+x@googlemail.com"),
    ] {
        let mut browser = landed(&server, code).await;
        register_first(&server, &mut browser, email).await;
        let answer = attribute(&mut browser).await;
        assert_eq!(answer.text, r#"{"attributed":false,"reason":"self_referral"}"#, "{email}");
        assert_cleared(&answer, &browser);
    }
    // A dot is another person everywhere else.
    let mut other = landed(&server, &ada.code).await;
    register_first(&server, &mut other, "a.da@example.com").await;
    assert_eq!(attribute(&mut other).await.text, r#"{"attributed":true}"#);
}

/// One's own code: the code is issued after the registration, so that a touch of it is as a rule
/// younger than the account, and only a clock that stands still lets it get past row 41.
#[on_every_store]
async fn self_referral_by_ones_own_code() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut browser = with_cookie(ada.browser.clone(), &ada.code.to_lowercase());
    let answer = attribute(&mut browser).await;
    assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"self_referral"}"#);
}

/// Row 51 is unreachable over HTTP: the user would have to be an ancestor of the code's owner, hence
/// be older than the owner, the code and every touch of it, and row 41 says so first. The row
/// itself is tested in `domain/referral.rs`; here, that no ring comes about.
#[on_every_store]
async fn a_ring_of_referrals_is_not_new_before_it_is_circular() {
    let server = Server::start().await;
    let mut ada = referrer(&server, "ada@example.com").await;
    server.pass(Duration::from_secs(1));
    let mut bob = landed(&server, &ada.code).await;
    server.log_in(&mut bob, "bob@example.com").await;
    let bobs_code = server.onboarded(&mut bob).await;
    server.pass(Duration::from_secs(1));
    ada.browser.get(&format!("/r/{bobs_code}")).await;
    assert_eq!(attribute(&mut ada.browser).await.json()["reason"], "not_new_user");
    let mut bare = with_cookie(ada.browser, &bobs_code);
    assert_eq!(attribute(&mut bare).await.json()["reason"], "not_new_user");
}

#[on_every_store]
async fn a_bare_code_is_believed_and_marked() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = with_cookie(server.browser(), &ada.code.to_lowercase());
    let verified = server.log_in(&mut bob, "bob@example.com").await;
    let (attributed, _) = decisions(&server, user_id(&verified)).await;
    assert_eq!(attributed[0].code.as_str(), ada.code, "as issued");
    assert_eq!(attributed[0].touched_at, None);
    assert!(attributed[0].signals.contains(&Signal::UnsignedCookie));
}
