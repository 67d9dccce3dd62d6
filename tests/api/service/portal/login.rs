//! Login of the portal family: its answers, its errors, and the landing that a native app says.

use insta::assert_snapshot;
use serde_json::json;
use whence_events::{AttributionCaptured, Event, TouchEvent, TouchRecorded, UserEvent};

use super::{log_in, started};
use crate::server::{Server, masked};
use crate::stores::on_every_store;

const START: &str = "/api/v1/auth/login/start";
const LOGIN: &str = "/api/v1/auth/login";

#[on_every_store]
async fn a_login_answers_with_tokens() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let start = browser.post(START, r#"{"email":" Ada@Example.com "}"#).await;
    assert_snapshot!(start.shown(), @r#"200 {"success":true,"data":{"requestId":"<uuid>","expiresAt":"<time>"}}"#);
    assert_eq!(start.json()["data"]["expiresAt"], "2026-01-01T00:10:00.000Z");
    let request_id = start.json()["data"]["requestId"].clone();
    let code = server.code("ada@example.com");
    // Hyphens and blanks are no part of a code, in either family.
    let code = format!(" {}-{}", &code[..3], &code[3..]);
    let body = json!({ "requestId": request_id, "code": code, "tokenDelivery": "body" });
    let login = browser.post(LOGIN, body.to_string()).await;
    let data = login.json()["data"].clone();
    let mut names: Vec<_> = data.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accessToken", "expiresIn", "isNewUser", "refreshToken"]);
    assert_eq!((&data["expiresIn"], &data["isNewUser"]), (&json!(900), &json!(true)));
    // The device is known from now on, and no other cookie is set.
    assert!(browser.cookies.keys().eq(["whence_device"]), "{:?}", browser.cookies);
    let again = log_in(&server, &mut browser, "ada@example.com", &json!({})).await;
    assert_eq!(again.json()["data"]["isNewUser"], false);
    // A login that began in one family can end in the other.
    let request_id = started(&mut browser, "bob@example.com", &json!({})).await;
    let verified = browser.verify(&request_id, &server.code("bob@example.com")).await;
    assert_eq!(verified.json()["user"]["email"], "bob@example.com");
}

#[on_every_store]
async fn errors_say_which_field_is_wrong_and_how_long_to_wait() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let invalid = browser.post(START, r#"{"email":"ada"}"#).await;
    assert_snapshot!(invalid.shown(), @r#"400 {"success":false,"error":{"code":"BAD_REQUEST","message":"This is not an e-mail address.","i18nKey":"auth.login.invalid_email","i18nVars":{"field":"email"},"details":[{"field":"email","message":"This is not an e-mail address."}],"correlationId":"<uuid>"}}"#);
    let missing = browser.post(START, "").await;
    assert_eq!(masked(&missing.text), masked(&invalid.text));
    let typed = browser.post(START, r#"{"email":"ada@example.com","utmSource":{}}"#).await;
    assert_snapshot!(typed.shown(), @r#"400 {"success":false,"error":{"code":"BAD_REQUEST","message":"It has to be a text.","i18nKey":"error.invalid_field","i18nVars":{"field":"utmSource"},"details":[{"field":"utmSource","message":"It has to be a text."}],"correlationId":"<uuid>"}}"#);
    let json = browser.post(START, "[]").await;
    assert_snapshot!(json.shown(), @r#"400 {"success":false,"error":{"code":"BAD_REQUEST","message":"The body is not the JSON that is expected.","i18nKey":"error.bad_request","i18nVars":{"field":"body"},"details":[{"field":"body","message":"The body is not the JSON that is expected."}],"correlationId":"<uuid>"}}"#);
    let request_id = started(&mut browser, "ada@example.com", &json!({})).await;
    let code = server.code("ada@example.com");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let body = json!({ "requestId": request_id, "code": wrong }).to_string();
    let refused = browser.post(LOGIN, body).await;
    assert_snapshot!(refused.shown(), @r#"401 {"success":false,"error":{"code":"AUTH_UNAUTHORIZED","message":"The code is not right.","i18nKey":"auth.login.invalid_credentials","i18nVars":{"field":"code"},"details":[{"field":"code","message":"The code is not right."}],"correlationId":"<uuid>"}}"#);
    for request_id in ["", "x", "01234567-89ab-4cde-8f01-23456789abcd"] {
        let body = json!({ "requestId": request_id, "code": code }).to_string();
        let refused = browser.post(LOGIN, body).await;
        assert_snapshot!(refused.shown(), @r#"401 {"success":false,"error":{"code":"AUTH_UNAUTHORIZED","message":"There is no such login to verify. Start again.","i18nKey":"auth.login.invalid_credentials","i18nVars":{"field":"requestId"},"details":[{"field":"requestId","message":"There is no such login to verify. Start again."}],"correlationId":"<uuid>"}}"#);
    }
    let body = json!({ "requestId": request_id, "code": code, "tokenDelivery": "mail" });
    let refused = browser.post(LOGIN, body.to_string()).await;
    assert_eq!(refused.json()["error"]["details"][0]["field"], "tokenDelivery", "{}", refused.text);
    // That burnt no code.
    let body = json!({ "requestId": request_id, "code": code }).to_string();
    assert_eq!(browser.post(LOGIN, body).await.status, 200);
    let verb = browser.get(LOGIN).await;
    assert_snapshot!(verb.shown(), @r#"405 {"success":false,"error":{"code":"METHOD_NOT_ALLOWED","message":"This cannot be done here.","i18nKey":"error.method_not_allowed","i18nVars":{"allow":"POST"},"details":[{"message":"Allowed here: POST."}],"correlationId":"<uuid>"}}"#);
    let mut stranger = server.browser();
    for _ in 0..5 {
        started(&mut stranger, "eve@example.com", &json!({})).await;
    }
    let limited = stranger.post(START, r#"{"email":"eve@example.com"}"#).await;
    assert_snapshot!(limited.shown(), @r#"429 {"success":false,"error":{"code":"RATE_LIMITED","message":"Too often. Try again later.","i18nKey":"error.rate_limited","i18nVars":{"retryAfterSeconds":3600},"details":[{"message":"Another try helps in 3600 seconds."}],"correlationId":"<uuid>"}}"#);
    assert_eq!(limited.header("retry-after").as_deref(), Some("3600"));
}

/// The one snapshot that was captured of an address's user, and the touches that clients said.
async fn captured(server: &Server) -> (AttributionCaptured, Vec<TouchRecorded>) {
    let (mut snapshots, mut touches) = (vec![], vec![]);
    for recorded in server.log().await {
        match recorded.event {
            Event::User(event) => {
                if let UserEvent::AttributionCaptured(snapshot) = *event {
                    snapshots.push(snapshot);
                }
            }
            Event::Touch(event) => {
                if let TouchEvent::TouchRecorded(touch) = *event
                    && touch.said_by_client
                {
                    touches.push(touch);
                }
            }
            _ => {}
        }
    }
    (snapshots.pop().unwrap(), touches)
}

#[on_every_store]
async fn an_app_says_its_landing_which_survives_the_mail_and_the_process() {
    let flags = ["--record-touches", "none"];
    let server = Server::with(&flags).await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    drop(ada);
    let mut app = server.browser();
    app.headers.push(("user-agent", "okhttp/4.12.0".into()));
    let said = json!({
        "referralCode": format!("https://login.test/r/{}", code.to_lowercase()),
        "utmSource": " News\u{200b}letter ",
        "utmCampaign": "x".repeat(300),
        "landingPage": "https://www.shop.test/creators/nobody?utm_source=other&utm_medium=mail&gclid=1",
        "referrerUrl": "https://news.test/article?reader=7",
        "creatorHandle": "",
    });
    let request_id = started(&mut app, "bob@example.com", &said).await;
    let mail = server.code("bob@example.com");
    drop(app);
    let now = server.clock.now() + std::time::Duration::from_mins(5);
    let server = server.restarted_with(now, &flags).await;
    let mut app = server.browser();
    let body = json!({ "requestId": request_id, "code": mail, "tokenDelivery": "body" });
    let login = app.post(LOGIN, body.to_string()).await;
    assert_eq!(login.json()["data"]["isNewUser"], true, "{}", login.text);
    let bearer = login.json()["data"]["accessToken"].as_str().unwrap().to_owned();
    let request = app.request("GET", "/api/v1/users/attribution").bearer_auth(bearer);
    let snapshot = app.send(request).await.json()["data"].clone();
    assert_eq!(snapshot["referralCode"], code.as_str());
    assert_eq!(snapshot["utmSource"], "Newsletter");
    assert_eq!(snapshot["utmMedium"], "mail");
    assert_eq!(snapshot["utmCampaign"].as_str().unwrap().len(), 255);
    assert_eq!(snapshot["firstLandingPage"], "/creators/nobody");
    assert_eq!(snapshot["firstReferrerUrl"], "https://news.test/article");
    let (captured, touches) = captured(&server).await;
    assert!(captured.said_by_client && captured.touch_id.is_some());
    assert_eq!(captured.click_ids.get("gclid").map(String::as_str), Some("1"));
    let [touch] = &touches[..] else { panic!("{touches:?}") };
    assert!(!touch.bot && touch.agent.is_none() && touch.owner.is_some());
    assert_eq!(touch.referrer_domain.as_deref(), Some("news.test"));
}

#[on_every_store]
async fn cookies_count_before_what_an_app_says() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    let mut bob = server.browser();
    assert_eq!(bob.get("/r/NOBODYS1?utm_source=paper").await.status, 302);
    let said = json!({ "referralCode": code, "utmSource": "app", "landingPage": "/app" });
    log_in(&server, &mut bob, "bob@example.com", &said).await;
    let (first, touches) = captured(&server).await;
    assert_eq!((first.utm_source.as_deref(), first.said_by_client), (Some("paper"), false));
    assert_eq!(touches.len(), 1);
    assert!(!server.types().await.iter().any(|stored| stored == "ReferralAttributed.v1"));
    // Of two parts one can be a cookie's.
    let mut eve = server.browser();
    assert_eq!(eve.get("/r?utm_source=paper").await.status, 302);
    log_in(&server, &mut eve, "eve@example.com", &said).await;
    let (first, _) = captured(&server).await;
    assert_eq!((first.utm_source.as_deref(), first.said_by_client), (Some("paper"), false));
    assert!(server.types().await.iter().any(|stored| stored == "ReferralAttributed.v1"));
}

#[on_every_store]
async fn what_an_app_says_is_optional_and_can_be_refused() {
    let server = Server::start().await;
    let mut app = server.browser();
    for (n, said) in [
        json!({}),
        json!({ "utmSource": "", "landingPage": " ", "referrerUrl": null, "unheard": [1] }),
        json!({ "utmSource": "app", "consent": "denied" }),
    ]
    .iter()
    .enumerate()
    {
        log_in(&server, &mut app, &format!("u{n}@example.com"), said).await;
        let (snapshot, touches) = captured(&server).await;
        assert!(touches.is_empty() && !snapshot.said_by_client, "{said}");
        assert_eq!((snapshot.utm_source, snapshot.first_landing_page), (None, None));
        app.cookies.clear();
    }
    // What says no page has none; what cannot be a code is none.
    let odd = json!({ "utmSource": 2026, "referralCode": "a b@c", "referrerUrl": "nonsense" });
    log_in(&server, &mut app, "odd@example.com", &odd).await;
    let (snapshot, touches) = captured(&server).await;
    assert_eq!(snapshot.utm_source.as_deref(), Some("2026"));
    assert_eq!((snapshot.first_landing_page, snapshot.first_referrer_url), (None, None));
    assert_eq!((touches.len(), touches[0].code.is_none()), (1, true));
    let wrong = json!({ "email": "ada@example.com", "consent": "perhaps" }).to_string();
    let refused = app.post(START, wrong).await;
    assert_eq!(refused.json()["error"]["i18nVars"]["field"], "consent", "{}", refused.text);
}

/// A later login is not of the snapshot, and its landing is the user's all the same.
#[on_every_store]
async fn an_erasure_reaches_every_landing_that_the_user_said() {
    let server = Server::start().await;
    let mut app = server.browser();
    let said = |n| json!({ "referrerUrl": format!("https://news.test/{n}"), "utmSource": "app" });
    log_in(&server, &mut app, "ada@example.com", &said(1)).await;
    let again = log_in(&server, &mut app, "ada@example.com", &said(2)).await;
    // Who cannot read the mail of the address says nothing about its owner.
    started(&mut server.browser(), "ada@example.com", &said(3)).await;
    let bearer = again.json()["data"]["accessToken"].as_str().unwrap().to_owned();
    let request = app.request("GET", "/api/v1/users/profile").bearer_auth(bearer);
    let id = app.send(request).await.json()["data"]["id"].as_str().unwrap().parse().unwrap();
    let erased = server.app.erase_user(id, "test").await.unwrap();
    assert_eq!(erased.removed.touches, 2);
    for recorded in server.log().await {
        let Event::Touch(event) = &recorded.event else { continue };
        let TouchEvent::TouchRecorded(touch) = &**event else { continue };
        let (vault, sealed) = (&server.app.engine.vault, touch.referrer_url.as_ref().unwrap());
        let opened = vault.open(&recorded.stream, recorded.version, "referrer_url", sealed);
        let opened = opened.await.unwrap();
        assert!(opened.is_none_or(|url| url == "https://news.test/3"));
    }
}
