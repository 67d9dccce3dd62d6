//! The process dies right before, or right after, each step of an erasure that a user asked for.
//!
//! [`child`] opens a log over a store that kills its own process, and sweeps; the test sees it die, and lets
//! the next sweep go on.

use std::path::Path;
use std::time::Duration;

use whence::app::App;
use whence::app::config::Config;
use whence::infra::clock::Clock;
use whence::infra::mail::{Mailer, Sender};
use whence_events::{Event, Recorded, StreamId, UserEvent, UserId};

use crate::crash::child::{Deadly, killed, spawn};
use crate::crash::log;
use crate::server::{START, Server, until};
use crate::stores::Home;

/// Says to [`child`] where and when: `data before|after step`.
const TOLD: &str = "WHENCE_TEST_CRASH_ERASURE";

/// The steps: an append by its first event, or the destruction of a key by its number.
const STEPS: [&str; 6] =
    ["SessionRevoked.v1", "key 1", "key 2", "MailboxReleased.v1", "key 3", "ErasureCompleted.v1"];

const GRACE: Duration = Duration::from_hours(14 * 24);

/// No test by itself: the process that dies, when it is told to be that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    #[expect(clippy::disallowed_methods, reason = "how the test tells its child what to do")]
    let Ok(told) = std::env::var(TOLD) else { return };
    let [data, when, at] = told.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let flag = format!("sqlite:{data}");
    let config = Config::from_flags(["--store", &flag]).unwrap();
    let clock = Clock::manual(START + GRACE);
    let inner = log::open(&config, &clock).await;
    let store = Deadly::over(inner, when, at);
    let sender = Sender { name: "Test".into(), address: "login@example.com".into() };
    let mailer = Mailer::open("memory", &sender).unwrap();
    // Its sweep comes at once by itself; this one waits for it, or does it.
    let app = App::open_with(config, clock, mailer, store).await.unwrap();
    until("it dies", async || {
        app.erase_due_now().await;
        false
    })
    .await;
}

async fn sweep_dies(data: &Path, when: &str, at: &str) {
    let told = format!("{} {when} {at}", data.display());
    killed(spawn("crash::erasure::child", TOLD, told), &format!("{when} {at}")).await;
}

/// A log with a user in it who came by a link and asked to be erased.
async fn with_leaver() -> (Home, UserId) {
    let server = Server::at(Home::sqlite(), Clock::manual(START), &[], |store| store).await;
    let mut bob = server.browser();
    let landing = bob.request("GET", "/r/unknown?utm_source=blog");
    let landing = landing.header("referer", "https://blog.example.org/page");
    assert_eq!(bob.send(landing).await.status, 302);
    until("the landing is on record", async || {
        server.log().await.iter().any(|event| matches!(event.stream, StreamId::Touch(_)))
    })
    .await;
    let answer = server.log_in(&mut bob, "bob@example.com").await;
    let user_id = answer.json()["user"]["id"].as_str().unwrap().parse().unwrap();
    server.onboarded(&mut bob).await;
    let mut bob = bob.with_csrf();
    assert_eq!(bob.post("/v1/auth/erasure", "").await.status, 202);
    server.settle().await;
    drop(bob);
    (server.stop().0, user_id)
}

/// How often the erasure of a user began, and was completed.
fn ends(events: &[Recorded], user_id: UserId) -> (usize, usize) {
    let own = events.iter().filter(|event| event.stream == StreamId::User(user_id));
    own.fold((0, 0), |(erased, completed), recorded| match &recorded.event {
        Event::User(event) if matches!(event.as_ref(), UserEvent::UserErased(_)) => {
            (erased + 1, completed)
        }
        Event::User(event) if matches!(event.as_ref(), UserEvent::ErasureCompleted(_)) => {
            (erased, completed + 1)
        }
        _ => (erased, completed),
    })
}

async fn dies(when: &str, at: &str) {
    let (home, user_id) = with_leaver().await;
    sweep_dies(home.path(), when, at).await;
    let clock = Clock::manual(START + GRACE + Duration::from_mins(1));
    let server = Server::at(home, clock, &[], |store| store).await;
    server.settle().await;
    until("the sweep of the next process goes on", async || {
        server.app.erase_due_now().await;
        ends(&server.log().await, user_id) == (1, 1)
    })
    .await;
    server.settle().await;
    let events = server.log().await;
    log::check(&events);
    for event in &events {
        if matches!(event.stream, StreamId::User(_) | StreamId::Mailbox(_) | StreamId::Touch(_)) {
            let key = server.app.engine.store.read_key(&event.stream).await.unwrap();
            let live = key.is_some_and(|key| key.wrapped.is_some());
            assert!(!live, "{when} {at}: the key of {}", event.stream);
        }
    }
    assert_eq!(server.app.erase_due_now().await, 0, "{when} {at}: it is over");
    assert_eq!(server.app.engine.read_db.dump().await.unwrap(), log::rebuilt(&events).await);
    // The address signs up again, as somebody new.
    let mut browser = server.browser();
    let answer = server.log_in(&mut browser, "bob@example.com").await;
    assert_ne!(answer.json()["user"]["id"], user_id.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_before_each_step_of_an_erasure() {
    for step in STEPS {
        dies("before", step).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_after_each_step_of_an_erasure() {
    for step in STEPS {
        dies("after", step).await;
    }
}
