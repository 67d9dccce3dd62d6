//! `GET /metrics`, and the security events that it counts.

use std::collections::BTreeMap;

use tokio::net::TcpListener;
use whence::http::metrics;
use whence::infra::security::SecurityEvent;

use crate::server::{Answer, Server};
use crate::stores::on_every_store;

const TOKEN: &str = "metrics-of-this-very-test";
const OPERATOR: &str = "operator-of-this-very-test";

/// The value of each sample.
fn samples(page: &Answer) -> BTreeMap<String, f64> {
    let lines = page.text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(pair).collect()
}

/// The number of security events of a kind.
fn counted(server: &Server, kind: SecurityEvent) -> u64 {
    let mut totals = server.app.engine.security.totals();
    totals.find(|(event, _)| *event == kind).unwrap().1
}

#[on_every_store]
async fn what_happens_is_counted_and_shown_to_whoever_has_the_token() {
    let flags = ["--metrics-token", TOKEN, "--admin-token", OPERATOR];
    let server = Server::with(&flags).await;
    let mut alice = server.browser();
    let request_id = alice.start("alice@example.com").await;
    let code = server.code("alice@example.com");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(alice.verify(&request_id, wrong).await.error(), "invalid_code");
    assert_eq!(alice.verify(&request_id, &code).await.status, 200);
    assert_eq!(alice.verify(&request_id, &code).await.error(), "invalid_request");
    assert_eq!(alice.post("/v1/auth/logout", "{}").await.error(), "csrf_missing");
    let user_id = alice.get("/v1/auth/me").await.json()["user"]["id"].as_str().unwrap().to_owned();
    let mut operator = server.browser();
    let erase = format!("/v1/admin/users/{user_id}/erase");
    operator.headers = vec![("x-admin-token", "aaaaaaaaaaaaaaaaaaaaaaaaa".into())];
    assert_eq!(operator.post(&erase, "").await.error(), "admin_token_invalid");
    operator.headers = vec![("x-admin-token", OPERATOR.into())];
    assert_eq!(operator.post(&erase, "").await.status, 200);

    let mut reader = server.browser();
    assert_eq!(reader.get("/metrics").await.status, 401, "without the token");
    reader.headers = vec![("authorization", format!("Bearer {TOKEN}x"))];
    assert_eq!(reader.get("/metrics").await.status, 401, "with another");
    reader.headers = vec![("authorization", format!("Bearer {TOKEN}"))];
    server.settle().await;
    let page = reader.get("/metrics").await;
    assert_eq!(
        page.header("content-type").as_deref(),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let samples = samples(&page);
    for (kind, number) in [
        (SecurityEvent::LoginStarted, 1),
        (SecurityEvent::WrongCode, 1),
        (SecurityEvent::LoginSucceeded, 1),
        (SecurityEvent::LoginNotOpen, 1),
        (SecurityEvent::UserRegistered, 1),
        (SecurityEvent::CsrfMissing, 1),
        (SecurityEvent::AdminTokenInvalid, 1),
        (SecurityEvent::OperatorCall, 1),
        (SecurityEvent::SessionErased, 1),
        (SecurityEvent::UserErased, 1),
        (SecurityEvent::MetricsRefused, 2),
        (SecurityEvent::LoggedOut, 0),
    ] {
        let (event, outcome, reason) = (kind.name(), kind.outcome().as_str(), kind.reason());
        let name = format!(
            "whence_security_events_total{{event=\"{event}\",outcome=\"{outcome}\",reason=\"{reason}\"}}"
        );
        assert!(is(samples[&name], f64::from(number)), "{name}: {}", samples[&name]);
    }
    assert!(is(samples["whence_requests_total{route=\"login\",status=\"200\"}"], 2.0));
    assert!(is(samples["whence_requests_total{route=\"login\",status=\"400\"}"], 2.0));
    assert!(is(samples["whence_requests_total{route=\"admin\",status=\"401\"}"], 1.0));
    assert!(is(samples["whence_read_models_lag"], 0.0));
    assert!(is(samples["whence_read_models_stopped"], 0.0));
    assert!(samples["whence_log_position"] > 0.0);
    for metric in metrics::ALL {
        let head = format!("# HELP {} {}\n# TYPE {}", metric.name, metric.help, metric.name);
        assert!(page.text.contains(&head), "{}", metric.name);
    }
}

#[on_every_store]
async fn without_a_setting_there_are_no_metrics_and_a_listener_of_their_own_serves_nothing_else() {
    let server = Server::start().await;
    assert_eq!(server.browser().get("/metrics").await.status, 404);
    let server = Server::with(&["--metrics-listen", "127.0.0.1:0"]).await;
    assert_eq!(server.browser().get("/metrics").await.status, 404, "they are elsewhere");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = whence::http::metrics_router(server.app.clone());
    let task = tokio::spawn(whence::http::serve(listener, router, std::future::pending()));
    let status = async |path: &str| {
        let response = reqwest::get(format!("{url}{path}")).await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(status("/metrics").await, 200);
    assert_eq!(status("/v1/log/key").await, 404);
    assert_eq!(status("/healthz").await, 404);
    task.abort();
}

#[on_every_store]
async fn a_session_that_ends_is_counted_by_its_reason() {
    let server = Server::start().await;
    let mut alice = server.signed_in("alice@example.com").await.with_csrf();
    assert_eq!(alice.post("/v1/auth/logout", "{}").await.status, 200);
    assert_eq!(counted(&server, SecurityEvent::LoggedOut), 1);
    assert_eq!(counted(&server, SecurityEvent::AdminTokenUnset), 0);
    assert_eq!(server.browser().get("/v1/admin/projections").await.status, 401);
    assert_eq!(counted(&server, SecurityEvent::AdminTokenUnset), 1);
}

/// Returns whether a sample is this count, which a float holds exactly.
fn is(sample: f64, count: f64) -> bool {
    (sample - count).abs() < 0.5
}
