//! A service that moved: its users notice nothing.

use std::path::Path;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use whence::infra::clock::Clock;
use whence::store::EventStore;
use whence_events::{Event, Recorded, StreamId, UserEvent};

use crate::operations::logs::{KEY, config, copy};
use crate::support::Service;
use whence_test_support::mails::mails_in;
use whence_test_support::postgres::database;

/// A service in `directory`, with mails in `mail`.
fn serve(directory: &Path, store: &str) -> Service {
    // Of the log only the line of the start, which has to come first.
    let flags = ["--mail", "directory:mail", "--log", "whence::cli=info"];
    Service::start(directory, &[&["--store", store, "--master-key", KEY], &flags[..]].concat())
}

/// The code in the only mail to an address.
fn code(directory: &Path, address: &str) -> String {
    let mut mails = mails_in(&directory.join("mail")).into_iter();
    let mail = mails.find(|mail| mail.contains(&format!("To: {address}"))).unwrap();
    let is_code = |word: &&str| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit());
    mail.split_whitespace().find(is_code).unwrap().to_owned()
}

/// Logs in, and gives the cookies.
async fn login(service: &Service, directory: &Path, address: &str) -> String {
    let (api, client) = (format!("http://{}/v1/auth/email", service.address), Client::new());
    let start = client.post(format!("{api}/start")).json(&json!({ "email": address }));
    let started: Value = start.send().await.unwrap().json().await.unwrap();
    let code = code(directory, address);
    let given = json!({ "request_id": started["request_id"], "code": code });
    let verified = client.post(format!("{api}/verify")).json(&given).send().await.unwrap();
    assert_eq!(verified.status(), 200);
    let cookies = verified.headers().get_all("set-cookie").into_iter();
    let cookies = cookies.map(|c| c.to_str().unwrap().split(';').next().unwrap().to_owned());
    cookies.collect::<Vec<_>>().join("; ")
}

async fn me(service: &Service, cookies: &str) -> Value {
    let url = format!("http://{}/v1/auth/me", service.address);
    let answer = Client::new().get(url).header("cookie", cookies).send().await.unwrap();
    answer.json().await.unwrap()
}

/// The tables of a store, up with its log.
async fn tables(store: &str) -> Vec<String> {
    let config = config(store);
    let log = config.open_log(Clock::system()).await.unwrap();
    let reads = config.storage.store.open_read_db().await.unwrap();
    let head = log.head().await.unwrap();
    let there = reads.positions().await.unwrap();
    assert!(there.iter().all(|checkpoint| checkpoint.position == head), "{there:?} of {head}");
    reads.dump().await.unwrap()
}

async fn user_of(log: &dyn EventStore, nth: usize) -> StreamId {
    let events = log.read_all(0, 1000).await.unwrap();
    let is_registered = |event: &&Recorded| match &event.event {
        Event::User(user) => matches!(**user, UserEvent::UserRegistered(_)),
        _ => false,
    };
    events.iter().filter(is_registered).nth(nth).unwrap().stream.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_stay_logged_in_and_those_who_were_erased_stay_erased() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let one = format!("sqlite:{}", path.join("one").display());
    let service = serve(path, "sqlite:one");
    let ada = login(&service, path, "ada@example.com").await;
    let bob = login(&service, path, "bob@example.com").await;
    let before = me(&service, &ada).await;
    assert_eq!(before["user"]["email"], "ada@example.com");
    assert_eq!(service.stop().0, Some(0));
    let log = config(&one).open_log(Clock::system()).await.unwrap();
    let erased = user_of(&*log, 1).await;
    log.destroy_key(&erased, None).await.unwrap();
    drop(log);
    let service = serve(path, "sqlite:one");
    let erased = me(&service, &bob).await["error"].clone();
    assert_eq!(erased, "unauthenticated");
    assert_eq!(service.stop().0, Some(0));
    let tables_before = tables(&one).await;

    let database = database().await;
    copy(path, "sqlite:one", database.url(), &[]).unwrap();
    let service = serve(path, database.url());
    assert_eq!(me(&service, &ada).await, before);
    assert_eq!(me(&service, &bob).await["error"], erased);
    assert_eq!(service.stop().0, Some(0));
    assert_eq!(tables(database.url()).await, tables_before);

    copy(path, database.url(), "sqlite:back", &[]).unwrap();
    let service = serve(path, "sqlite:back");
    assert_eq!(me(&service, &ada).await, before);
    assert_eq!(service.stop().0, Some(0));
    let back = format!("sqlite:{}", path.join("back").display());
    assert_eq!(tables(&back).await, tables_before);
}
