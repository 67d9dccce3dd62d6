//! The keys of back-ends: what they open, and what opens nothing.

use std::time::Duration;

use serde_json::{Value, json};
use whence_events::{ApiKeyEvent, Event};

use crate::server::{Answer, Browser, START, Server, until};
use crate::stores::on_every_store;

const TOKEN: &str = "grace=abcdefghij0123456789";
const DAY: Duration = Duration::from_hours(24);
const NOBODY: &str = "0191e0f4-0000-7000-8000-000000000001";

async fn server() -> Server {
    Server::with(&["--admin-token", TOKEN]).await
}

fn operator(server: &Server) -> Browser {
    let mut browser = server.browser();
    browser.headers.push(("x-admin-token", TOKEN["grace=".len()..].to_owned()));
    browser
}

/// Issues a key: its id and its text.
async fn issued(server: &Server, body: Value) -> (String, String) {
    let answer = operator(server).post("/v1/admin/api-keys", body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn key_for(server: &Server, scopes: &[&str]) -> (String, String) {
    issued(server, json!({ "name": "shop", "scopes": scopes })).await
}

async fn change(server: &Server, id: &str, verb: &str, body: Value) -> Answer {
    operator(server).post(&format!("/v1/admin/api-keys/{id}/{verb}"), body.to_string()).await
}

async fn get(server: &Server, key: &str, path: &str) -> Answer {
    let request = server.browser().request("GET", path);
    server.browser().send(request.header("authorization", format!("Bearer {key}"))).await
}

async fn post(server: &Server, key: &str, path: &str, body: String) -> Answer {
    let request = server.browser().request("POST", path).body(body);
    server.browser().send(request.header("authorization", format!("Bearer {key}"))).await
}

async fn user_id(browser: &mut Browser) -> String {
    browser.get("/v1/auth/me").await.json()["user"]["id"].as_str().unwrap().to_owned()
}

async fn listed(server: &Server) -> Vec<Value> {
    let list = operator(server).get("/v1/admin/api-keys").await;
    assert_eq!(list.status, 200, "{}", list.text);
    list.json()["items"].as_array().unwrap().clone()
}

/// The i18n key of an error of the portal family.
fn reason(answer: &Answer) -> String {
    answer.json()["error"]["i18nKey"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn refused(answer: &Answer, why: &str) {
    assert_eq!((answer.status, &*reason(answer)), (401, why), "{}", answer.text);
    assert_eq!(answer.json()["error"]["code"], "AUTH_UNAUTHORIZED");
    assert_eq!(answer.header("www-authenticate").unwrap(), "Bearer error=\"invalid_token\"");
}

fn attribution(id: &str) -> String {
    format!("/api/v1/users/{id}/attribution")
}

#[on_every_store]
async fn a_back_end_reads_the_attribution_of_users() {
    let server = server().await;
    let mut visitor = server.browser();
    visitor.get("/r/ABCDEFGH?utm_source=paper").await;
    server.log_in(&mut visitor, "ada@example.com").await;
    let ada = user_id(&mut visitor).await;
    let mut bob = server.signed_in("bob@example.com").await;
    let bob = user_id(&mut bob).await;
    let (_, key) = key_for(&server, &["attribution:read"]).await;
    let answer = get(&server, &key, &attribution(&ada)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!((&body["success"], &body["data"]["utmSource"]), (&json!(true), &json!("paper")));
    assert_eq!(body["data"].as_object().unwrap().len(), 13);
    let token = visitor.with_csrf().post("/v1/auth/token", "").await.json();
    let own = get(&server, token["access_token"].as_str().unwrap(), "/api/v1/users/attribution");
    assert_eq!(own.await.json(), body, "the same as its user reads");
    let nobody = get(&server, &key, &attribution(NOBODY)).await;
    assert_eq!((nobody.status, &*reason(&nobody)), (404, "error.user.not_found"));
    let wrong = get(&server, &key, &attribution("ada")).await;
    assert_eq!((wrong.status, &*reason(&wrong)), (400, "error.bad_request"));

    let ids = json!({ "ids": [bob, NOBODY, ada, bob] });
    let path = "/api/v1/users/attribution/batch";
    let batch = post(&server, &key, path, ids.to_string()).await;
    assert_eq!(batch.status, 200, "{}", batch.text);
    let items = batch.json()["data"]["items"].as_array().unwrap().clone();
    let asked: Vec<_> = items.iter().map(|item| item["userId"].as_str().unwrap()).collect();
    assert_eq!(asked, [&*bob, NOBODY, &ada, &bob]);
    let found: Vec<_> = items.iter().map(|item| item["found"].as_bool().unwrap()).collect();
    assert_eq!(found, [true, false, true, true]);
    assert_eq!((&items[1]["attribution"], &items[2]["attribution"]), (&json!(null), &body["data"]));
    // A hundred, however they are set out, and not one more.
    let hundred = serde_json::to_string_pretty(&json!({ "ids": vec![&ada; 100] })).unwrap();
    assert_eq!(post(&server, &key, path, hundred).await.status, 200);
    assert_eq!(post(&server, &key, path, json!({ "ids": [] }).to_string()).await.status, 200);
    for bad in [
        json!({ "ids": vec![&ada; 101] }),
        json!({ "ids": [ada, "x"] }),
        json!({}),
        json!({ "ids": [7] }),
        json!([ada]),
    ] {
        let answer = post(&server, &key, path, bad.to_string()).await;
        assert_eq!((answer.status, &*reason(&answer)), (400, "error.bad_request"), "{bad}");
    }
    let answer = post(&server, &key, path, "x".repeat(17 * 1024)).await;
    assert_eq!(answer.status, 400);
}

#[on_every_store]
async fn a_back_end_reads_users_and_reports() {
    let server = server().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let id = user_id(&mut ada).await;
    let (_, key) = key_for(&server, &["users:read", "analytics:read", "users:read"]).await;
    let user = get(&server, &key, &format!("/api/v1/users/{id}")).await;
    assert_eq!(user.status, 200, "{}", user.text);
    let data = &user.json()["data"];
    assert_eq!((&data["id"], &data["email"]), (&json!(id), &json!("ada@example.com")));
    assert_eq!((&data["displayName"], &data["avatarUrl"]), (&json!(""), &json!("")));
    let report = get(&server, &key, "/api/v1/analytics/signups").await;
    assert_eq!((report.status, &report.json()["success"]), (200, &json!(true)), "{}", report.text);
    let admin = operator(&server).get("/v1/admin/analytics/signups").await;
    assert_eq!(report.json()["data"]["rows"], admin.json()["rows"]);
    let csv = get(&server, &key, "/api/v1/analytics/signups?format=csv").await;
    assert_eq!(csv.header("content-type").unwrap(), "text/csv; charset=utf-8");
    assert_eq!(get(&server, &key, "/api/v1/analytics/nonsense").await.status, 404);
    assert_eq!(get(&server, &key, "/api/v1/analytics/signups?x=1").await.status, 400);
    // An erased user is gone here, too.
    let erased = operator(&server).post(&format!("/v1/admin/users/{id}/erase"), "").await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    let user = get(&server, &key, &format!("/api/v1/users/{id}")).await;
    assert_eq!((user.status, &*reason(&user)), (404, "error.user.not_found"));
}

#[on_every_store]
async fn a_back_end_links_users_to_customers() {
    let server = server().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let id = user_id(&mut ada).await;
    let path = format!("/api/v1/users/{id}/billing-customer");
    let put = async |key: &str, path: &str, body: Value| {
        let request = server.browser().request("PUT", path).body(body.to_string());
        server.browser().send(request.header("authorization", format!("Bearer {key}"))).await
    };
    let (key_id, key) = key_for(&server, &["billing:write"]).await;
    let body = |id: &str| json!({ "billingCustomerId": id });
    let linked = put(&key, &path, body(" cus_1 ")).await;
    let expected = json!({ "id": id, "billingCustomerId": "cus_1", "changed": true });
    assert_eq!((linked.status, &linked.json()["data"]), (200, &expected), "{}", linked.text);
    assert_eq!(put(&key, &path, body("cus_1")).await.json()["data"]["changed"], false);
    assert_eq!(ada.get("/v1/auth/me").await.json()["user"]["billing_customer_id"], "cus_1");
    for bad in [body("ada@example.com"), body("a b"), body(&"x".repeat(256)), json!({})] {
        assert_eq!(put(&key, &path, bad.clone()).await.status, 400, "{bad}");
    }
    let nobody = format!("/api/v1/users/{NOBODY}/billing-customer");
    let answer = put(&key, &nobody, body("cus_1")).await;
    assert_eq!((answer.status, &*reason(&answer)), (404, "error.user.not_found"));
    let (_, other) = key_for(&server, &["users:read", "attribution:read", "analytics:read"]).await;
    let answer = put(&other, &path, body("cus_2")).await;
    assert_eq!(answer.json()["error"]["details"], json!([{ "missingScope": "billing:write" }]));
    let log = server.log().await;
    let links = log.iter().filter(|event| event.event.event_type() == "BillingCustomerLinked.v1");
    let actors: Vec<_> = links.map(|event| event.metadata.actor.to_string()).collect();
    assert_eq!(actors, [format!("api-key:{key_id}")], "on record with the key, and once");
}

#[on_every_store]
async fn a_key_opens_only_what_it_is_for() {
    let server = server().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let id = user_id(&mut ada).await;
    let calls = [
        ("attribution:read", attribution(&id)),
        ("users:read", format!("/api/v1/users/{id}")),
        ("analytics:read", "/api/v1/analytics/signups".to_owned()),
    ];
    for (scope, path) in &calls {
        let others: Vec<_> = ["users:read", "attribution:read", "analytics:read", "billing:write"]
            .into_iter()
            .filter(|other| other != scope)
            .collect();
        let (_, key) = key_for(&server, &others).await;
        let answer = get(&server, &key, path).await;
        assert_eq!((answer.status, &*reason(&answer)), (403, "auth.api_key.scope"), "{path}");
        let error = &answer.json()["error"];
        assert_eq!(error["details"], json!([{ "missingScope": scope }]));
        assert_eq!(error["code"], "AUTH_FORBIDDEN");
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        assert_eq!(answer.header("www-authenticate").unwrap(), challenge);
        let (_, key) = key_for(&server, &[scope]).await;
        assert_eq!(get(&server, &key, path).await.status, 200, "{path}");
    }
    // A key is no user and no operator.
    let (_, key) = key_for(&server, &["users:read"]).await;
    assert_eq!(get(&server, &key, "/api/v1/users/attribution").await.status, 401);
    let mut browser = server.browser();
    browser.headers.push(("x-admin-token", key));
    assert_eq!(browser.get("/v1/admin/api-keys").await.status, 401);
}

#[on_every_store]
async fn what_is_no_key_opens_nothing() {
    let server = server().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let path = attribution(&user_id(&mut ada).await);
    let (_, key) = key_for(&server, &["attribution:read"]).await;
    let token = ada.post("/v1/auth/token", "").await.json()["access_token"].clone();
    let mistyped = format!("{}{}", &key[..74], if key.ends_with('A') { 'B' } else { 'A' });
    for bad in ["x", "whk_", &key[..74], &mistyped, &key[4..], token.as_str().unwrap()] {
        refused(&get(&server, bad, &path).await, "auth.api_key.invalid");
    }
    // Whole, and made up.
    let made_up = whence::infra::tokens::api_key::ApiKeyToken::generate();
    refused(&get(&server, &made_up.to_text(), &path).await, "auth.api_key.invalid");
    // The id of one and the secret of another.
    let id = whence::infra::tokens::api_key::ApiKeyToken::parse(&key).unwrap().id;
    let other = whence::infra::tokens::api_key::ApiKeyToken::with_new_secret(id);
    refused(&get(&server, &other.to_text(), &path).await, "auth.api_key.invalid");
    // A key in the URL, in another header or twice is none.
    let in_url = server.browser().get(&format!("{path}?api_key={key}&access_token={key}")).await;
    assert_eq!((in_url.status, &*reason(&in_url)), (401, "auth.api_key.invalid"));
    assert_eq!(in_url.header("www-authenticate").unwrap(), "Bearer");
    let request = server.browser().request("GET", &path);
    let request = request.header("authorization", format!("Bearer {key}"));
    let twice = request.header("authorization", "Bearer x");
    assert_eq!(server.browser().send(twice).await.status, 401);
    let basic =
        server.browser().request("GET", &path).header("authorization", format!("Basic {key}"));
    assert_eq!(server.browser().send(basic).await.status, 401);
    // The page of another site learns nothing by having one.
    let request = server.browser().request("GET", &path).header("origin", "https://evil.example");
    let request = request.header("authorization", format!("Bearer {key}"));
    let answer = server.browser().send(request).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    let invalid = server
        .app
        .engine
        .security
        .totals()
        .find(|(event, _)| (event.name(), event.reason()) == ("api_key", "invalid"));
    assert_eq!(invalid.unwrap().1, 11, "each is a security event");
}

#[on_every_store]
async fn a_rotation_keeps_the_old_secret_for_as_long_as_was_said() {
    let server = server().await;
    let (id, first) = key_for(&server, &["attribution:read"]).await;
    let path = attribution(NOBODY);
    let answer = change(&server, &id, "rotate", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["previous_until"], (START + DAY).to_string());
    let second = answer.json()["key"].as_str().unwrap().to_owned();
    server.pass(DAY.saturating_sub(Duration::from_secs(1)));
    for key in [&first, &second] {
        assert_eq!(get(&server, key, &path).await.status, 404);
    }
    server.pass(Duration::from_secs(1));
    refused(&get(&server, &first, &path).await, "auth.api_key.replaced");
    // An hour, which ends on request.
    let answer = change(&server, &id, "rotate", json!({ "grace_seconds": 3600 })).await;
    let third = answer.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(get(&server, &second, &path).await.status, 404);
    let ended = change(&server, &id, "end-grace", json!({})).await;
    assert_eq!((ended.status, &ended.json()["changed"]), (200, &json!(true)), "{}", ended.text);
    refused(&get(&server, &second, &path).await, "auth.api_key.replaced");
    assert_eq!(get(&server, &third, &path).await.status, 404);
    let again = change(&server, &id, "end-grace", json!({})).await;
    assert_eq!(again.json()["changed"], false);
    // At once.
    change(&server, &id, "rotate", json!({ "grace_seconds": 0 })).await;
    refused(&get(&server, &third, &path).await, "auth.api_key.replaced");
    for bad in [json!({ "grace_seconds": 2_592_001 }), json!({ "grace_seconds": -1 })] {
        assert_eq!(change(&server, &id, "rotate", bad).await.status, 400);
    }
}

#[on_every_store]
async fn a_key_ends_by_time_or_by_an_operator() {
    let server = server().await;
    let path = attribution(NOBODY);
    let expires_at = (START + DAY).to_string();
    let body = json!({ "name": "a", "scopes": ["attribution:read"], "expires_at": expires_at });
    let (expired, key) = issued(&server, body).await;
    assert_eq!(get(&server, &key, &path).await.status, 404);
    server.pass(DAY);
    refused(&get(&server, &key, &path).await, "auth.api_key.expired");
    let (revoked, key) = key_for(&server, &["attribution:read"]).await;
    assert_eq!(get(&server, &key, &path).await.status, 404);
    let done = change(&server, &revoked, "revoke", json!({ "reason": "leaked" })).await;
    assert_eq!((done.status, &done.json()["changed"]), (200, &json!(true)), "{}", done.text);
    refused(&get(&server, &key, &path).await, "auth.api_key.revoked");
    let again = change(&server, &revoked, "revoke", json!({ "reason": "leaked" })).await;
    assert_eq!((again.status, &again.json()["changed"]), (200, &json!(false)));
    for id in [&expired, &revoked] {
        let answer = change(&server, id, "rotate", json!({})).await;
        assert_eq!((answer.status, answer.error().as_str()), (409, "api_key_over"));
    }
    let states: Vec<_> = listed(&server).await.iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["expired", "revoked"]);
    let timeline = operator(&server).get(&format!("/v1/admin/api-keys/{revoked}/timeline")).await;
    let lines = timeline.json().as_array().unwrap().clone();
    let lines: Vec<_> = lines.iter().map(|line| (&line["actor"], &line["text"])).collect();
    let by_grace = &json!("operator:grace");
    assert_eq!(
        lines.first(),
        Some(&(by_grace, &json!("API key shop was issued, for attribution:read")))
    );
    assert_eq!(lines.last(), Some(&(by_grace, &json!("the key was revoked: leaked"))));
    // After a restart all of it holds.
    let server = server.restarted_with(START + DAY, &["--admin-token", TOKEN]).await;
    refused(&get(&server, &key, &path).await, "auth.api_key.revoked");
}

#[on_every_store]
async fn a_key_is_made_by_operators_alone_and_kept_as_a_hash() {
    let server = server().await;
    let body = json!({ "name": " the\u{200b} shop ", "scopes": ["users:read"] });
    let anybody = server.browser().post("/v1/admin/api-keys", body.to_string()).await;
    assert_eq!(anybody.status, 401);
    let (id, key) = issued(&server, body).await;
    let line = &listed(&server).await[0];
    assert_eq!((&line["id"], &line["name"]), (&json!(id), &json!("the shop")));
    assert_eq!((&line["state"], &line["issued_by"]), (&json!("active"), &json!("operator:grace")));
    let prefix = line["prefix"].as_str().unwrap();
    assert!(key.starts_with(prefix) && prefix.len() == 26, "{prefix}");
    assert_eq!(operator(&server).get(&format!("/v1/admin/api-keys/{id}")).await.json(), *line);
    let secret = &key[26..];
    for recorded in server.log().await {
        assert!(!String::from_utf8_lossy(&recorded.data).contains(secret));
    }
    assert!(!server.app.engine.read_db.dump().await.unwrap().concat().contains(secret));
    for bad in [
        json!({ "name": "", "scopes": ["users:read"] }),
        json!({ "name": "\u{200b}", "scopes": ["users:read"] }),
        json!({ "name": "a".repeat(65), "scopes": ["users:read"] }),
        json!({ "scopes": ["users:read"] }),
        json!({ "name": "a", "scopes": [] }),
        json!({ "name": "a" }),
        json!({ "name": "a", "scopes": ["users:write"] }),
        json!({ "name": "a", "scopes": ["users:read"], "expires_at": START.to_string() }),
        json!({ "name": "a", "scopes": ["users:read"], "expires_at": "tomorrow" }),
    ] {
        let answer = operator(&server).post("/v1/admin/api-keys", bad.to_string()).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_parameter"), "{bad}");
    }
    assert_eq!(listed(&server).await.len(), 1, "bad input makes no key");
    for (id, status) in [(NOBODY, 404), ("x", 400)] {
        for verb in ["rotate", "end-grace", "revoke"] {
            let answer = change(&server, id, verb, json!({ "reason": "a" })).await;
            assert_eq!(answer.status, status, "{verb} {id}: {}", answer.text);
        }
        assert_eq!(operator(&server).get(&format!("/v1/admin/api-keys/{id}")).await.status, status);
        let timeline = operator(&server).get(&format!("/v1/admin/api-keys/{id}/timeline")).await;
        assert_eq!(timeline.status, status);
    }
    let without = change(&server, &id, "revoke", json!({})).await;
    assert_eq!((without.status, without.error().as_str()), (400, "invalid_parameter"));
}

#[on_every_store]
async fn the_last_day_of_use_is_on_record() {
    let server = server().await;
    let (_, key) = key_for(&server, &["attribution:read"]).await;
    let path = attribution(NOBODY);
    let days = async || -> Vec<String> {
        let events = server.log().await.into_iter();
        let used = events.filter_map(|recorded| match recorded.event {
            Event::ApiKey(ApiKeyEvent::ApiKeyUsed(used)) => Some(used.day),
            _ => None,
        });
        used.collect()
    };
    // Refused, it is not used.
    let (_, other) = key_for(&server, &["users:read"]).await;
    assert_eq!(get(&server, &other, &path).await.status, 403);
    let parallel = (0..64).map(|_| get(&server, &key, &path));
    for answer in futures::future::join_all(parallel).await {
        assert_eq!(answer.status, 404);
    }
    until("the use is on record", async || !days().await.is_empty()).await;
    server.pass(DAY);
    assert_eq!(get(&server, &key, &path).await.status, 404);
    until("the use of the next day is on record", async || days().await.len() > 1).await;
    assert_eq!(days().await, ["2026-01-01", "2026-01-02"]);
    server.settle().await;
    let keys = listed(&server).await;
    assert_eq!(keys[0]["last_used_day"], "2026-01-02");
    assert_eq!(keys[1]["last_used_day"], json!(null));
}
