//! A service over a KurrentDB that others use, too, as the real program: what they write costs it
//! nothing, and what they do to one stream is named and stops nobody else.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use whence::infra::clock::Clock;
use whence::infra::keys::{Keys, MasterKey};
use whence::store::{EventStore, Location};
use whence_events::{Event, StreamId, UserEvent};
use whence_test_support::kurrentdb_double::Double;
use whence_test_support::mails::{Mails, mails_in};
use whence_test_support::postgres::{Database, database};

use crate::support::{Service, whence};

/// The master key of every command here.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Events of another application: more than any read may look at.
const MILLIONS: u64 = 5_000_000;

/// The events of others that arrive at a time.
const SOME: u64 = 10_000;

/// The events that filters look at for each read anyway: those that arrived a moment ago, and a few,
/// since a checkpoint comes after each thousand and counts when the next one has come.
const FEW: u64 = SOME + 4_000;

/// A KurrentDB that others use, the database of a service, and the directory that it runs in.
struct Shared {
    double: Double,
    url: String,
    database: Database,
    directory: TempDir,
}

impl Shared {
    async fn new() -> Self {
        let double = Double::single().await.unwrap();
        let url = double.url();
        Self { double, url, database: database().await, directory: TempDir::new().unwrap() }
    }

    fn flags(&self) -> [&str; 6] {
        let database = self.database.url();
        ["--store", &self.url, "--read-db", database, "--master-key", KEY]
    }

    fn location(&self) -> Location {
        Location::parse(&self.url, Some(self.database.url())).unwrap()
    }

    /// The log, as a command that reads it opens it.
    async fn store(&self) -> Arc<dyn EventStore> {
        let keys = Keys::derive(&MasterKey::parse(KEY).unwrap());
        self.location().open_to_read(keys.fingerprint(), Clock::system()).await.unwrap()
    }

    fn serve(&self) -> Service {
        let more = ["--mail", "directory:mails", "--log", "whence=warn,whence::cli=info"];
        Service::start(self.directory.path(), &[&self.flags()[..], &more].concat())
    }

    /// Runs a command, and returns its exit code and all that it said.
    fn run(&self, command: &[&str]) -> (Option<i32>, String) {
        let mut run = whence(self.directory.path());
        let output = run.args(command).args(self.flags()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// What reads of the log looked at, each one a few events more than there are of whence.
    fn is_cheap(&self) -> bool {
        let (calls, examined) = (self.double.calls(), self.double.examined());
        examined.backwards == 0 && examined.forwards <= calls.all_reads * FEW
    }
}

/// Asks for a code, and logs in with it. Returns the status of the last answer, and that answer.
async fn log_in(service: &Service, directory: &TempDir, email: &str) -> (u16, String) {
    let client = reqwest::Client::new();
    let post = async |path: &str, body: serde_json::Value| {
        let url = format!("http://{}{path}", service.address);
        let answer = client.post(url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let body = serde_json::json!({ "email": email });
    let (status, answer) = post("/v1/auth/email/start", body).await;
    if status != 200 {
        return (status, answer);
    }
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let code = Mails::in_directory(&directory.path().join("mails")).code(email).unwrap();
    let body = serde_json::json!({ "request_id": answer["request_id"], "code": code });
    post("/v1/auth/email/verify", body).await
}

/// Waits until it is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn millions_of_foreign_events_cost_nothing() {
    let shared = Shared::new().await;
    let Shared { double, directory, .. } = &shared;
    // As slow as the real server: a look at all of them would take seconds.
    double.take_time();
    double.write_foreign("orders-1", MILLIONS, 100);

    // A first start, and a login.
    let service = shared.serve();
    service.until_ready().await;
    assert_eq!(log_in(&service, directory, "ada@example.com").await.0, 200);
    assert!(shared.is_cheap(), "{:?} {:?}", double.calls(), double.examined());

    // As many again while it is idle, and looks now and then whether it has missed something.
    let looks = double.calls().all_reads;
    for _ in 0..MILLIONS / SOME {
        double.write_foreign("orders-1", SOME, 100);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(double.calls().all_reads > looks + 5, "it has not looked");
    assert!(shared.is_cheap(), "{:?} {:?}", double.calls(), double.examined());
    assert_eq!(log_in(&service, directory, "ada@example.com").await.0, 200);
    assert_eq!(service.readiness().await, 200);
    let (_, said) = shared.run(&["doctor"]);
    // The Postgres of the tests does not wait for the disk.
    let is_bad = |line: &str| line.starts_with("FAIL") && !line.starts_with("FAIL durability");
    assert!(!said.lines().any(is_bad) && !said.contains("behind"), "{said}");
    assert!(shared.is_cheap(), "{:?} {:?}", double.calls(), double.examined());

    // A later start begins where the tail was, although nothing of whence is there.
    for _ in 0..MILLIONS / SOME {
        double.write_foreign("orders-1", SOME, 100);
    }
    until_covered(&shared, MILLIONS).await;
    assert_eq!(service.stop().0, Some(0));
    double.reset_counts();
    let service = shared.serve();
    service.until_ready().await;
    let examined = double.examined();
    assert!(examined.backwards == 0, "{examined:?}");
    assert!(examined.forwards < MILLIONS / 4, "{examined:?}");
    assert_eq!(log_in(&service, directory, "ada@example.com").await.0, 200);
    assert_eq!(service.stop().0, Some(0));
}

/// Waits until the read models are known to hold all of a log in which others have written so many
/// events, of at least 100 bytes each, since the last one of whence.
async fn until_covered(shared: &Shared, events: u64) {
    let read_db = shared.location().open_read_db().await.unwrap();
    until(async || {
        let last = read_db.positions().await.unwrap()[0].position;
        let covered = read_db.covered().await.unwrap();
        covered.is_some_and(|covered| covered.position > last + events * 100)
    })
    .await;
}

/// The number of calls is what limits a service over KurrentDB.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_makes_few_calls() {
    let shared = Shared::new().await;
    let Shared { double, directory, .. } = &shared;
    let service = shared.serve();
    service.until_ready().await;
    assert_eq!(log_in(&service, directory, "bob@example.com").await.0, 200);
    until_onboarded(directory, 2).await;

    // A new user, with a code of their own, a plan and a welcome mail.
    double.reset_counts();
    assert_eq!(log_in(&service, directory, "ada@example.com").await.0, 200);
    until_onboarded(directory, 4).await;
    let calls = double.calls();
    assert!(calls.appends + calls.stream_reads <= 9, "{calls:?}");

    // The same user again. What remains are the looks at the tail, one a second, whoever logs in.
    double.reset_counts();
    assert_eq!(log_in(&service, directory, "ada@example.com").await.0, 200);
    let calls = double.calls();
    assert!(calls.appends == 3 && calls.stream_reads == 0, "{calls:?}");
    assert!(calls.all_reads <= 3, "{calls:?}");
    assert_eq!(service.stop().0, Some(0));
}

/// Waits until so many mails were sent, and what is recorded after a welcome mail is.
async fn until_onboarded(directory: &TempDir, mails: usize) {
    let mailed = directory.path().join("mails");
    until(async || mails_in(&mailed).len() >= mails).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Many more events of others while a service starts than it could look at in the time of a call.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_among_events_that_arrive_gets_ready() {
    let shared = Shared::new().await;
    shared.double.take_time();
    let service = shared.serve();
    for _ in 0..20 {
        shared.double.write_foreign("orders-1", 500_000, 100);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    service.until_ready().await;
    assert_eq!(log_in(&service, &shared.directory, "ada@example.com").await.0, 200);
    assert_eq!(service.stop().0, Some(0));
}

/// Returns the streams of the user who registered last: their own, and that of their address.
async fn streams_of_last(shared: &Shared) -> (StreamId, StreamId) {
    let store = shared.store().await;
    let events = store.read_all(0, 10_000).await.unwrap();
    let registered = events.iter().rev().find_map(|event| match &event.event {
        Event::User(user) => match user.as_ref() {
            UserEvent::UserRegistered(it) => Some((event.stream.clone(), it.email_key)),
            _ => None,
        },
        _ => None,
    });
    let (user, email_key) = registered.unwrap();
    (user, StreamId::Mailbox(email_key))
}

/// The things that others can do to a stream, and what is said of each.
const HARM: [(&str, &str); 5] = [
    ("tombstone", "the stream was deleted for good"),
    ("soft delete", "its metadata was changed to"),
    ("truncation", "its metadata was changed to"),
    ("foreign type", "an event of type OrderPlaced that whence did not write"),
    ("foreign metadata", "an event of type CodeVerified.v1 that whence did not write"),
];

fn harm(double: &Double, how: &str, stream: &str) {
    match how {
        "tombstone" => double.tombstone(stream),
        "soft delete" => double.soft_delete(stream),
        "truncation" => double.set_metadata(stream, r#"{"$tb":1}"#),
        "foreign type" => double.write(stream, "OrderPlaced", "", r#"{"order":1}"#),
        _ => double.write(stream, "CodeVerified.v1", r#"{"user":"bob"}"#, "{}"),
    }
}

/// Waits until the service has stored what it found, which the doctor reads.
async fn until_on_record(shared: &Shared, streams: &[String]) {
    until(async || {
        let found = shared.store().await.foreign_events();
        let is_there = |name: &String| found.iter().any(|it| it.stream.to_string() == *name);
        streams.iter().all(is_there)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_to_one_stream_is_named_and_stops_nobody_else() {
    let shared = Shared::new().await;
    let Shared { double, directory, .. } = &shared;
    let mut service = shared.serve();
    for (number, (how, found)) in HARM.into_iter().enumerate() {
        let theirs = format!("bob{number}@example.com");
        assert_eq!(log_in(&service, directory, &theirs).await.0, 200);
        let (user, mailbox) = streams_of_last(&shared).await;
        harm(double, how, &format!("whence.{user}"));
        harm(double, how, &format!("whence.{mailbox}"));

        // Everybody else is served, here and after a restart.
        assert_eq!(log_in(&service, directory, &format!("ada{number}@example.com")).await.0, 200);
        assert_eq!(service.readiness().await, 200, "{how}");
        let refused = log_in(&service, directory, &theirs).await;
        assert!(refused.0 == 409 && refused.1.contains("history_changed"), "{how}: {refused:?}");

        let places = [user.to_string(), mailbox.to_string()];
        until_on_record(&shared, &places).await;
        for command in [&["doctor"][..], &["verify"], &["replay", "--check"]] {
            let (exit, said) = shared.run(command);
            let named = |stream: &&String| {
                said.lines().any(|line| line.contains(&***stream) && line.contains(found))
            };
            assert!(places.iter().all(|stream| named(&stream)), "{how}, {command:?}: {said}");
            assert!(said.contains("position "), "{said}");
            assert!(exit == Some(1) || command == ["doctor"], "{how}, {command:?}: {said}");
        }
        let user_id = user.to_string().trim_start_matches("user-").to_owned();
        let (_, said) = shared.run(&["audit", "user", &user_id, "--operator", "ann"]);
        assert!(said.contains("cut"), "{how}: {said}");
        let (exit, log) = service.stop();
        assert_eq!(exit, Some(0));
        assert!(log.contains(&places[0]) && log.contains(&places[1]), "{how}: {log}");
        service = shared.serve();
        let refused = log_in(&service, directory, &theirs).await;
        assert!(refused.0 == 409 && refused.1.contains("history_changed"), "{how}: {refused:?}");
    }
    assert_eq!(service.stop().0, Some(0));
}
