//! What peers get wrong when requests come at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use whence_events::{Event, MailboxEvent, StreamId, UserEvent};

use crate::server::{Answer, Browser, Server};
use crate::service::broken::Late;
use crate::stores::on_every_store;

const AT_ONCE: usize = 64;

/// How often something happened in the log.
async fn count(server: &Server, event_type: &str) -> usize {
    let types = server.types().await;
    types.iter().filter(|name| *name == event_type).count()
}

/// A code that is not this one.
fn other_than(code: &str, n: usize) -> String {
    let code: usize = code.parse().unwrap();
    format!("{:06}", (code + 1 + n) % 1_000_000)
}

/// Tries codes on one login all at once.
async fn verify_all(browser: &Browser, request_id: &str, codes: &[String]) -> Vec<Answer> {
    let tries = codes.iter().map(|code| {
        let mut browser = browser.clone();
        async move { browser.verify(request_id, code).await }
    });
    join_all(tries).await
}

fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_right_codes_give_one_session_in_each_of_200_rounds() {
    let server = Server::start().await;
    let browser = server.browser();
    for round in 0..200 {
        let email = format!("u{round}@example.com");
        let request_id = browser.clone().start(&email).await;
        let codes = vec![server.code(&email); AT_ONCE];
        let answers = verify_all(&browser, &request_id, &codes).await;
        assert_eq!(with_status(&answers, 200), 1, "round {round}");
        let refused = answers.iter().filter(|answer| answer.status != 200);
        for answer in refused {
            assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
            assert!(answer.all("set-cookie").is_empty());
        }
    }
    for once in ["SessionOpened.v1", "CodeVerified.v1", "MailboxClaimed.v1", "UserRegistered.v1"] {
        assert_eq!(count(&server, once).await, 200, "{once}");
    }
    assert_eq!(count(&server, "CodeRejected.v1").await, 0);
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_wrong_codes_five_are_compared() {
    let server = Server::start().await;
    let browser = server.browser();
    for round in 1..=20 {
        let email = format!("u{round}@example.com");
        let request_id = browser.clone().start(&email).await;
        let right = server.code(&email);
        let wrong: Vec<_> = (0..AT_ONCE).map(|n| other_than(&right, n)).collect();
        let answers = verify_all(&browser, &request_id, &wrong).await;
        let told: Vec<_> = answers.iter().map(Answer::error).collect();
        assert_eq!(told.iter().filter(|error| *error == "invalid_code").count(), 5);
        assert_eq!(told.iter().filter(|error| *error == "invalid_request").count(), AT_ONCE - 5);
        assert_eq!(count(&server, "CodeRejected.v1").await, 5 * round);
        assert_eq!(count(&server, "LoginLocked.v1").await, round);
        // The right one comes too late.
        let late = browser.clone().verify(&request_id, &right).await;
        assert_eq!(late.error(), "invalid_request");
    }
    assert_eq!(count(&server, "SessionOpened.v1").await, 0);
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_code_beside_four_wrong_ones_is_never_refused() {
    let server = Server::start().await;
    let browser = server.browser();
    for round in 0..200 {
        let email = format!("u{round}@example.com");
        let request_id = browser.clone().start(&email).await;
        let right = server.code(&email);
        let mut codes: Vec<_> = (0..4).map(|n| other_than(&right, n)).collect();
        codes.insert(round % 5, right);
        let answers = verify_all(&browser, &request_id, &codes).await;
        assert_eq!(answers[round % 5].status, 200, "round {round}: {}", answers[round % 5].text);
        assert_eq!(with_status(&answers, 400), 4);
    }
}

/// A stranger who knows the address asks for codes of their own and guesses on those.
#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_on_other_requests_never_void_the_victims_code() {
    let server = Server::start().await;
    let browser = server.browser();
    for round in 0..20 {
        let email = format!("victim{round}@example.com");
        let victims = browser.clone().start(&email).await;
        let code = server.code(&email);
        let mut strangers = vec![];
        for _ in 0..4 {
            strangers.push(browser.clone().start(&email).await);
        }
        // 80 guesses on four requests of theirs, and 20 on requests that are made up.
        let guesses = (0..100).map(|n| {
            let mut browser = browser.clone();
            let made_up = uuid::Uuid::from_u128(n).to_string();
            let request_id = strangers.get(n as usize % 5).cloned().unwrap_or(made_up);
            let guess = other_than(&code, n as usize);
            async move { browser.verify(&request_id, &guess).await.status }
        });
        let mut victim = browser.clone();
        let login = async { victim.verify(&victims, &code).await };
        let (statuses, login) = futures::join!(join_all(guesses), login);
        assert_eq!(login.status, 200, "round {round}: {}", login.text);
        assert!(statuses.iter().all(|status| *status == 400));
    }
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_attribute_calls_attribute_once() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    for round in 0..20 {
        let mut bob = server.signed_in(&format!("bob{round}@example.com")).await;
        bob.cookies.insert("ref_code".to_owned(), code.clone());
        let calls = (0..16).map(|_| {
            let mut browser = bob.clone();
            async move { browser.post("/v1/auth/attribute", "{}").await.text }
        });
        let mut answers: BTreeMap<String, usize> = BTreeMap::new();
        for text in join_all(calls).await {
            *answers.entry(text).or_default() += 1;
        }
        let expected = [
            (r#"{"attributed":false,"reason":"already_attributed"}"#.to_owned(), 15),
            (r#"{"attributed":true}"#.to_owned(), 1),
        ];
        assert_eq!(answers.into_iter().collect::<Vec<_>>(), expected);
    }
    assert_eq!(count(&server, "ReferralAttributed.v1").await, 20);
    server.settle().await;
    assert_eq!(ada.get("/v1/referrals/me").await.json()["invitees"], 20);
}

/// Two browsers log in to one new address at once, each with a code of its own: one user, two
/// sessions.
#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn two_browsers_of_one_address_become_one_user() {
    let server = Server::start().await;
    for round in 0..50 {
        let email = format!("u{round}@example.com");
        let (mut one, mut other) = (server.browser(), server.browser());
        let first = one.start(&email).await;
        let first_code = server.code(&email);
        let second = other.start(&email).await;
        let second_code = server.code(&email);
        let (a, b) =
            futures::join!(one.verify(&first, &first_code), other.verify(&second, &second_code));
        assert_eq!((a.status, b.status), (200, 200), "{} {}", a.text, b.text);
        assert_eq!(a.json()["user"]["id"], b.json()["user"]["id"]);
        assert_ne!(one.cookies["nl_session"], other.cookies["nl_session"]);
        assert_eq!(one.get("/v1/auth/me").await.status, 200);
        assert_eq!(other.get("/v1/auth/me").await.status, 200);
    }
    assert_eq!(count(&server, "UserRegistered.v1").await, 50);
    assert_eq!(count(&server, "MailboxClaimed.v1").await, 50);
    assert_eq!(count(&server, "SessionOpened.v1").await, 100);
}

/// While one tab logs out others ask who they are: each may still be told, until the log-out is
/// answered. After that none is, with a session cache of any size.
#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn after_logout_is_answered_me_is_401() {
    for cache in ["1", "100000"] {
        let server = Server::with(&["--session-cache", cache]).await;
        for round in 0..60 {
            let browser = server.signed_in(&format!("u{round}@example.com")).await.with_csrf();
            let mut leaving = browser.clone();
            let logout = async { leaving.post("/v1/auth/logout", "").await.status };
            let asking = join_all((0..6).map(|_| {
                let mut browser = browser.clone();
                async move {
                    for _ in 0..4 {
                        browser.get("/v1/auth/me").await;
                    }
                }
            }));
            let (status, _) = futures::join!(
                async {
                    let status = logout.await;
                    let again = browser.clone().get("/v1/auth/me").await;
                    assert_eq!(again.status, 401, "round {round}, cache {cache}");
                    status
                },
                asking
            );
            assert_eq!(status, 200);
            assert_eq!(browser.clone().get("/v1/auth/me").await.status, 401);
        }
    }
}

/// The same while the read models do not move on at all, which a log-out does not wait out.
#[on_every_store]
async fn after_logout_is_answered_me_is_401_however_far_behind_the_tables_are() {
    let stalled = Arc::new(AtomicBool::new(false));
    let server = Server::over(&[], |store| Late::wrap(store, &stalled)).await;
    let mut browser = server.signed_in("ada@example.com").await.with_csrf();
    let mut other = browser.clone();
    assert_eq!(other.get("/v1/auth/me").await.status, 200);
    stalled.store(true, Ordering::SeqCst);
    assert_eq!(browser.post("/v1/auth/logout", "").await.status, 200);
    assert!(server.app.progress.projected() < server.app.engine.store.head().await.unwrap());
    assert_eq!(other.get("/v1/auth/me").await.status, 401);
}

/// The log says who was told what: no guess was compared that the log does not know.
#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_event() {
    let server = Server::start().await;
    let browser = server.browser();
    let request_id = browser.clone().start("ada@example.com").await;
    let right = server.code("ada@example.com");
    let codes: Vec<_> = (0..3).map(|n| other_than(&right, n)).collect();
    verify_all(&browser, &request_id, &codes).await;
    verify_all(&browser, &request_id, &[right]).await;
    let mut attempts = vec![];
    let mut sessions = 0;
    for recorded in server.log().await {
        match (recorded.stream, recorded.event) {
            (StreamId::Mailbox(_), Event::Mailbox(MailboxEvent::CodeRejected(rejected))) => {
                attempts.push(rejected.attempt);
            }
            (StreamId::User(_), Event::User(event)) => {
                sessions += usize::from(matches!(*event, UserEvent::SessionOpened(_)));
            }
            _ => {}
        }
    }
    assert_eq!((attempts, sessions), (vec![1, 2, 3], 1));
}
