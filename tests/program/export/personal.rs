//! Personal data: sealed, unless it is asked for; gone, when it was erased.

use std::path::Path;

use serde_json::Value;

use crate::export::log::{ERASED, KEY, Log, address, clear};
use crate::export::reader::read;

/// Whether bytes are in a file.
fn holds(file: &Path, text: &str) -> bool {
    let bytes = std::fs::read(file).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Parquet compresses: its values are looked at by its reader.
fn all_text(file: &Path) -> String {
    read(file).rows.iter().map(|row| Value::from(row.clone()).to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_leaves_unless_it_is_asked_for() {
    let log = Log::sqlite().await;
    for name in ["events.jsonl", "events.csv", "events.parquet"] {
        let (file, said) = log.export(name, &[]);
        assert_eq!(said.lines().count(), 1, "nothing to warn of: {said}");
        let text = all_text(&file);
        for person in 1..=3 {
            for what in [address(person), format!("person{person}"), format!("192.0.2.{person}")] {
                assert!(!holds(&file, &what) && !text.contains(&what), "{what} is in {name}");
            }
        }
        let (open, _) = log.export(&format!("open.{name}"), &["--open-personal-data"]);
        assert!(all_text(&open).contains(&address(1)), "this test looks for the wrong thing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opened_it_stands_beside_the_data_and_erased_it_is_null() {
    let log = Log::sqlite().await;
    let flags = ["--open-personal-data", "--operator", "grace"];
    let (file, said) = log.export("open.jsonl", &flags);
    assert!(
        said.starts_with(
            "whence: this export holds personal data in clear: keep it as you keep the log\n"
        ),
        "{said}"
    );
    let rows = read(&file).rows;
    let mut opened = 0;
    for (event, row) in log.events.iter().zip(&rows) {
        let person = (1..=3).find(|person| is_of(&event.stream.to_string(), *person)).unwrap();
        let mut expected = serde_json::Map::new();
        event.event.clone().visit_pii(&mut |field, _| {
            let text = clear(field, person);
            let value = match field {
                "client" | "device" => serde_json::from_str(&text).unwrap(),
                _ => Value::from(text),
            };
            let erased = person == ERASED && event.stream.to_string() != "audit";
            expected.insert(field.to_owned(), if erased { Value::Null } else { value });
            opened += 1;
        });
        let expected = if expected.is_empty() { Value::Null } else { expected.into() };
        assert_eq!(row[14], expected, "{}", event.event.event_type());
    }
    assert!(opened >= 20, "only {opened} fields were looked at");
    // What is stored stays beside it as it is.
    let sealed = read(&log.export("sealed.jsonl", &[]).0).rows;
    let without =
        |rows: &[Vec<Value>]| rows.iter().map(|row| row[..14].to_vec()).collect::<Vec<_>>();
    assert_eq!(without(&rows), without(&sealed[..rows.len()]));
    // And who was shown it is on record, behind what they were shown.
    let [read] = &sealed[rows.len()..] else { panic!("one event more") };
    assert_eq!((&read[5], &read[8]), (&"AuditRead.v1".into(), &"operator:grace".into()));
    assert_eq!(read[13]["subject"], "events");
    assert_eq!(read[13]["personal_data"], true);
}

/// Whose stream it is; streams of all are anybody's.
fn is_of(stream: &str, person: usize) -> bool {
    let address = whence_events::EmailAddress::parse(&address(person)).unwrap();
    let key = crate::export::log::keys().email_key(&address).to_string();
    stream == format!("mailbox-{key}")
        || stream.ends_with(&format!("0000000{person}"))
        || stream.ends_with(&format!("code{person}"))
        || stream == "audit"
        || stream.starts_with("rules-")
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_opens_nothing() {
    let log = Log::sqlite().await;
    let mut command = crate::support::whence(log.directory.path());
    let other = KEY.replace('a', "c");
    let flags = ["--store", "sqlite:data", "--master-key", &other, "--open-personal-data"];
    let output =
        command.args(["export", "events", "--format", "csv"]).args(flags).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "whence: the log data/log.db was made with another master key\n"
    );
    assert!(output.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_on_record_is_not_shown() {
    let log = Log::sqlite().await;
    let path = log.directory.path().join("data/log.db");
    let fingerprint = crate::export::log::keys().fingerprint();
    let service =
        whence::store::SqliteStore::open(&path, fingerprint, whence::infra::clock::Clock::system());
    let service = service.unwrap();
    log.refused(
        &["--format", "csv", "--out", "open.csv", "--open-personal-data"],
        "an export of personal data is put on record before it begins: the log data/log.db is in \
         use by another whence process",
    );
    assert!(!log.directory.path().join("open.csv").exists());
    drop(service);
}
