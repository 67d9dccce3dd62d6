//! Who a client is, and what one client may do in an hour.

use std::time::Duration;

use whence_events::{Client, Event, MailboxEvent};

use crate::server::{Answer, Server};
use crate::stores::on_every_store;

const LIMITS: [&str; 4] = ["--starts-per-client", "2", "--verifies-per-client", "3"];

fn behind_a_proxy() -> Vec<&'static str> {
    [&LIMITS[..], &["--trusted-proxy", "127.0.0.1/32"]].concat()
}

async fn start_from(server: &Server, forwarded_for: &str, email: &str) -> Answer {
    let mut browser = server.browser();
    browser.headers.push(("x-forwarded-for", forwarded_for.to_owned()));
    browser.post("/v1/auth/email/start", format!(r#"{{"email":"{email}"}}"#)).await
}

#[on_every_store]
async fn one_client_gets_so_many_codes_an_hour_for_all_addresses_together() {
    let server = Server::with(&behind_a_proxy()).await;
    for email in ["a@example.com", "b@example.com"] {
        assert_eq!(start_from(&server, "203.0.113.9", email).await.status, 200);
    }
    server.pass(Duration::from_mins(15));
    let length = server.log().await.len();
    let refused = start_from(&server, "203.0.113.9", "c@example.com").await;
    assert_eq!((refused.status, refused.error().as_str()), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after").unwrap(), "2700");
    assert_eq!(server.log().await.len(), length, "nothing is stored, nothing is mailed");
    assert_eq!(start_from(&server, "203.0.113.10", "c@example.com").await.status, 200);
    server.pass(Duration::from_mins(45));
    assert_eq!(start_from(&server, "203.0.113.9", "c@example.com").await.status, 200);
}

#[on_every_store]
async fn one_client_tries_so_many_codes_an_hour() {
    let server = Server::with(&behind_a_proxy()).await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = server.code("ada@example.com");
    browser.headers.push(("x-forwarded-for", "2001:db8::1".into()));
    for _ in 0..3 {
        let answer = browser.verify(&request_id, crate::service::login::wrong(&code)).await;
        assert_eq!(answer.error(), "invalid_code");
    }
    browser.headers = vec![("x-forwarded-for", "2001:db8::ffff:1".into())];
    let refused = browser.verify(&request_id, &code).await;
    assert_eq!((refused.status, refused.header("retry-after").unwrap().as_str()), (429, "3600"));
    browser.headers = vec![("x-forwarded-for", "2001:db8:0:1::1".into())];
    assert_eq!(browser.verify(&request_id, &code).await.status, 200, "another /64");
}

#[on_every_store]
async fn what_a_client_puts_before_the_proxys_word_does_not_count() {
    let server = Server::with(&behind_a_proxy()).await;
    for (n, spoofed) in ["198.51.100.1", "198.51.100.2", "127.0.0.1"].iter().enumerate() {
        let line = format!("{spoofed}, 203.0.113.9");
        let status = start_from(&server, &line, &format!("u{n}@example.com")).await.status;
        assert_eq!(status, if n < 2 { 200 } else { 429 });
    }
}

#[on_every_store]
async fn nobody_who_is_no_proxy_of_ours_says_who_asks() {
    // A proxy on this machine that nobody named: all of its clients are one, and nobody knows who.
    let server = Server::with(&LIMITS).await;
    for n in 0..4 {
        let ip = format!("203.0.113.{n}");
        let status = start_from(&server, &ip, &format!("u{n}@example.com")).await.status;
        assert_eq!(status, if n < 2 { 200 } else { 429 });
    }
    for client in clients(&server).await {
        assert_eq!(client.ip, None);
    }
    let server = Server::with(&behind_a_proxy()).await;
    start_from(&server, "203.0.113.9", "ada@example.com").await;
    assert_eq!(clients(&server).await[0].ip.unwrap().to_string(), "203.0.113.9");
}

#[on_every_store]
async fn a_program_on_this_machine_is_not_counted() {
    let server = Server::with(&LIMITS).await;
    for n in 0..4 {
        assert_ne!(server.browser().start(&format!("u{n}@example.com")).await, "");
    }
    for client in clients(&server).await {
        assert_eq!(client.ip.unwrap().to_string(), "127.0.0.1");
    }
}

#[on_every_store]
async fn a_proxy_whose_client_is_unknown_has_one_client() {
    let server = Server::with(&behind_a_proxy()).await;
    let said = ["unknown", "9.9.9.9, _hidden", "9.9.9.9,", "127.0.0.1, x"];
    for (n, said) in said.iter().enumerate() {
        let status = start_from(&server, said, &format!("u{n}@example.com")).await.status;
        assert_eq!(status, if n < 2 { 200 } else { 429 }, "{said}");
    }
    let mut browser = server.browser();
    let answer = browser.post("/v1/auth/email/start", r#"{"email":"a@example.com"}"#).await;
    assert_eq!(answer.status, 429, "nothing said at all");
    assert_eq!(start_from(&server, "203.0.113.9", "b@example.com").await.status, 200);
    for client in &clients(&server).await[..2] {
        assert_eq!(client.ip, None);
    }
}

#[on_every_store]
async fn a_peer_that_forwards_and_is_not_named_is_told() {
    let server = Server::with(&behind_a_proxy()).await;
    start_from(&server, "203.0.113.9", "a@example.com").await;
    let named = server.browser().get("/readyz").await.json();
    assert_eq!(named["unnamed_proxy"], serde_json::Value::Null);
    let server = Server::with(&LIMITS).await;
    let mut browser = server.browser();
    let quiet = browser.get("/readyz").await.json();
    assert_eq!(quiet["unnamed_proxy"], serde_json::Value::Null);
    browser.headers.push(("x-real-ip", "203.0.113.9".to_owned()));
    browser.get("/healthz").await;
    browser.headers.clear();
    assert_eq!(browser.get("/readyz").await.json()["unnamed_proxy"], true);
    server.pass(Duration::from_hours(24));
    let later = browser.get("/readyz").await.json();
    assert_eq!(later["unnamed_proxy"], serde_json::Value::Null);
}

/// Who asked for each code, as recorded.
async fn clients(server: &Server) -> Vec<Client> {
    let mut clients = vec![];
    for recorded in server.log().await {
        if let Event::Mailbox(MailboxEvent::LoginStarted(started)) = &recorded.event {
            let (stream, version) = (&recorded.stream, recorded.version);
            let client =
                server.app.engine.vault.open(stream, version, "client", &started.client).await;
            clients.push(client.unwrap().unwrap());
        }
    }
    clients
}
