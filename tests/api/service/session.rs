//! A browser's session: who am I, renewal, CSRF, log me out, a bearer for the other family.

use std::time::Duration;

use insta::assert_snapshot;

use crate::server::{Browser, START, Server, all_alike, until};
use crate::stores::on_every_store;

const DAY: Duration = Duration::from_hours(24);
const UNAUTHENTICATED: &str =
    r#"401 {"error":"unauthenticated","message":"Log in first.","request_id":"<uuid>"}"#;

/// Everything but the bearer tokens needs a session.
#[on_every_store]
async fn without_a_session_there_is_nothing_to_see() {
    let server = Server::start().await;
    let mut somebody = server.signed_in("ada@example.com").await;
    let token = somebody.cookies["nl_session"].clone();
    let forged = flipped(&token);
    for cookie in ["", "x", "\"\"", &token[1..], &forged, &"A".repeat(64), &"A".repeat(5000)] {
        for path in ["/v1/auth/me", "/v1/referrals/me", "/v1/referrals/invitees"] {
            let mut browser = server.browser();
            browser.cookies.insert("nl_session".into(), cookie.into());
            assert_eq!(browser.get(path).await.shown(), UNAUTHENTICATED, "{path} {cookie}");
        }
        let mut browser = server.browser();
        browser.cookies.insert("nl_session".into(), cookie.into());
        assert_eq!(browser.post("/v1/auth/token", "").await.shown(), UNAUTHENTICATED, "{cookie}");
    }
    assert_eq!(server.browser().get("/v1/auth/me").await.shown(), UNAUTHENTICATED);
    assert_eq!(somebody.get("/v1/auth/me").await.status, 200);
}

/// The same session id with another secret.
fn flipped(token: &str) -> String {
    let last = if token.ends_with('A') { "B" } else { "A" };
    format!("{}{last}", &token[..token.len() - 1])
}

#[on_every_store]
async fn of_several_session_cookies_the_one_that_is_in_use_counts() {
    let server = Server::start().await;
    let browser = server.signed_in("ada@example.com").await;
    let good = &browser.cookies["nl_session"];
    for (line, status) in [
        (format!("nl_session={good}; nl_session=x"), 200),
        (format!("nl_session=x; nl_session={good}"), 200),
        (format!("other=1; nl_session=\"{good}\""), 200),
        (format!("NL_SESSION={good}"), 401),
        (format!("__Host-nl_session={good}"), 401),
    ] {
        let request = server.browser().request("GET", "/v1/auth/me").header("cookie", &line);
        assert_eq!(server.browser().send(request).await.status, status, "{line}");
    }
}

#[on_every_store]
async fn a_browser_gets_its_cookies_anew_once_a_week_by_whatever_it_calls() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    let token = browser.cookies["nl_session"].clone();
    let csrf = browser.cookies["nl_csrf"].clone();
    // The tests begin on a Thursday, and weeks on Monday.
    server.clock.set(START + 4 * DAY - Duration::from_micros(1));
    assert!(browser.get("/v1/auth/me").await.all("set-cookie").is_empty(), "the same week");
    for (week, (method, path)) in [
        ("GET", "/v1/auth/me"),
        ("POST", "/v1/auth/token"),
        ("GET", "/v1/referrals/me"),
        ("POST", "/v1/auth/attribute"),
        ("GET", "/v1/auth/sessions"),
    ]
    .into_iter()
    .enumerate()
    {
        server.clock.set(START + 4 * DAY + u32::try_from(week).unwrap() * 7 * DAY);
        let renewed = browser.send(browser.request(method, path)).await;
        assert_eq!(renewed.status, 200, "{path}: {}", renewed.text);
        let lines = renewed.all("set-cookie");
        let lines: Vec<_> = lines.iter().filter(|line| line.starts_with("nl_")).collect();
        let expected = [
            format!("nl_session={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000"),
            format!("nl_csrf={csrf}; SameSite=Lax; Path=/; Max-Age=2592000"),
        ];
        assert_eq!(lines, expected.iter().collect::<Vec<_>>(), "{path}");
        recorded(&server, week + 1).await;
        assert!(browser.get("/v1/auth/me").await.all("set-cookie").is_empty(), "once");
    }
    let end = server.clock.now() + 30 * DAY;
    server.clock.set(end - Duration::from_micros(1));
    assert_eq!(browser.get("/v1/auth/me").await.status, 200, "the last use counts");
}

/// Waits until as many uses of sessions are on record and in the read models.
async fn recorded(server: &Server, uses: usize) {
    until("the use is on record", async || {
        let types = server.types().await;
        types.iter().filter(|name| *name == "SessionExtended.v1").count() >= uses
    })
    .await;
    server.settle().await;
    let types = server.types().await;
    assert_eq!(types.iter().filter(|name| *name == "SessionExtended.v1").count(), uses);
}

#[on_every_store]
async fn a_session_that_is_used_by_bearers_alone_goes_on() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    // Each bearer is issued in one week and used in the next, so that the use counts by itself.
    for week in 1..6 {
        let monday = START + 4 * DAY + (week - 1) * 7 * DAY;
        server.clock.set(monday - Duration::from_mins(5));
        let token = browser.post("/v1/auth/token", "").await.json();
        let token = token["access_token"].as_str().unwrap().to_owned();
        // On Monday morning, and on Sunday for the rest of that week.
        let uses = usize::try_from(2 * (week - 1)).unwrap();
        recorded(&server, uses).await;
        server.clock.set(monday + Duration::from_mins(5));
        assert_eq!(attribution(&server, &token).await.0, 200, "week {week}");
        recorded(&server, uses + 1).await;
    }
}

#[on_every_store]
async fn without_a_period_a_session_is_extended_in_its_second_half() {
    let server = Server::with(&["--session-activity", "none"]).await;
    let mut browser = server.signed_in("ada@example.com").await;
    server.pass(15 * DAY);
    assert!(browser.get("/v1/auth/me").await.all("set-cookie").is_empty(), "half is left");
    server.pass(Duration::from_secs(1));
    assert_eq!(browser.get("/v1/auth/me").await.all("set-cookie").len(), 2);
    recorded(&server, 1).await;
    server.pass((30 * DAY).checked_sub(Duration::from_micros(1)).unwrap());
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
}

#[on_every_store]
async fn by_days_a_use_is_recorded_each_day_and_many_at_once_are_one() {
    let server = Server::with(&["--session-activity", "day"]).await;
    let browser = server.signed_in("ada@example.com").await;
    for day in 1..4 {
        server.clock.set(START + day * DAY);
        let calls = (0..20).map(|_| {
            let mut browser = browser.clone();
            async move { browser.get("/v1/auth/me").await.status }
        });
        assert_eq!(futures::future::join_all(calls).await, [200; 20]);
        recorded(&server, usize::try_from(day).unwrap()).await;
    }
}

#[on_every_store]
async fn a_session_that_nobody_uses_ends_after_thirty_days() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    server.pass(30 * DAY);
    assert_eq!(browser.get("/v1/auth/me").await.shown(), UNAUTHENTICATED);
    let again = browser.get("/v1/auth/me").await;
    assert!(again.all("set-cookie").is_empty(), "an ended session is not renewed");
    assert!(!server.types().await.contains(&"SessionExtended.v1".to_owned()));
}

#[on_every_store]
async fn a_session_ends_after_ninety_days_however_much_it_is_used() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    let mut last_age = String::new();
    for day in 1..90 {
        server.clock.set(START + day * DAY);
        let answer = browser.get("/v1/auth/me").await;
        assert_eq!(answer.status, 200, "day {day}");
        // Mondays at midnight, of which the first one is day 4, and Tuesdays, when it is Monday everywhere.
        recorded(&server, usize::try_from((day + 3) / 7 + (day + 2) / 7).unwrap()).await;
        if let Some(line) = answer.all("set-cookie").first() {
            line.rsplit("Max-Age=").next().unwrap().clone_into(&mut last_age);
        }
    }
    // Renewed for the last time on day 88, a Monday, for what is left of the 90.
    assert_eq!(last_age, (2 * DAY).as_secs().to_string());
    server.clock.set(START + 90 * DAY);
    assert_eq!(browser.get("/v1/auth/me").await.shown(), UNAUTHENTICATED);
    let extended = server.types().await.into_iter().filter(|name| name == "SessionExtended.v1");
    assert_eq!(extended.count(), 26, "twice a week, not at each call");
}

#[on_every_store]
async fn what_changes_something_needs_the_csrf_token_of_the_session() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    let other = server.signed_in("bob@example.com").await;
    let (mut missing, mut invalid) = (vec![], vec![]);
    for path in ["/v1/auth/logout", "/v1/auth/token"] {
        missing.push(browser.post(path, "").await.shown());
        for wrong in [&other.cookies["nl_csrf"], "", "x", &browser.cookies["nl_session"]] {
            let mut forger = browser.clone();
            forger.headers.push(("x-csrf-token", wrong.to_owned()));
            // Planting a matching cookie beside it does not help: the token is bound to the session.
            forger.cookies.insert("nl_csrf".into(), wrong.to_owned());
            let answer = forger.post(path, "").await;
            invalid.push(answer.shown());
            assert!(answer.all("set-cookie").is_empty());
        }
        let mut elsewhere = browser.clone().with_csrf();
        elsewhere.headers.push(("sec-fetch-site", "cross-site".into()));
        assert_eq!(elsewhere.post(path, "").await.error(), "csrf_invalid");
    }
    assert_snapshot!(all_alike(missing), @r#"403 {"error":"csrf_missing","message":"Echo the CSRF cookie in the X-CSRF-Token header.","request_id":"<uuid>"}"#);
    assert_snapshot!(all_alike(invalid), @r#"403 {"error":"csrf_invalid","message":"The CSRF token is not that of this session.","request_id":"<uuid>"}"#);
    assert_eq!(browser.get("/v1/auth/me").await.status, 200, "still logged in");
}

#[on_every_store]
async fn logging_out_ends_the_session_at_once() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    let mut other = server.signed_in("ada@example.com").await;
    let mut stolen = browser.clone();
    assert_eq!(stolen.get("/v1/auth/me").await.status, 200);
    let out = browser.post("/v1/auth/logout", "").await;
    assert_snapshot!(out.shown(), @r#"200 {"ok":true}"#);
    assert_eq!(
        out.all("set-cookie"),
        [
            "nl_session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0",
            "nl_csrf=; SameSite=Lax; Path=/; Max-Age=0",
        ]
    );
    assert!(browser.cookies.keys().eq(["whence_device"]), "only the device is known on");
    assert_eq!(stolen.get("/v1/auth/me").await.shown(), UNAUTHENTICATED);
    assert_eq!(other.get("/v1/auth/me").await.status, 200, "sessions end one by one");
}

#[on_every_store]
async fn logging_out_again_is_fine() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    server.onboarded(&mut browser).await;
    let ok = r#"200 {"ok":true}"#;
    // Revoked, with the token that is still valid for it, and without.
    assert_eq!(browser.clone().post("/v1/auth/logout", "").await.shown(), ok);
    let length = server.log().await.len();
    let again = browser.clone().post("/v1/auth/logout", "").await;
    assert_eq!((again.shown().as_str(), again.all("set-cookie").len()), (ok, 2));
    let mut without = browser.clone();
    without.headers.clear();
    assert_eq!(without.post("/v1/auth/logout", "").await.error(), "csrf_missing");
    // Absent, and no token at all.
    assert_eq!(server.browser().post("/v1/auth/logout", "").await.shown(), ok);
    let mut broken = server.browser();
    broken.cookies.insert("nl_session".into(), "broken".into());
    assert_eq!(broken.post("/v1/auth/logout", "").await.shown(), ok);
    // Forged: nobody has its CSRF token.
    let mut forged = browser.clone();
    let token = flipped(&browser.cookies["nl_session"]);
    forged.cookies.insert("nl_session".into(), token);
    assert_eq!(forged.post("/v1/auth/logout", "").await.error(), "csrf_invalid");
    assert_eq!(server.log().await.len(), length);
}

#[on_every_store]
async fn an_expired_session_can_be_logged_out() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    server.pass(31 * DAY);
    let out = browser.post("/v1/auth/logout", "").await;
    assert_eq!((out.shown().as_str(), out.all("set-cookie").len()), (r#"200 {"ok":true}"#, 2));
}

/// A form on another site, posted as a navigation, carries no Lax cookie, but the browser would keep
/// the cookies of the answer: clearing them there would let any site log its visitors out.
#[on_every_store]
async fn another_site_logs_nobody_out() {
    let server = Server::start().await;
    let mut without_cookies = server.browser();
    without_cookies.headers.push(("sec-fetch-site", "cross-site".into()));
    let answer = without_cookies.post("/v1/auth/logout", "").await;
    assert_eq!((answer.status, answer.error().as_str()), (403, "csrf_invalid"));
    assert!(answer.all("set-cookie").is_empty());
}

#[on_every_store]
async fn a_session_gives_a_bearer_for_the_portal_family() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    let answer = browser.post("/v1/auth/token", "").await;
    let json = answer.json();
    assert_eq!((answer.status, json["token_type"].as_str()), (200, Some("Bearer")));
    assert_eq!(json["expires_in"], 900);
    let token = json["access_token"].as_str().unwrap();
    assert_eq!(attribution(&server, token).await.0, 200);
    server.pass(Duration::from_mins(15));
    let (status, shown) = attribution(&server, token).await;
    assert_eq!(status, 401);
    assert_snapshot!(shown, @r#"401 {"success":false,"error":{"code":"AUTH_UNAUTHORIZED","message":"Invalid credentials","i18nKey":"auth.login.invalid_credentials","i18nVars":{"field":"authorization"},"details":[{"field":"authorization","message":"Invalid credentials"}],"correlationId":"<uuid>"}}"#);
}

#[on_every_store]
async fn the_bearer_of_a_revoked_session_is_refused_at_once() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    let answer = browser.post("/v1/auth/token", "").await.json();
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(attribution(&server, token).await.0, 200);
    browser.post("/v1/auth/logout", "").await;
    assert_eq!(attribution(&server, token).await.0, 401);
}

#[on_every_store]
async fn what_is_no_bearer_of_ours_is_refused() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    let answer = browser.post("/v1/auth/token", "").await.json();
    let token = answer["access_token"].as_str().unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let hs256 = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    // The same keys and session, but a token of another service's.
    let stranger = Server::start().await;
    let mut strange = stranger.signed_in("ada@example.com").await.with_csrf();
    let strange = strange.post("/v1/auth/token", "").await.json();
    for wrong in [
        String::new(),
        "x".into(),
        "a.b.c".into(),
        format!("{none}.{}.", parts[1]),
        format!("{hs256}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], flipped(&parts[2][1..])),
        format!("{}.{}.", parts[0], parts[1]),
        "a".repeat(20_000),
        strange["access_token"].as_str().unwrap().to_owned(),
        browser.cookies["nl_session"].clone(),
    ] {
        assert_eq!(attribution(&server, &wrong).await.0, 401, "{wrong:.40}");
    }
    assert_eq!(attribution(&server, token).await.0, 200);
    assert_eq!(basic(&mut browser, token).await, 401);
}

async fn basic(browser: &mut Browser, token: &str) -> u16 {
    let request = browser.request("GET", "/api/v1/users/attribution");
    browser.send(request.header("authorization", format!("Basic {token}"))).await.status
}

async fn attribution(server: &Server, token: &str) -> (u16, String) {
    let mut browser = server.browser();
    browser.headers.push(("authorization", format!("Bearer {token}")));
    let answer = browser.get("/api/v1/users/attribution").await;
    (answer.status, answer.shown())
}
