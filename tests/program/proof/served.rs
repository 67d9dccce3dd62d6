//! What a service signs by itself, and what it proves to anybody who asks.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;
use whence::engine::proof::{Checkpoint, Verifier, continues, includes};
use whence::store::Location;
use whence_events::Hash;

use crate::proof::log::{KEY, keys, verify};
use crate::support::Service;
use whence_test_support::postgres::database;

/// How long something may take that happens by itself.
const SOON: Duration = Duration::from_secs(20);

async fn get(service: &Service, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", service.address)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What a service answers that has no reason not to.
async fn told(service: &Service, path: &str) -> String {
    let (status, text) = get(service, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    text
}

async fn key(service: &Service) -> Verifier {
    told(service, "/v1/log/key").await.trim_end().parse().unwrap()
}

async fn checkpoint(service: &Service) -> Checkpoint {
    let key = key(service).await;
    Checkpoint::open(&told(service, "/v1/log/checkpoint").await, &key).unwrap()
}

/// Begins a login, which is a new event.
async fn start_login(service: &Service, email: &str) {
    let url = format!("http://{}/v1/auth/email/start", service.address);
    let body = format!(r#"{{"email":"{email}"}}"#);
    let client = reqwest::Client::new();
    let answer = client.post(url).header("content-type", "application/json").body(body);
    assert!(answer.send().await.unwrap().status().is_success());
}

fn path_of(answer: &Value) -> Vec<Hash> {
    let node =
        |text: &Value| Hash(STANDARD.decode(text.as_str().unwrap()).unwrap().try_into().unwrap());
    answer["hashes"].as_array().unwrap().iter().map(node).collect()
}

/// Asks for everything, and checks it with the public key.
async fn everything_is_proved(service: &Service, location: &Location) {
    start_login(service, "eve@example.com").await;
    let old = loop {
        // The tables follow the log.
        let old = checkpoint(service).await;
        if old.size > 0 {
            break old;
        }
    };
    for n in 0..5 {
        start_login(service, &format!("ada{n}@example.com")).await;
    }
    let store =
        location.open_to_read(keys().fingerprint(), whence::infra::clock::Clock::system()).await;
    let events = store.unwrap().read_leaves(0, 1000).await.unwrap();
    assert!(events.len() as u64 > old.size, "there are new events");
    for (index, (position, bytes)) in (0..).zip(events.iter()) {
        let answer = told(service, &format!("/v1/log/proof?position={position}")).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let note = answer["checkpoint"].as_str().unwrap();
        let tree = Checkpoint::open(note, &key(service).await).unwrap();
        assert_eq!(
            (answer["index"].as_u64(), answer["size"].as_u64()),
            (Some(index), Some(tree.size))
        );
        let leaf = STANDARD.encode(whence_projections::merkle::leaf_hash(bytes).0);
        assert_eq!(answer["leaf"], leaf);
        assert!(includes(&tree, bytes, index, &path_of(&answer)), "{answer}");
        assert!(!includes(&tree, b"another", index, &path_of(&answer)), "{answer}");
    }
    let new = checkpoint(service).await;
    assert_eq!(new.size, events.len() as u64);
    let query = format!("/v1/log/consistency?from={}", old.size);
    let answer: Value = serde_json::from_str(&told(service, &query).await).unwrap();
    assert!(continues(&new, &old, &path_of(&answer)), "{answer}");
    let same = told(service, &format!("/v1/log/consistency?from={0}&to={0}", new.size)).await;
    assert!(same.contains(r#""hashes":[]"#), "a log is its own beginning: {same}");
    let query = format!("{query}&to={}", new.size);
    let answer: Value = serde_json::from_str(&told(service, &query).await).unwrap();
    assert!(continues(&new, &old, &path_of(&answer)), "{answer}");
    assert!(!continues(&new, &Checkpoint { root: Hash([0; 32]), ..old }, &path_of(&answer)));
}

async fn nonsense_is_refused(service: &Service) {
    let size = checkpoint(service).await.size;
    for (path, status) in [
        ("proof".to_owned(), 400),
        ("proof?position=".to_owned(), 400),
        ("proof?position=one".to_owned(), 400),
        ("proof?position=-1".to_owned(), 400),
        ("proof?position=0".to_owned(), 404),
        ("proof?position=99999999".to_owned(), 404),
        ("proof?position=18446744073709551615".to_owned(), 404),
        ("proof?position=18446744073709551616".to_owned(), 400),
        ("consistency".to_owned(), 400),
        ("consistency?from=0".to_owned(), 400),
        ("consistency?from=2&to=1".to_owned(), 400),
        ("consistency?from=1&to=x".to_owned(), 400),
        (format!("consistency?from={}", size + 1), 404),
        (format!("consistency?from={0}&to={0}", size + 1), 404),
        (format!("consistency?from={0}&to={0}", u64::MAX), 404),
        (format!("proof?position=1&size={}", size + 1), 404),
        (format!("proof?position=1&size={}", u64::MAX), 404),
        ("proof?position=1&size=0".to_owned(), 404),
        (format!("consistency?from=1&to={}", size + 1), 404),
        (format!("consistency?from=1&to={}", u64::MAX), 404),
    ] {
        let (found, text) = get(service, &format!("/v1/log/{path}")).await;
        assert_eq!(found, status, "{path}: {text}");
        let error: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(error["error"], if status == 400 { "invalid_query" } else { "not_found" });
    }
}

/// The note in a file that appears by itself, once it is over more events than this.
fn appears(file: &Path, more_than: u64) -> String {
    let began = Instant::now();
    loop {
        let note = std::fs::read_to_string(file).unwrap_or_default();
        let size = note.lines().nth(1).and_then(|size| size.parse::<u64>().ok());
        if size.is_some_and(|size| size > more_than) {
            return note;
        }
        assert!(began.elapsed() < SOON, "{} says {note:?}", file.display());
        std::thread::yield_now();
    }
}

const FLAGS: [&str; 6] =
    ["--store", "sqlite:data", "--master-key", KEY, "--log-origin", crate::proof::log::ORIGIN];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_over_files_leaves_checkpoints_and_proves_what_it_holds() {
    let directory = TempDir::new().unwrap();
    let flags = [&FLAGS[..], &["--checkpoint-events", "3"]].concat();
    let service = Service::start(directory.path(), &flags);
    let latest = directory.path().join("data/checkpoints/latest");
    let first = appears(&latest, 0);
    let key = key(&service).await;
    assert_eq!(key, crate::proof::log::signer().verifier());
    let size = Checkpoint::open(&first, &key).unwrap().size;
    let location = Location::Sqlite(directory.path().join("data"));
    everything_is_proved(&service, &location).await;
    nonsense_is_refused(&service).await;
    let second = Checkpoint::open(&appears(&latest, size), &key).unwrap();
    let named = directory.path().join(format!("data/checkpoints/checkpoint-{:012}", second.size));
    assert_eq!(std::fs::read_to_string(named).unwrap(), std::fs::read_to_string(latest).unwrap());

    // Beside the service, which goes on.
    let (well, said) = verify(directory.path(), &["--store", "sqlite:data"]);
    assert!(well && said.starts_with("unaltered: "), "{said}");
    assert!(said.contains(&format!("the last over {} events", second.size)), "{said}");
    assert_eq!(service.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_over_postgres_proves_what_it_holds() {
    let (directory, database) = (TempDir::new().unwrap(), database().await);
    let flags = ["--store", database.url(), "--master-key", KEY, "--checkpoints", "notes"];
    let more = ["--checkpoint-seconds", "1", "--log", "whence::cli=info"];
    let service = Service::start(directory.path(), &[&flags[..], &more].concat());
    appears(&directory.path().join("notes/latest"), 0);
    everything_is_proved(&service, &Location::parse(database.url(), None).unwrap()).await;
    nonsense_is_refused(&service).await;
    appears(&directory.path().join("notes/latest"), 5);
    assert_eq!(service.stop().0, Some(0));
    let flags = ["--store", database.url(), "--checkpoint", "notes"];
    let (well, said) = verify(directory.path(), &flags);
    assert!(well, "{said}");
}

#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn a_service_over_kurrentdb_proves_what_it_holds() {
    let (directory, database) = (TempDir::new().unwrap(), database().await);
    let double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
    let url = double.url();
    let log = ["--log", "whence::cli=info"];
    let flags = ["--store", &url, "--read-db", database.url(), "--master-key", KEY];
    let service = Service::start(directory.path(), &[&flags[..], &log].concat());
    let location = Location::parse(&url, Some(database.url())).unwrap();
    everything_is_proved(&service, &location).await;
    nonsense_is_refused(&service).await;
    assert_eq!(service.stop().0, Some(0));
}

/// A log whose past was changed is served, loudly, and nothing more is signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_never_signs_what_contradicts_its_last_checkpoint() {
    let directory = TempDir::new().unwrap();
    let flags = [&FLAGS[..], &["--checkpoint-seconds", "1"]].concat();
    let service = Service::start(directory.path(), &flags);
    let latest = directory.path().join("data/checkpoints/latest");
    start_login(&service, "ada@example.com").await;
    let signed = appears(&latest, 1);
    assert_eq!(service.stop().0, Some(0));
    crate::proof::log::tamper(
        &directory,
        "log.db",
        "UPDATE events SET actor = 'system' WHERE actor = 'visitor'",
    );
    std::fs::remove_file(directory.path().join("data/read.db")).unwrap();

    let service = Service::start(directory.path(), &flags);
    start_login(&service, "bob@example.com").await;
    let (status, text) = get(&service, "/v1/log/checkpoint").await;
    assert_eq!(status, 500, "{text}");
    assert_eq!(get(&service, "/readyz").await.0, 200);
    let (_, said) = service.stop();
    assert!(said.contains("the log contradicts its own checkpoint over"), "{said}");
    assert_eq!(std::fs::read_to_string(&latest).unwrap(), signed);
}

#[test]
fn a_name_of_the_log_that_cannot_be_one_is_refused() {
    let directory = TempDir::new().unwrap();
    crate::support::refused(
        directory.path(),
        &["--log-origin", "our log"],
        "--log-origin our log: a name of a key has no spaces and no +",
    );
}
