//! Who may read a snapshot: bearers of a token of ours, in time, whose session goes on.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insta::assert_snapshot;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::user_id;
use crate::server::{Answer, Browser, Server};
use crate::stores::on_every_store;

const PATH: &str = "/api/v1/users/attribution";

/// A client that sends an access token of this session instead of its cookies.
pub(super) async fn with_bearer(browser: &Browser) -> Browser {
    let mut bearer = browser.clone();
    let token = token(browser).await;
    bearer.cookies.clear();
    bearer.headers.push(("authorization", format!("Bearer {token}")));
    bearer
}

async fn token(browser: &Browser) -> String {
    let mut browser = browser.clone().with_csrf();
    let answer = browser.post("/v1/auth/token", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn ask(server: &Server, authorization: &str) -> Answer {
    let mut browser = server.browser();
    let request = browser.request("GET", PATH).header("authorization", authorization);
    browser.send(request).await
}

#[track_caller]
fn assert_unauthorized(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(answer.json()["error"]["code"], "AUTH_UNAUTHORIZED");
    assert_eq!(answer.json()["error"]["i18nKey"], "auth.login.invalid_credentials");
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[on_every_store]
async fn a_token_is_asked_for_and_says_little() {
    let server = Server::start().await;
    let browser = server.signed_in("ada@example.com").await;
    let answer = browser.clone().with_csrf().post("/v1/auth/token", "").await;
    assert_eq!(
        (answer.json()["token_type"].as_str(), answer.json()["expires_in"].as_u64()),
        (Some("Bearer"), Some(900))
    );
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(part(&token, 0)["alg"], "EdDSA");
    let claims = part(&token, 1);
    let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
}

#[on_every_store]
async fn without_a_token_it_is_401() {
    let server = Server::start().await;
    let answer = server.browser().get(PATH).await;
    assert_snapshot!(answer.shown(), @r#"401 {"success":false,"error":{"code":"AUTH_UNAUTHORIZED","message":"Invalid credentials","i18nKey":"auth.login.invalid_credentials","i18nVars":{"field":"authorization"},"details":[{"field":"authorization","message":"Invalid credentials"}],"correlationId":"<uuid>"}}"#);
    for garbage in ["Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer ..", "Basic YTpi"] {
        assert_unauthorized(&ask(&server, garbage).await);
    }
    assert_unauthorized(&ask(&server, &format!("Bearer {}", "x".repeat(5000))).await);
}

#[on_every_store]
async fn a_token_ends_with_its_time_and_with_its_session() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    let first = format!("bearer {}", token(&browser).await);
    assert_eq!(ask(&server, &first).await.status, 200, "the scheme has no case");
    server.pass(Duration::from_secs(899));
    assert_eq!(ask(&server, &first).await.status, 200);
    server.pass(Duration::from_secs(1));
    assert_unauthorized(&ask(&server, &first).await);
    let second = format!("Bearer {}", token(&browser).await);
    browser = browser.with_csrf();
    assert_eq!(browser.post("/v1/auth/logout", "").await.status, 200);
    assert_unauthorized(&ask(&server, &second).await);
}

#[on_every_store]
async fn forged_tokens_are_401() {
    let server = Server::start().await;
    let browser = server.signed_in("ada@example.com").await;
    let token = token(&browser).await;
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let (said, told) = (part(&token, 0), part(&token, 1));
    let jwks = server.browser().get("/.well-known/jwks.json").await.json();
    let public = jwks["keys"][0]["x"].as_str().unwrap();
    assert_eq!(jwks["keys"][0]["kid"], said["kid"]);

    // No signature at all.
    for alg in ["none", "None", "NONE", ""] {
        let unsigned = encoded(&json!({ "alg": alg, "typ": "JWT", "kid": said["kid"] }));
        assert_unauthorized(&ask(&server, &format!("Bearer {unsigned}.{claims}.")).await);
        assert_unauthorized(
            &ask(&server, &format!("Bearer {unsigned}.{claims}.{signature}")).await,
        );
    }
    // The public key, which everybody has, as an HMAC secret.
    let kid = said["kid"].as_str().map(str::to_owned);
    for secret in [public.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(public).unwrap()] {
        let hs256 = Header { kid: kid.clone(), ..Header::new(Algorithm::HS256) };
        let key = EncodingKey::from_secret(&secret);
        let forged = jsonwebtoken::encode(&hs256, &told, &key).unwrap();
        assert_unauthorized(&ask(&server, &format!("Bearer {forged}")).await);
    }
    // Changed claims, and a changed signature.
    let mut later = told.clone();
    later["exp"] = json!(9_999_999_999_i64);
    assert_unauthorized(
        &ask(&server, &format!("Bearer {header}.{}.{signature}", encoded(&later))).await,
    );
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let wrong = format!("Bearer {header}.{claims}.{flipped}{}", &signature[1..]);
    assert_unauthorized(&ask(&server, &wrong).await);
}

/// The same service under another name, and another service, with the same user and session ids,
/// are not there to be had over HTTP; that their tokens fail is also a unit test of `app/access_tokens.rs`.
#[on_every_store]
async fn tokens_of_other_services_are_401() {
    let key = "07".repeat(32);
    let flags = |url| ["--master-key", &key, "--public-url", url].map(str::to_owned);
    let start = async |flags: [String; 4]| {
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        Server::with(&flags).await
    };
    let here = start(flags("http://localhost:1")).await;
    let renamed = start(flags("http://localhost:2")).await;
    let other = Server::with(&["--public-url", "http://localhost:1"]).await;
    for server in [&renamed, &other] {
        let token = token(&server.signed_in("ada@example.com").await).await;
        assert_eq!(ask(server, &format!("Bearer {token}")).await.status, 200);
        assert_unauthorized(&ask(&here, &format!("Bearer {token}")).await);
    }
}

#[on_every_store]
async fn the_user_of_a_right_token_is_gone() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let user_id = user_id(&server.log_in(&mut browser, "ada@example.com").await);
    let token = format!("Bearer {}", token(&browser).await);
    server.app.erase_user(user_id, "test").await.unwrap();
    server.settle().await;
    let answer = ask(&server, &token).await;
    assert_snapshot!(answer.shown(), @r#"404 {"success":false,"error":{"code":"NOT_FOUND","message":"User not found","i18nKey":"error.user.not_found","i18nVars":{},"details":[],"correlationId":"<uuid>"}}"#);
}
