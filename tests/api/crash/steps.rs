//! The process dies right before, or right after, each append of a login.
//!
//! [`child`] serves over a store that kills its own process; the test drives it over HTTP, sees it die, and
//! restarts over what it left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use whence::app::App;
use whence::app::config::Config;
use whence::infra::clock::Clock;
use whence::infra::mail::{Mailer, Sender};
use whence_events::{Event, MailboxEvent, Recorded, UserEvent};

use crate::crash::child::{Deadly, killed, spawn};
use crate::crash::client::{Client, OPERATOR_TOKEN};
use crate::crash::ledger::Cookies;
use crate::crash::log;
use crate::server::{START, Server, until};
use crate::stores::Home;
use whence_test_support::mails::Mails;

/// Says to [`child`] where and when: `data mails url-file before|after event-type`.
const TOLD: &str = "WHENCE_TEST_CRASH";

/// First event of each append of a first login, in order.
const STEPS: [&str; 7] = [
    "LoginStarted.v1",
    "CodeVerified.v1",
    "UserRegistered.v1",
    "NameReserved.v1",
    "ReferralCodeIssued.v1",
    "SubscriptionProvisioned.v1",
    "WelcomeEmailSent.v1",
];

/// No test by itself: the process that dies, when it is told to be that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    #[expect(clippy::disallowed_methods, reason = "how the test tells its child what to do")]
    let Ok(told) = std::env::var(TOLD) else { return };
    let [data, mails, url_file, when, at] = told.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    let flag = format!("sqlite:{data}");
    let operator = format!("grace={OPERATOR_TOKEN}");
    let config = Config::from_flags(["--store", &flag, "--admin-token", &operator]).unwrap();
    let clock = Clock::manual(START);
    let inner = log::open(&config, &clock).await;
    let store = Deadly::over(inner, when, at);
    let sender = Sender { name: "Test".into(), address: "login@example.com".into() };
    let mailer = Mailer::open(&format!("directory:{mails}"), &sender).unwrap();
    let app = App::open_with(config, clock, mailer, store).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let half = format!("{url_file}.half");
    std::fs::write(&half, url).unwrap();
    std::fs::rename(half, url_file).unwrap();
    whence::http::serve(listener, whence::http::router(app), std::future::pending()).await;
}

/// What the client saw of a login that the server did not survive.
struct Seen {
    /// The id that a verify was answered with.
    user: Option<String>,
    cookies: Cookies,
}

/// A process that serves a store of files until it dies.
pub(crate) struct Child {
    process: std::process::Child,
    around: tempfile::TempDir,
    pub(crate) client: Client,
}

impl Child {
    /// Starts a process that dies right before, or right after, the append of an event.
    pub(crate) async fn start(data: &Path, when: &str, at: &str) -> Self {
        let around = tempfile::TempDir::new().unwrap();
        let mails: PathBuf = around.path().join("mails");
        let url_file = around.path().join("url");
        let (data, shown, file) = (data.display(), mails.display(), url_file.display());
        let told = format!("{data} {shown} {file} {when} {at}");
        let process = spawn("crash::steps::child", TOLD, told);
        until("the child serves", async || url_file.exists()).await;
        let client = Client::new(&std::fs::read_to_string(&url_file).unwrap());
        Self { process, around, client }
    }

    /// Returns the newest code that was mailed to an address.
    pub(crate) fn code(&self, email: &str) -> String {
        Mails::in_directory(&self.around.path().join("mails")).code(email).unwrap()
    }

    pub(crate) async fn dies(self) {
        killed(self.process, "the server").await;
    }
}

/// Lets a child serve one login until it dies.
async fn log_in_to_child(data: &Path, when: &str, at: &str, brought: &Cookies) -> Seen {
    let child = Child::start(data, when, at).await;
    let mut seen = Seen { user: None, cookies: Cookies::new() };
    if let Some(request_id) = child.client.start("bob@example.com").await {
        let code = child.code("bob@example.com");
        if let Some(answer) = child.client.verify(&request_id, &code, brought).await {
            assert_eq!(answer.status, 200, "{}", answer.body);
            seen.user = Some(answer.body["user"]["id"].as_str().unwrap().to_owned());
            seen.cookies = answer.cookies;
        }
    }
    child.dies().await;
    seen
}

/// A directory with a referrer in it, and their code.
async fn with_referrer() -> (Home, Clock, String) {
    let server = Server::at(Home::sqlite(), Clock::manual(START), &[], |store| store).await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    drop(ada);
    let (directory, clock) = server.stop();
    (directory, clock, code)
}

/// The id that the address of a login was claimed for.
fn claimed(events: &[Recorded]) -> Option<String> {
    events.iter().rev().find_map(|recorded| match &recorded.event {
        Event::Mailbox(MailboxEvent::MailboxClaimed(claimed)) => Some(claimed.user_id.to_string()),
        _ => None,
    })
}

async fn dies(when: &str, at: &str) {
    let (directory, clock, code) = with_referrer().await;
    let adas = claimed(&log::read(directory.path()).await);
    let brought = Cookies::from([("ref_code".to_owned(), code)]);
    let seen = log_in_to_child(directory.path(), when, at, &brought).await;

    clock.set(START + Duration::from_mins(1));
    let server = Server::at(directory, clock, &[], |store| store).await;
    server.settle().await;
    let left = server.log().await;
    log::check(&left);
    let bobs = claimed(&left).filter(|id| Some(id) != adas.as_ref());
    let order = STEPS.iter().position(|step| *step == at).unwrap();
    let verified = order > 1 || (order == 1 && when == "after");
    assert_eq!(bobs.is_some(), verified, "{when} {at}");
    if let Some(user) = &seen.user {
        assert_eq!(Some(user), bobs.as_ref());
        let mut browser = server.browser();
        browser.cookies = seen.cookies.clone();
        let me = browser.get("/v1/auth/me").await;
        assert_eq!(me.json()["user"]["id"], user.as_str(), "{when} {at}: what was acknowledged");
    }

    // The same address again, with the cookie that the browser still holds when it got no answer.
    let mut browser = server.browser();
    if seen.user.is_none() {
        browser.cookies = brought;
    }
    let answer = server.log_in(&mut browser, "bob@example.com").await;
    let user = answer.json()["user"]["id"].as_str().unwrap().to_owned();
    assert!(bobs.is_none_or(|id| id == user), "{when} {at}: another user");
    server.settle().await;
    server.everybody_onboarded().await;
    let events = server.log().await;
    log::check(&events);
    let of_bob = |recorded: &&Recorded| recorded.stream.to_string() == format!("user-{user}");
    let mut steps: Vec<_> = events.iter().filter(of_bob).map(|e| e.event.event_type()).collect();
    let sessions = steps.iter().filter(|name| **name == "SessionOpened.v1").count();
    assert_eq!(sessions, 1 + usize::from(order > 2 || (order == 2 && when == "after")));
    steps.retain(|name| !["SessionOpened.v1", "ReferralRefused.v1"].contains(name));
    let once = [
        "UserRegistered.v1",
        "AttributionCaptured.v2",
        "ReferralAttributed.v1",
        "ReferralCodeIssued.v1",
        "SubscriptionProvisioned.v1",
        "WelcomeEmailSent.v1",
    ];
    assert_eq!(steps, once, "{when} {at}");
    assert!(events.iter().any(|recorded| matches!(&recorded.event,
        Event::User(event) if matches!(event.as_ref(), UserEvent::ReferralAttributed(_)))));
    assert_eq!(server.app.engine.read_db.dump().await.unwrap(), log::rebuilt(&events).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_before_each_append_of_a_login() {
    for step in STEPS {
        dies("before", step).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_after_each_append_of_a_login() {
    for step in STEPS {
        dies("after", step).await;
    }
}
