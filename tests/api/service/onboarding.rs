//! What follows a registration, and what becomes of it when something fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use whence::store::{Append, EventStore, NewEvent};
use whence_events::{
    EmailAddress, EventId, NameReserved, ReferralCode, StreamId, UserEvent, UserId,
};

use crate::server::{Server, until};
use crate::service::broken::{Call, Faults};
use crate::stores::on_every_store;

/// Events that are steps of an onboarding.
const STEPS: [&str; 4] = [
    "ReferralCodeIssued.v1",
    "SubscriptionProvisioned.v1",
    "WelcomeEmailSent.v1",
    "WelcomeEmailFailed.v1",
];

async fn steps(server: &Server) -> Vec<String> {
    let types = server.types().await.into_iter();
    types.filter(|name| STEPS.contains(&name.as_str())).collect()
}

#[on_every_store]
async fn it_happens_once() {
    let server = Server::start().await;
    let mut browser = server.signed_in("ada@example.com").await;
    server.onboarded(&mut browser).await;
    let done = ["ReferralCodeIssued.v1", "SubscriptionProvisioned.v1", "WelcomeEmailSent.v1"];
    assert_eq!(steps(&server).await, done);
    let address = EmailAddress::parse("ada@example.com").unwrap();
    let memory = server.app.mailer.memory().unwrap();
    assert_eq!(memory.take(&address).expect("a welcome mail").code(), None);
    // Neither a second login nor a sweep does any of it again.
    server.pass(Duration::from_hours(1));
    server.signed_in("ada@example.com").await;
    server.app.sweep_now().await;
    server.settle().await;
    assert_eq!(steps(&server).await, done);
    assert!(memory.is_empty());
}

/// Takes the first name that anybody asks for, a moment before they get it.
fn thief(
    taken: Arc<AtomicU32>,
    times: u32,
) -> impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore> {
    move |inner| {
        let faults = Faults::none();
        let store = inner.clone();
        let runtime = tokio::runtime::Handle::current();
        faults.set(move |call| {
            let Call::Append(append) = call else { return false };
            let is_name = matches!(append.stream, StreamId::Code(_));
            if is_name && append.expected_length == 0 && taken.load(Ordering::SeqCst) < times {
                taken.fetch_add(1, Ordering::SeqCst);
                let metadata = append.events[0].metadata.clone();
                let reserved = NameReserved { owner: UserId(uuid::Uuid::from_u128(7)) };
                let id = EventId(uuid::Uuid::from_u128(taken.load(Ordering::SeqCst).into()));
                let event = whence_events::NameEvent::from(reserved).into();
                let events = vec![NewEvent::new(id, event, metadata).unwrap()];
                let theft = Append { events, ..Append::clone(append) };
                let (store, runtime) = (store.clone(), runtime.clone());
                let stolen =
                    std::thread::spawn(move || runtime.block_on(store.append(theft)).unwrap());
                // Whatever this thread was about to do, another does meanwhile.
                tokio::task::block_in_place(|| stolen.join().unwrap());
            }
            false
        });
        faults.wrap()(inner)
    }
}

// Whoever asks the store while the thief is at it waits on a thread; some must be left to serve him.
#[on_every_store(flavor = "multi_thread", worker_threads = 8)]
async fn a_code_that_is_taken_is_replaced_by_another() {
    let taken = Arc::new(AtomicU32::new(0));
    let server = Server::over(&[], thief(taken.clone(), 3)).await;
    let mut browser = server.signed_in("ada@example.com").await;
    let code: ReferralCode = server.onboarded(&mut browser).await.parse().unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 3);
    let reserved: Vec<_> = server.log().await.into_iter().map(|event| event.stream).collect();
    let names: Vec<_> = reserved.iter().filter(|s| matches!(s, StreamId::Code(_))).collect();
    assert_eq!(names.len(), 4);
    assert_eq!(*names[3], StreamId::code(&code));
    assert_eq!(steps(&server).await.len(), 3);
}

/// Directory mail whose directory can be taken away.
struct Mails {
    root: tempfile::TempDir,
}

impl Mails {
    fn new() -> Self {
        Self { root: tempfile::TempDir::new().unwrap() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.root.path().join("mails")
    }

    async fn server(&self) -> Server {
        let way = format!("directory:{}", self.path().display());
        Server::with(&["--mail", &way]).await
    }

    fn fail(&self) {
        std::fs::rename(self.path(), self.root.path().join("away")).unwrap();
    }

    fn work(&self) {
        std::fs::rename(self.root.path().join("away"), self.path()).unwrap();
    }

    /// The text of every mail, oldest first.
    fn texts(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        // A mail that is being written has another name.
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        paths.sort();
        paths.iter().map(|path| body(&std::fs::read(path).unwrap())).collect()
    }
}

fn body(mail: &[u8]) -> String {
    let mail = mail_parser::MessageParser::default().parse(mail).unwrap();
    mail.body_text(0).unwrap().into_owned()
}

fn code_in(text: &str) -> Option<String> {
    let words = text.split_whitespace();
    let mut codes = words.filter(|w| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit()));
    codes.next().map(str::to_owned)
}

/// Sweeps until something holds: a sweep passes by who is just being onboarded.
async fn sweep_until(server: &Server, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    until(what, async || {
        server.app.sweep_now().await;
        holds().await
    })
    .await;
}

async fn failed(server: &Server) -> usize {
    let types = server.types().await;
    types.iter().filter(|name| *name == "WelcomeEmailFailed.v1").count()
}

#[on_every_store]
async fn a_welcome_mail_is_tried_again_later_and_later_and_given_up() {
    let mails = Mails::new();
    let server = mails.server().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = code_in(&mails.texts()[0]).unwrap();
    mails.fail();
    assert_eq!(browser.verify(&request_id, &code).await.status, 200, "the login is not failed");
    until("the first failure", async || failed(&server).await == 1).await;
    server.settle().await;
    for (attempt, wait) in [(1, 60), (2, 120), (3, 240), (4, 480)] {
        // Not a second too early: the wait doubles.
        server.pass(Duration::from_secs(wait - 1));
        server.app.sweep_now().await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(failed(&server).await, attempt);
        server.pass(Duration::from_secs(1));
        sweep_until(&server, "another failure", async || failed(&server).await == attempt + 1)
            .await;
        server.settle().await;
    }
    assert!(server.app.engine.read_db.onboardings(10).await.unwrap().is_empty(), "given up");
    mails.work();
    server.pass(Duration::from_hours(24));
    server.app.sweep_now().await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(mails.texts().len(), 1);
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
}

#[on_every_store]
async fn a_welcome_mail_goes_out_once_the_server_is_back() {
    let mails = Mails::new();
    let server = mails.server().await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let code = code_in(&mails.texts()[0]).unwrap();
    mails.fail();
    browser.verify(&request_id, &code).await;
    until("the first failure", async || failed(&server).await == 1).await;
    server.settle().await;
    mails.work();
    server.pass(Duration::from_mins(1));
    sweep_until(&server, "a welcome mail", async || mails.texts().len() == 2).await;
    let code = server.onboarded(&mut browser).await;
    assert!(mails.texts()[1].contains(&code));
    let sent = server.log().await.into_iter().find_map(|recorded| match recorded.event {
        whence_events::Event::User(event) => match *event {
            UserEvent::WelcomeEmailSent(sent) => Some(sent.attempt),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(sent, Some(2));
}

/// A mail server that takes login mails and never answers for a welcome mail.
async fn hanging_smtp(codes: tokio::sync::mpsc::UnboundedSender<Option<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, codes.clone()));
        }
    });
    url
}

async fn talk(stream: TcpStream, codes: tokio::sync::mpsc::UnboundedSender<Option<String>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut data: Option<String> = None;
    write.write_all(b"220 ready\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match &mut data {
            Some(text) if line != "." => {
                text.push_str(&line);
                text.push_str("\r\n");
                continue;
            }
            Some(text) => {
                let code = code_in(&body(text.as_bytes()));
                let is_welcome = code.is_none();
                codes.send(code).unwrap();
                if is_welcome {
                    return std::future::pending().await;
                }
                data = None;
                "250 ok\r\n"
            }
            None if line == "DATA" => {
                data = Some(String::new());
                "354 go on\r\n"
            }
            None => "250 ok\r\n",
        };
        write.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[on_every_store]
async fn a_mail_server_that_hangs_does_not_hold_up_a_login() {
    let (sender, mut codes) = tokio::sync::mpsc::unbounded_channel();
    let url = hanging_smtp(sender).await;
    let server = Server::with(&["--mail", &url]).await;
    // More than there are connections to the mail server, each hung up in a welcome mail.
    for n in 0..3 {
        let mut browser = server.browser();
        let request_id = browser.start(&format!("u{n}@example.com")).await;
        let code = codes.recv().await.unwrap().expect("a code");
        assert_eq!(browser.verify(&request_id, &code).await.status, 200);
        assert_eq!(codes.recv().await.unwrap(), None, "the welcome mail hangs");
        assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    }
    assert_eq!(failed(&server).await, 0, "and goes on hanging");
}

#[on_every_store]
async fn a_restart_finishes_what_was_interrupted() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    faults.set(
        |call| matches!(call, Call::Append(append) if matches!(append.stream, StreamId::Code(_))),
    );
    let browser = server.signed_in("ada@example.com").await;
    let cookies = browser.cookies.clone();
    assert_eq!(steps(&server).await, [""; 0]);
    drop(browser);
    let (home, clock) = server.stop();
    let server = Server::at(home, clock, &[], |store| store).await;
    server.settle().await;
    server.app.sweep_now().await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(steps(&server).await, [""; 0], "too soon: another node may be at it");
    server.pass(Duration::from_secs(30));
    sweep_until(&server, "a code", async || steps(&server).await.len() == 3).await;
    let mut browser = server.browser();
    browser.cookies = cookies;
    server.onboarded(&mut browser).await;
    let done = ["ReferralCodeIssued.v1", "SubscriptionProvisioned.v1", "WelcomeEmailSent.v1"];
    assert_eq!(steps(&server).await, done);
}

/// The name was reserved, the user did not get it: the next try makes another one, and the first
/// stays unknown, for it was given to nobody.
#[on_every_store]
async fn a_name_that_was_reserved_and_not_issued_belongs_to_nobody() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    faults.set(|call| {
        let Call::Append(append) = call else { return false };
        append.events[0].event.event_type() == "ReferralCodeIssued.v1"
    });
    let mut browser = server.signed_in("ada@example.com").await;
    let is_name = |stream: &StreamId| matches!(stream, StreamId::Code(_));
    until("a reserved name", async || server.log().await.iter().any(|e| is_name(&e.stream))).await;
    let log = server.log().await;
    let StreamId::Code(lost) = &log.iter().find(|e| is_name(&e.stream)).unwrap().stream else {
        panic!()
    };
    let mut bob = server.browser();
    bob.cookies.insert("ref_code".to_owned(), lost.to_string());
    server.log_in(&mut bob, "bob@example.com").await;
    faults.clear();
    server.settle().await;
    server.pass(Duration::from_secs(30));
    sweep_until(&server, "both onboarded", async || steps(&server).await.len() == 6).await;
    let code = server.onboarded(&mut browser).await;
    assert_ne!(code.to_lowercase(), lost.to_string());
    assert_eq!(bob.get("/v1/referrals/me").await.json()["attributed_at"], serde_json::Value::Null);
}
