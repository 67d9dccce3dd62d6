//! A user who is erased is nobody: to the API, to the tables, and to whoever reads the files.

use std::time::Duration;

use serde_json::{Value, json};
use whence::app::erasure::{Run, Subject};
use whence_events::{Event, Pii, StreamId, TouchId, UserEvent, UserId};

use crate::server::{Answer, Browser, Server, until};
use crate::service::broken::Faults;
use crate::stores::on_every_store;

pub const TOKEN: &str = "c2VjcmV0c2VjcmV0c2VjcmV0cw==";

/// Starts a server with an operator called grace.
pub async fn operated() -> Server {
    Server::with(&["--admin-token", &format!("grace={TOKEN}")]).await
}

/// A browser with grace's token.
pub fn grace(server: &Server) -> Browser {
    let mut browser = server.browser();
    browser.headers.push(("x-admin-token", TOKEN.into()));
    browser
}

async fn erase(server: &Server, user_id: UserId) -> Answer {
    grace(server).post(&format!("/v1/admin/users/{user_id}/erase"), "").await
}

/// Logs in and returns the id of the user.
async fn log_in(server: &Server, browser: &mut Browser, email: &str) -> UserId {
    let answer = server.log_in(browser, email).await;
    answer.json()["user"]["id"].as_str().unwrap().parse().unwrap()
}

/// A visitor who followed a link twice, out of two pages, and registered: the touches of both.
async fn came_by_link(server: &Server, code: &str, email: &str) -> (Browser, UserId, Vec<TouchId>) {
    let mut browser = server.browser();
    for page in ["https://blog.example.org/private-page", "https://forum.example.net/thread"] {
        let request = browser.request("GET", &format!("/r/{code}?utm_source=blog"));
        assert_eq!(browser.send(request.header("referer", page)).await.status, 302);
        server.pass(Duration::from_mins(5));
    }
    let touches = async || {
        let log = server.log().await;
        let touches = log.iter().filter_map(|recorded| match recorded.stream {
            StreamId::Touch(id) => Some(id),
            _ => None,
        });
        touches.collect::<Vec<_>>()
    };
    until("both touches are recorded", async || touches().await.len() >= 2).await;
    let user_id = log_in(server, &mut browser, email).await;
    (browser, user_id, touches().await)
}

async fn is_live(server: &Server, stream: StreamId) -> bool {
    let key = server.app.engine.store.read_key(&stream).await.unwrap();
    key.is_some_and(|key| key.wrapped.is_some())
}

/// The pages that recorded touches came from, as far as they can be read.
async fn pages(server: &Server) -> Vec<Option<String>> {
    let mut pages = vec![];
    for recorded in server.log().await {
        if let Event::Touch(touch) = &recorded.event
            && let Some(url) = &touch.touch().referrer_url
        {
            let opened =
                server.app.engine.vault.open(&recorded.stream, 0, "referrer_url", url).await;
            pages.push(opened.unwrap());
        }
    }
    pages
}

#[on_every_store]
async fn whoever_is_erased_is_nobody_and_what_they_did_to_others_stays() {
    let server = operated().await;
    let mut ada = server.browser();
    let adas_id = log_in(&server, &mut ada, "ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    let (mut bob, bobs_id, _) = came_by_link(&server, &code, "bob@example.com").await;
    let bobs_code = server.onboarded(&mut bob).await;
    let mut elsewhere = server.signed_in("bob@example.com").await;
    let (mut carol, carols_id, _) = came_by_link(&server, &bobs_code, "carol@example.com").await;
    assert_eq!(pages(&server).await.len(), 4);

    let answer = erase(&server, bobs_id).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let said = answer.json();
    assert_eq!(said["run"], "now");
    assert_eq!(said["erased_by"], "grace");
    assert_eq!(said["removed"]["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(said["removed"]["touches"], 2);
    assert_eq!(said["remains"]["referred_by"], json!(adas_id));
    assert_eq!(said["remains"]["codes"], json!([bobs_code]));

    // At once, on every connection.
    for browser in [&mut bob, &mut elsewhere] {
        assert_eq!(browser.get("/v1/auth/me").await.status, 401);
    }
    let streams = [StreamId::User(bobs_id)];
    for stream in streams {
        assert!(!is_live(&server, stream).await);
    }
    let page = |page: &str| Some(page.to_owned());
    let carols = ["https://blog.example.org/private-page", "https://forum.example.net/thread"];
    assert_eq!(pages(&server).await, [None, None, page(carols[0]), page(carols[1])]);

    // Ada brought somebody, carol was brought by somebody: that is theirs to keep.
    let invitees = ada.get("/v1/referrals/invitees").await.json();
    assert_eq!(invitees["items"][0]["user_id"], json!(bobs_id));
    assert_eq!(invitees["items"][0]["display_name"], Value::Null);
    assert_eq!(carol.get("/v1/auth/me").await.status, 200);
    server.settle().await;
    let snapshot = server.app.engine.read_db.snapshot(carols_id).await.unwrap().unwrap();
    assert_eq!(snapshot.referred_by, Some(bobs_id));

    // The tables have nothing of bob but ids.
    let bob_in_tables = server.app.engine.read_db.user(bobs_id).await.unwrap();
    assert_eq!(bob_in_tables, None);
    let snapshot = server.app.engine.read_db.snapshot(bobs_id).await.unwrap().unwrap();
    assert_eq!(snapshot.first_referrer_url, None);
    assert_eq!((snapshot.utm_source, snapshot.first_landing_page), (None, None));

    // The address signs up again, as somebody new.
    let again = server.signed_in("bob@example.com").await.get("/v1/auth/me").await.json();
    assert_eq!(again["user"]["email"], "bob@example.com");
    assert_ne!(again["user"]["id"], json!(bobs_id));
}

#[on_every_store]
async fn erasing_again_says_so_and_leaves_whoever_has_the_address_now_alone() {
    let server = operated().await;
    let mut browser = server.browser();
    let old = log_in(&server, &mut browser, "bob@example.com").await;
    let mailbox = server.log().await[1].stream.clone();
    assert!(matches!(mailbox, StreamId::Mailbox(_)));
    assert_eq!(erase(&server, old).await.json()["run"], "now");
    assert!(!is_live(&server, mailbox.clone()).await);
    let before = server.log().await.len();
    assert_eq!(erase(&server, old).await.json()["run"], "already");
    assert_eq!(server.log().await.len(), before, "and writes nothing");

    let mut browser = server.browser();
    let new = log_in(&server, &mut browser, "bob@example.com").await;
    assert_ne!(new, old);
    let again = erase(&server, old).await;
    assert_eq!(again.json()["run"], "already", "{}", again.text);
    assert!(is_live(&server, mailbox).await, "the key of the address is the new user's");
    assert_eq!(browser.get("/v1/auth/me").await.json()["user"]["id"], json!(new));
    server.signed_in("bob@example.com").await;
}

#[on_every_store]
async fn nobody_is_erased_by_mistake() {
    let server = operated().await;
    server.signed_in("ada@example.com").await;
    server.settle().await;
    let before = server.log().await.len();
    let unknown = erase(&server, UserId(uuid::Uuid::from_u128(7))).await;
    assert_eq!((unknown.status, unknown.error().as_str()), (404, "not_found"));
    let malformed = grace(&server).post("/v1/admin/users/ada/erase", "").await;
    assert_eq!((malformed.status, malformed.error().as_str()), (400, "invalid_parameter"));
    let mut stranger = server.browser();
    let path = format!("/v1/admin/users/{}/erase", UserId(uuid::Uuid::from_u128(7)));
    assert_eq!(stranger.post(&path, "").await.status, 401);
    assert_eq!(grace(&server).get(&path).await.status, 405);
    until("onboarding is over", async || server.types().await.len() >= before).await;
    assert!(!server.types().await.contains(&"UserErased.v1".to_owned()));
}

#[on_every_store]
async fn a_login_under_way_ends_with_the_user() {
    let server = operated().await;
    let mut bob = server.browser();
    let user_id = log_in(&server, &mut bob, "bob@example.com").await;
    let mut elsewhere = server.browser();
    let request_id = elsewhere.start("bob@example.com").await;
    let code = server.code("bob@example.com");
    assert_eq!(erase(&server, user_id).await.status, 200);
    let verified = elsewhere.verify(&request_id, &code).await;
    assert_eq!((verified.status, verified.error().as_str()), (400, "invalid_request"));
    let new = log_in(&server, &mut elsewhere, "bob@example.com").await;
    assert_ne!(new, user_id);
}

/// Whatever the order, no session of the erased user is left alive.
#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_races_a_login_leaves_no_session_alive() {
    let server = operated().await;
    for round in 0..12 {
        let email = format!("u{round}@example.com");
        let mut first = server.browser();
        let user_id = log_in(&server, &mut first, &email).await;
        let mut second = server.browser();
        let request_id = second.start(&email).await;
        let code = server.code(&email);
        let erasing = async {
            tokio::time::sleep(Duration::from_micros(300 * round)).await;
            erase(&server, user_id).await
        };
        let (erased, verified) = futures::join!(erasing, second.verify(&request_id, &code));
        assert_eq!(erased.status, 200, "{}", erased.text);
        assert_eq!(first.get("/v1/auth/me").await.status, 401);
        let me = second.get("/v1/auth/me").await;
        if me.status == 200 {
            assert_ne!(me.json()["user"]["id"], json!(user_id), "{verified:?}");
        }
        let log = server.log().await;
        let of_user = log.iter().filter(|event| event.stream == StreamId::User(user_id));
        let last = of_user.map(|event| event.event.event_type()).next_back();
        assert_eq!(last, Some("ErasureCompleted.v1"));
    }
}

/// The store goes away after so many calls, for every number there is, and comes back.
#[on_every_store]
async fn an_erasure_that_is_interrupted_anywhere_is_completed_by_running_it_again() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    let mut ada = server.browser();
    log_in(&server, &mut ada, "ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    let mut interrupted = 0;
    for survived in 0.. {
        let email = format!("u{survived}@example.com");
        let (mut bob, user_id, _) = came_by_link(&server, &code, &email).await;
        server.onboarded(&mut bob).await;
        server.settle().await;
        let mut left = survived;
        faults.set(move |_| {
            left -= 1;
            left < 0
        });
        let first = server.app.erase_user(user_id, "grace").await;
        faults.clear();
        let again = server.app.erase_user(user_id, "grace").await.unwrap();
        assert_eq!(bob.get("/v1/auth/me").await.status, 401);
        assert!(!is_live(&server, StreamId::User(user_id)).await);
        assert!(pages(&server).await.iter().all(Option::is_none), "after {survived} calls");
        let email = whence_events::EmailAddress::parse(&email).unwrap();
        let mailbox = server.app.engine.mailbox(server.app.engine.keys.email_key(&email)).await;
        let mailbox = mailbox.unwrap();
        assert_eq!((mailbox.owner, mailbox.released_by), (None, Some(user_id)));
        assert!(
            !is_live(&server, StreamId::Mailbox(server.app.engine.keys.email_key(&email))).await
        );
        assert_eq!((again.removed.sessions.len(), again.removed.touches), (1, 2));
        let third = server.app.erase_user(user_id, "grace").await.unwrap();
        assert_eq!(third.run, Run::Already);
        if first.is_ok() {
            assert_eq!(again.run, Run::Already);
            break;
        }
        interrupted += 1;
    }
    assert!(interrupted >= 8, "only {interrupted} calls could be interrupted");
}

/// A crash between the proof of an address and the registration.
#[on_every_store]
async fn an_address_of_somebody_who_never_registered_can_be_released_by_its_name() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    let mut bob = server.browser();
    let request_id = bob.start("bob@example.com").await;
    let code = server.code("bob@example.com");
    faults.set(crate::service::broken::users_unwritten);
    assert_eq!(bob.verify(&request_id, &code).await.status, 500);
    faults.clear();
    let email = whence_events::EmailAddress::parse("bob@example.com").unwrap();
    let engine = &server.app.engine;
    let user_id = engine.user_of(&email).await.unwrap().expect("it was claimed");
    assert!(server.app.erase_user(user_id, "grace").await.is_err(), "by id, there is nobody");
    let subject = Subject { user_id, email_key: Some(server.app.engine.keys.email_key(&email)) };
    let context = whence::engine::handler::Context::of_system(None);
    let erased = server.app.erase(subject, &context).await.unwrap();
    assert_eq!(erased.erased_at, None);
    let new = log_in(&server, &mut bob, "bob@example.com").await;
    assert_ne!(new, user_id);
}

#[on_every_store]
async fn nothing_that_is_stored_has_the_user_in_it_before_or_after() {
    let flags = ["--trusted-proxy", "127.0.0.1"];
    let server = Server::with(&flags).await;
    let mut bob = server.browser();
    bob.headers.push(("x-forwarded-for", "203.0.113.77".into()));
    bob.headers.push(("user-agent", "Bobs-Peculiar-Browser/7.7".into()));
    let user_id = log_in(&server, &mut bob, "bobby.tables@example.com").await;
    let code = server.onboarded(&mut bob).await;
    came_by_link(&server, &code, "carol@example.com").await;
    let streams = [StreamId::User(user_id), server.log().await[1].stream.clone()];
    let mut keys = vec![];
    for stream in &streams {
        keys.push(
            server.app.engine.store.read_key(stream).await.unwrap().unwrap().wrapped.unwrap(),
        );
    }
    let traces: [&[u8]; 4] =
        [b"bobby.tables", b"203.0.113.77", b"Bobs-Peculiar-Browser", b"private-page"];
    let found = async |needle: &[u8]| {
        let stored = server.home.stored().await;
        stored.iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|part| part == needle))
    };
    for trace in traces {
        assert!(!found(trace).await, "{}", String::from_utf8_lossy(trace));
    }
    for key in &keys {
        assert!(found(key).await, "this test looks where the keys are");
    }
    server.app.erase_user(user_id, "grace").await.unwrap();
    server.settle().await;
    for trace in traces {
        assert!(!found(trace).await, "{}", String::from_utf8_lossy(trace));
    }
    for key in &keys {
        assert!(!found(key).await, "a destroyed key is still there");
    }
    // What was sealed is as it was, and opens for nobody.
    let log = server.log().await;
    let registered = log.iter().find_map(|recorded| match &recorded.event {
        Event::User(event) if recorded.stream == StreamId::User(user_id) => match event.as_ref() {
            UserEvent::UserRegistered(registered) => Some(registered.email.clone()),
            _ => None,
        },
        _ => None,
    });
    let sealed = registered.unwrap();
    assert!(matches!(sealed, Pii::Sealed(_)));
    let opened = server.app.engine.vault.open(&streams[0], 0, "email", &sealed).await.unwrap();
    assert_eq!(opened, None);
}
