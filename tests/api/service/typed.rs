//! Addresses and codes as people type them, and as client libraries hand them over.

use whence::infra::mail::Mailer;
use whence_events::{DeliveryFailure, Event, MailboxEvent, Refusal, UserEvent};

use crate::server::{Server, sender};
use crate::smtp::utf8::OtherMake;
use crate::stores::on_every_store;

const START: &str = "/v1/auth/email/start";
const VERIFY: &str = "/v1/auth/email/verify";

/// The code in the digits of another script, whose zero is given.
fn written(code: &str, zero: char) -> String {
    code.chars()
        .map(|c| char::from_u32(u32::from(zero) + c.to_digit(10).unwrap()).unwrap())
        .collect()
}

#[on_every_store]
async fn a_code_is_taken_however_it_is_pasted() {
    let server = Server::start().await;
    let forms: [fn(&str) -> String; 9] = [
        |code| format!("\u{feff}{code}\r\n"),
        |code| format!("{}\u{2007}{}", &code[..2], &code[2..]),
        |code| format!("{}\u{2013}{}", &code[..3], &code[3..]),
        |code| format!("\u{ab}{code}\u{bb}"),
        |code| format!("N-{code}."),
        |code| format!("\u{2067}{code}\u{2069}"),
        |code| written(code, '٠'),
        |code| written(code, '०'),
        |code| written(code, '０'),
    ];
    for (n, form) in forms.into_iter().enumerate() {
        let mut browser = server.browser();
        let email = format!("ada{n}@example.com");
        let request_id = browser.start(&email).await;
        let typed = form(&server.code(&email));
        assert_eq!(browser.verify(&request_id, &typed).await.status, 200, "{typed:?}");
    }
}

#[on_every_store]
async fn a_code_that_is_a_number_has_lost_its_zeros() {
    let server = Server::start().await;
    for n in 0..30 {
        let mut browser = server.browser();
        let email = format!("ada{n}@example.com");
        let request_id = browser.start(&email).await;
        let code = server.code(&email);
        let number: u32 = code.parse().unwrap();
        let body = format!(r#"{{"request_id":"{request_id}","code":{number}}}"#);
        assert_eq!(browser.post(VERIFY, body).await.status, 200, "{code}");
        if code.starts_with('0') && n > 1 {
            return;
        }
    }
}

#[on_every_store]
async fn a_body_may_begin_with_a_byte_order_mark() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let body = "\u{feff}{\"email\":\"ada@example.com\"}";
    let started = browser.post(START, body).await;
    let request_id = started.json()["request_id"].as_str().unwrap().to_owned();
    let code = server.code("ada@example.com");
    let body = format!("\u{feff} {{\"request_id\":\"{request_id}\",\"code\":\"{code}\"}}");
    assert_eq!(browser.post(VERIFY, body).await.status, 200);
    let mut ada = browser.with_csrf();
    let chosen = ada.post("/v1/referrals/code", "\u{feff}{\"slug\":20262}").await;
    assert_eq!(chosen.json()["code"]["code"], "20262");
    let twice = ada.post(START, "\u{feff}\u{feff}{\"email\":\"ada@example.com\"}").await;
    assert_eq!((twice.status, twice.error().as_str()), (400, "invalid_json"));
}

#[on_every_store]
async fn both_forms_of_a_domain_are_one_account() {
    let server = Server::start().await;
    let mut first = server.browser();
    let registered = server.log_in(&mut first, "Ida@Müller.example").await;
    assert_eq!(registered.json()["user"]["email"], "ida@müller.example");
    assert_eq!(first.get("/v1/auth/me").await.json()["user"]["email"], "ida@müller.example");
    for other in
        ["ida@xn--mller-kva.example", "<ida@mu\u{308}ller.example>", "mailto:ida@MÜLLER.example."]
    {
        let mut browser = server.browser();
        let request_id = browser.start(other).await;
        let code = server.code("ida@xn--mller-kva.example");
        let answer = browser.verify(&request_id, &code).await;
        assert_eq!(answer.json()["user"]["id"], registered.json()["user"]["id"], "{other}");
    }
    for bad in ["ida@xn--a.example", "ida@a\u{200d}b.example x", "ida@\u{301}a.example"] {
        let body = serde_json::json!({ "email": bad }).to_string();
        let answer = server.browser().post(START, body).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_email"), "{bad}");
    }
}

#[on_every_store]
async fn a_mailbox_of_another_script_logs_in() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let answer = server.log_in(&mut browser, "Ольга@example.com").await;
    assert_eq!(answer.json()["user"]["email"], "ольга@example.com");
}

#[on_every_store]
async fn a_mail_server_without_smtputf8_is_a_clear_refusal() {
    let relay = OtherMake::start("ascii");
    let way = format!("smtp://127.0.0.1:{}?tls=none", relay.port);
    let server = Server::mailing(Mailer::open(&way, &sender()).unwrap()).await;
    let body = r#"{"email":"ольга@example.com"}"#;
    // It uses up no codes.
    for _ in 0..7 {
        let answer = server.browser().post(START, body).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "email_unsupported"));
    }
    let failed = server.log().await.into_iter().filter(|stored| {
        let Event::Mailbox(event) = &stored.event else { return false };
        matches!(event, MailboxEvent::CodeDeliveryFailed(failed)
            if failed.reason == DeliveryFailure::Unsupported)
    });
    assert_eq!(failed.count(), 7);
    server.browser().start("ida@müller.example").await;
}

#[on_every_store]
async fn whoever_refers_another_spelling_of_themselves_gets_no_credit() {
    let server = Server::start().await;
    for (owner, others) in [
        ("li.sa@pm.me", &["li-sa@proton.me", "l_isa+new@protonmail.ch"][..]),
        ("lisa@me.com", &["lisa+x@icloud.com"]),
        ("lisa@fastmail.fm", &["shop@lisa.fastmail.fm"]),
        ("li.sa@ya.ru", &["li-sa@yandex.kz"]),
        ("lisa@müller.example", &["lisa+x@xn--mller-kva.example"]),
    ] {
        let mut lisa = server.signed_in(owner).await;
        let code = server.onboarded(&mut lisa).await;
        for other in others {
            let mut browser = server.browser();
            browser.get(&format!("/r/{code}")).await;
            server.log_in(&mut browser, other).await;
            assert_eq!(decided(&server).await, Some(Refusal::SelfReferral), "{owner} {other}");
        }
        let mut stranger = server.browser();
        stranger.get(&format!("/r/{code}")).await;
        let email = format!("friend-of-{}@example.org", code.to_lowercase());
        server.log_in(&mut stranger, &email).await;
        assert_eq!(decided(&server).await, None, "{owner}");
    }
}

/// Why the newest referral was refused; `None` when it was credited.
async fn decided(server: &Server) -> Option<Refusal> {
    let log = server.log().await;
    let newest = log.iter().rev().find_map(|stored| {
        let Event::User(event) = &stored.event else { return None };
        match &**event {
            UserEvent::ReferralAttributed(_) => Some(None),
            UserEvent::ReferralRefused(refused) => Some(Some(refused.reason)),
            _ => None,
        }
    });
    newest.expect("a referral was decided")
}
