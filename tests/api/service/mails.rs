//! Mails that do not go out: the mail server defers, is down, falls silent, or the hour's are used up.

use std::time::Duration;

use crate::server::{Browser, Server, sender, until};
use crate::smtp::misbehaving::{Reply, Script, start};
use crate::stores::on_every_store;
use whence::infra::mail::Mailer;

const CODE: &str = "/v1/auth/email/start";
const ADA: &str = r#"{"email":"ada@example.com"}"#;

/// A service whose mail server follows a script.
async fn mailing(script: Script) -> Server {
    let (port, _) = start(script).await;
    Server::mailing(Mailer::open(&format!("smtp://127.0.0.1:{port}?tls=none"), &sender()).unwrap())
        .await
}

async fn failures(server: &Server) -> usize {
    server.types().await.iter().filter(|stored| *stored == "CodeDeliveryFailed.v1").count()
}

#[track_caller]
fn assert_unavailable(answer: &crate::server::Answer) {
    assert_eq!((answer.status, answer.error().as_str()), (503, "unavailable"), "{}", answer.text);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&seconds));
}

#[on_every_store]
async fn a_mail_server_that_defers_uses_up_no_codes() {
    let server = mailing(|connection, _, line| match connection {
        ..8 if line.starts_with("RCPT") => Reply::Last("450 4.2.0 greylisted"),
        _ => Reply::Usual,
    })
    .await;
    let mut browser = server.browser();
    for _ in 0..8 {
        assert_unavailable(&browser.post(CODE, ADA).await);
    }
    assert_eq!(failures(&server).await, 8);
    browser.start("ada@example.com").await;
}

#[on_every_store]
async fn a_mail_server_that_is_down_uses_up_no_codes() {
    let server =
        mailing(|connection, _, _| if connection < 8 { Reply::Drop } else { Reply::Usual }).await;
    let mut browser = server.browser();
    for _ in 0..8 {
        assert_unavailable(&browser.post(CODE, ADA).await);
    }
    browser.start("ada@example.com").await;
}

#[on_every_store]
async fn an_address_that_does_not_exist_is_no_outage() {
    let server = mailing(|_, _, line| {
        if line.starts_with("RCPT") { Reply::Say("550 5.1.1 nobody here") } else { Reply::Usual }
    })
    .await;
    let refused = server.browser().post(CODE, ADA).await;
    assert_eq!((refused.status, refused.error().as_str()), (500, "internal"));
    assert!(refused.header("retry-after").is_none());
}

#[on_every_store]
async fn a_code_that_may_have_gone_out_counts() {
    let server = mailing(|_, _, line| if line == "." { Reply::Drop } else { Reply::Usual }).await;
    let mut browser = server.browser();
    let mut sent = 0;
    let last = loop {
        let answer = browser.post(CODE, ADA).await;
        if answer.status != 503 {
            break answer;
        }
        sent += 1;
        assert!(sent <= 5);
    };
    assert_eq!(last.status, 429);
    assert_eq!(failures(&server).await, sent);
}

async fn stranger(server: &Server, n: usize) -> crate::server::Answer {
    let body = serde_json::json!({ "email": format!("stranger{n}@example.com") });
    server.browser().post(CODE, body.to_string()).await
}

#[on_every_store]
async fn beyond_the_mails_of_the_hour_nothing_is_sent_or_recorded() {
    let server = Server::with(&["--mails-per-hour", "2"]).await;
    for n in 0..2 {
        assert_eq!(stranger(&server, n).await.status, 200);
    }
    let before = server.log().await.len();
    let refused = stranger(&server, 2).await;
    assert_unavailable(&refused);
    assert_eq!(refused.header("retry-after").unwrap(), "3600");
    assert_eq!(server.log().await.len(), before);
    server.pass(Duration::from_hours(1));
    assert_eq!(stranger(&server, 2).await.status, 200);
}

#[on_every_store]
async fn strangers_do_not_use_up_the_mails_of_known_devices() {
    let server = Server::with(&["--mails-per-hour", "10"]).await;
    let mut ada: Browser = server.signed_in("ada@example.com").await;
    server.onboarded(&mut ada).await;
    // Her code, and her welcome mail.
    for n in 0..7 {
        assert_eq!(stranger(&server, n).await.status, 200);
    }
    assert_unavailable(&stranger(&server, 7).await);
    assert_eq!(ada.post(CODE, ADA).await.status, 200);
    assert_unavailable(&ada.post(CODE, ADA).await);
}

#[on_every_store]
async fn a_welcome_beyond_the_mails_of_the_hour_is_late_and_not_lost() {
    let server = Server::with(&["--mails-per-hour", "1"]).await;
    server.signed_in("ada@example.com").await;
    server.settle().await;
    let due = async || !server.app.engine.read_db.onboardings(9).await.unwrap().is_empty();
    until("a plan", async || server.types().await.contains(&"SubscriptionProvisioned.v1".into()))
        .await;
    assert!(due().await);
    server.pass(Duration::from_hours(1));
    until("a welcome", async || {
        server.app.sweep_now().await;
        !due().await
    })
    .await;
}
