//! Login of the portal family: its answers, its errors, and the landing that a native app says.

use insta::assert_snapshot;
use serde_json::json;

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
