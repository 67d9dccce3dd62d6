//! Login by a mailed code.

use std::collections::BTreeSet;
use std::time::Duration;

use insta::assert_snapshot;

use crate::server::{Answer, Browser, START, Server, all_alike};
use crate::stores::on_every_store;

const MINUTES_10: Duration = Duration::from_mins(10);

/// A code that is not the right one.
pub fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[on_every_store]
async fn a_newcomer_logs_in() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let started = browser.post("/v1/auth/email/start", r#"{"email":" Ada@Example.com "}"#).await;
    assert_snapshot!(started.shown(), @r#"200 {"request_id":"<uuid>"}"#);
    let request_id = started.json()["request_id"].as_str().unwrap().to_owned();
    let verified = browser.verify(&request_id, &server.code("ada@example.com")).await;
    assert_snapshot!(verified.shown(), @r#"200 {"user":{"id":"<uuid>","email":"ada@example.com","display_name":"","avatar_url":"","billing_customer_id":"","created_at":"<time>","updated_at":"<time>"}}"#);
    let me = browser.get("/v1/auth/me").await;
    assert_snapshot!(me.shown(), @r#"200 {"user":{"id":"<uuid>","email":"ada@example.com","display_name":"","avatar_url":"","billing_customer_id":"","created_at":"<time>","updated_at":"<time>"},"provider":"email"}"#);
}

#[on_every_store]
async fn whoever_comes_back_is_the_same_user_with_another_session() {
    let server = Server::start().await;
    let mut first = server.browser();
    let before = server.log_in(&mut first, "ada@example.com").await;
    server.pass(Duration::from_hours(2));
    let mut second = server.browser();
    let after = server.log_in(&mut second, "ADA@example.com").await;
    assert_eq!(before.json(), after.json());
    assert_ne!(first.cookies["nl_session"], second.cookies["nl_session"]);
    let types = server.types().await;
    assert_eq!(types.iter().filter(|name| *name == "UserRegistered.v1").count(), 1);
    assert_eq!(types.iter().filter(|name| *name == "SessionOpened.v1").count(), 2);
    assert_eq!(first.get("/v1/auth/me").await.status, 200);
    assert_eq!(second.get("/v1/auth/me").await.status, 200);
}

#[on_every_store]
async fn what_is_no_address_gets_no_code() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let before = server.log().await.len();
    let mut shown = vec![];
    for body in [
        r#"{"email":"nobody"}"#,
        r#"{"email":""}"#,
        r#"{"email":null}"#,
        r#"{"email":"ada@localhost"}"#,
        r#"{"email":"a@b.c, d@e.f"}"#,
        r#"{"email":"ada@example.com\r\nBcc: eve@example.com"}"#,
        r"{}",
    ] {
        shown.push(browser.post("/v1/auth/email/start", body).await.shown());
    }
    assert_snapshot!(all_alike(shown), @r#"400 {"error":"invalid_email","message":"This is not an e-mail address.","request_id":"<uuid>"}"#);
    assert_eq!(server.log().await.len(), before);
}

#[on_every_store]
async fn a_wrong_code_is_refused_and_the_right_one_still_works() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    let answer = browser.verify(&request_id, wrong(&code)).await;
    assert_snapshot!(answer.shown(), @r#"400 {"error":"invalid_code","message":"The code is not right.","request_id":"<uuid>"}"#);
    assert!(answer.all("set-cookie").is_empty());
    // As people type it off a mail.
    let spaced = format!(" {} {} ", &code[..3], &code[3..]);
    assert_eq!(browser.verify(&request_id, &spaced).await.status, 200);
}

#[on_every_store]
async fn a_malformed_code_is_refused_without_being_counted() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    for code in ["", "12345", "1234567", "12345x", "١٢٣٤٥", "-12345", "12345²", "①②③④⑤⑥"]
    {
        let answer = browser.verify(&request_id, code).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_code"), "{code:?}");
    }
    for code in ["-123456", "1234567", "123456.5", "1e7", "null"] {
        let body = format!(r#"{{"request_id":"{request_id}","code":{code}}}"#);
        let answer = browser.post("/v1/auth/email/verify", body).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_code"), "{code}");
    }
    let missing = format!(r#"{{"request_id":"{request_id}"}}"#);
    assert_eq!(browser.post("/v1/auth/email/verify", missing).await.error(), "invalid_code");
    let types = server.types().await;
    assert!(!types.contains(&"CodeRejected.v1".to_owned()), "{types:?}");
    let code = server.code("ada@example.com");
    assert_eq!(browser.verify(&request_id, &code).await.status, 200);
}

#[on_every_store]
async fn a_code_works_once() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    assert_eq!(browser.verify(&request_id, &code).await.status, 200);
    let again = browser.verify(&request_id, &code).await;
    assert_snapshot!(again.shown(), @r#"400 {"error":"invalid_request","message":"There is no such login to verify. Start again.","request_id":"<uuid>"}"#);
    assert!(again.all("set-cookie").is_empty());
}

#[on_every_store]
async fn five_wrong_codes_lock_the_login_and_no_other() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let attacked = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    let other = browser.start("ada@example.com").await;
    let other_code = server.code("ada@example.com");
    for _ in 0..5 {
        assert_eq!(browser.verify(&attacked, wrong(&code)).await.error(), "invalid_code");
    }
    assert_eq!(browser.verify(&attacked, &code).await.error(), "invalid_request");
    assert_eq!(browser.verify(&attacked, wrong(&code)).await.error(), "invalid_request");
    let types = server.types().await;
    let count = |name: &str| types.iter().filter(|found| *found == name).count();
    assert_eq!((count("CodeRejected.v1"), count("LoginLocked.v1")), (5, 1));
    assert_eq!(browser.verify(&other, &other_code).await.status, 200);
}

#[on_every_store]
async fn a_code_is_good_for_less_than_ten_minutes() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    server.pass(MINUTES_10.checked_sub(Duration::from_micros(1)).unwrap());
    assert_eq!(browser.verify(&request_id, &code).await.status, 200);

    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    server.pass(MINUTES_10);
    assert_eq!(browser.verify(&request_id, &code).await.error(), "invalid_request");
    assert!(server.types().await.contains(&"LoginExpired.v1".to_owned()));
}

#[on_every_store]
async fn a_clock_that_is_set_back_reopens_nothing() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let seen = browser.start("ada@example.com").await;
    let seen_code = server.code("ada@example.com");
    let unseen = browser.start("ada@example.com").await;
    let unseen_code = server.code("ada@example.com");
    server.pass(MINUTES_10);
    assert_eq!(browser.verify(&seen, &seen_code).await.error(), "invalid_request");
    server.clock.set(START);
    assert_eq!(browser.verify(&seen, &seen_code).await.error(), "invalid_request");
    // This one was never tried while it was late; the clock stands still instead.
    assert_eq!(browser.verify(&unseen, &unseen_code).await.error(), "invalid_request");
}

#[on_every_store]
async fn a_clock_that_is_set_back_while_it_is_down_reopens_nothing() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let seen = browser.start("ada@example.com").await;
    let seen_code = server.code("ada@example.com");
    let unseen = browser.start("bob@example.com").await;
    let unseen_code = server.code("bob@example.com");
    server.pass(MINUTES_10);
    assert_eq!(browser.verify(&seen, &seen_code).await.error(), "invalid_request");
    drop(browser);
    let server = server.restarted(START).await;
    let mut browser = server.browser();
    assert_eq!(browser.verify(&seen, &seen_code).await.error(), "invalid_request");
    // The log knows that it was later already.
    assert_eq!(browser.verify(&unseen, &unseen_code).await.error(), "invalid_request");
}

#[on_every_store]
async fn a_login_goes_on_after_a_restart() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    assert_eq!(browser.verify(&request_id, wrong(&code)).await.error(), "invalid_code");
    drop(browser);
    let server = server.restarted(START).await;
    let mut browser = server.browser();
    // The wrong code before still counts: four more lock it.
    for _ in 0..3 {
        assert_eq!(browser.verify(&request_id, wrong(&code)).await.error(), "invalid_code");
    }
    assert_eq!(browser.verify(&request_id, &code).await.status, 200);
    let cookies = browser.cookies.clone();
    drop(browser);
    let server = server.restarted(START).await;
    let mut browser = server.browser();
    browser.cookies = cookies;
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
}

#[on_every_store]
async fn the_sixth_code_of_an_hour_is_refused() {
    let server = Server::start().await;
    let mut browser = server.browser();
    for _ in 0..5 {
        browser.start("ada@example.com").await;
        server.pass(Duration::from_secs(1));
    }
    let body = r#"{"email":"ada@example.com"}"#;
    let refused = browser.post("/v1/auth/email/start", body).await;
    assert_snapshot!(refused.shown(), @r#"429 {"error":"rate_limited","message":"Too often. Try again later.","request_id":"<uuid>"}"#);
    assert_eq!(refused.header("retry-after").unwrap(), "3600");
    server.pass(Duration::from_millis(3_000_500));
    let refused = browser.post("/v1/auth/email/start", body).await;
    assert_eq!(
        refused.header("retry-after").unwrap(),
        "3600",
        "it does not tell when codes went out"
    );
    let throttled =
        |types: Vec<String>| types.into_iter().filter(|name| name == "LoginThrottled.v1").count();
    assert_eq!(throttled(server.types().await), 1);
    // Other addresses are not concerned.
    browser.start("bob@example.com").await;
    server.clock.set(START + Duration::from_hours(1));
    browser.start("ada@example.com").await;
    let refused = browser.post("/v1/auth/email/start", body).await;
    assert_eq!((refused.status, refused.header("retry-after").unwrap().as_str()), (429, "3600"));
    assert_eq!(throttled(server.types().await), 2, "another window, another record");
}

#[on_every_store]
async fn the_limit_survives_a_restart() {
    let server = Server::start().await;
    let mut browser = server.browser();
    for _ in 0..5 {
        browser.start("ada@example.com").await;
    }
    drop(browser);
    let server = server.restarted(START).await;
    let answer =
        server.browser().post("/v1/auth/email/start", r#"{"email":"ada@example.com"}"#).await;
    assert_eq!(answer.status, 429);
}

#[on_every_store]
async fn nobody_learns_who_has_an_account() {
    let server = Server::start().await;
    server.signed_in("known@example.com").await;
    let ask = async |email: &str| {
        let body = format!(r#"{{"email":"{email}"}}"#);
        let answer = server.browser().post("/v1/auth/email/start", body).await;
        let names: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
        (answer.shown(), names)
    };
    assert_eq!(ask("known@example.com").await, ask("unknown@example.com").await);
    for email in ["known@example.com", "unknown@example.com"] {
        for _ in 0..4 {
            ask(email).await;
        }
    }
    assert_eq!(ask("known@example.com").await, ask("unknown@example.com").await);
}

#[on_every_store]
async fn a_login_that_cannot_be_verified_does_not_say_why() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let unknown = "00000000-0000-4000-8000-000000000000".to_owned();
    let consumed = browser.start("consumed@example.com").await;
    browser.verify(&consumed, &server.code("consumed@example.com")).await;
    let locked = browser.start("locked@example.com").await;
    for _ in 0..5 {
        browser.verify(&locked, wrong(&server_code(&server, "locked@example.com"))).await;
    }
    let expired = browser.start("expired@example.com").await;
    server.pass(MINUTES_10);
    let mut fresh = server.browser();
    let mut answers = vec![];
    for request_id in [&unknown, &consumed, &locked, &expired, &expired, &"no uuid".to_owned()] {
        let answer = fresh.verify(request_id, "123456").await;
        answers.push((answer.shown(), header_names(&answer)));
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
}

/// The wrong codes do not depend on the right one, which is read once.
fn server_code(server: &Server, email: &str) -> String {
    let address = whence_events::EmailAddress::parse(email).unwrap();
    server.app.mailer.memory().unwrap().take_code(&address).unwrap_or_default()
}

fn header_names(answer: &Answer) -> BTreeSet<String> {
    answer.headers.keys().map(ToString::to_string).collect()
}

#[on_every_store]
async fn another_site_logs_nobody_in() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    let mut elsewhere: Browser = browser.clone();
    elsewhere.headers.push(("sec-fetch-site", "cross-site".into()));
    let refused = elsewhere.verify(&request_id, &code).await;
    assert_snapshot!(refused.shown(), @r#"403 {"error":"csrf_invalid","message":"A page of another site may not do this.","request_id":"<uuid>"}"#);
    assert!(refused.all("set-cookie").is_empty());
    browser.headers.push(("sec-fetch-site", "same-site".into()));
    assert_eq!(browser.verify(&request_id, &code).await.status, 200);
}
