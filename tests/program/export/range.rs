//! From one position to another, and on from there.

use tempfile::TempDir;
use whence_test_support::tool::program;

use crate::export::log::Log;
use crate::export::reader::{query, read};
use crate::support::{Service, whence};

#[tokio::test(flavor = "multi_thread")]
async fn two_exports_joined_are_one() {
    let log = Log::sqlite().await;
    let whole = log.export("whole.parquet", &[]);
    let last = log.events.last().unwrap().position;
    let count = log.events.len();
    let sentence = format!(
        "whence: {count} events, the last at position {last}; --from {} goes on\n",
        last + 1
    );
    assert_eq!(whole.1, sentence);
    let (one, said) = log.export("one.parquet", &["--to", "41"]);
    assert_eq!(said, "whence: 41 events, the last at position 41; --from 42 goes on\n");
    let (two, _) = log.export("two.parquet", &["--from", "42"]);
    let joined =
        query(&format!("SELECT * FROM read_parquet(['{}', '{}'])", one.display(), two.display()));
    assert_eq!(joined.rows, read(&whole.0).rows);
    // The same of text, which has a header each.
    let lines =
        |name: &str, more: &[&str]| std::fs::read_to_string(log.export(name, more).0).unwrap();
    assert_eq!(
        lines("one.jsonl", &["--to", "41"]) + &lines("two.jsonl", &["--from", "42"]),
        lines("whole.jsonl", &[])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_and_none() {
    let log = Log::sqlite().await;
    let last = log.events.last().unwrap().position;
    let (one, _) = log.export("one.jsonl", &["--from", "7", "--to", "7"]);
    assert_eq!(std::fs::read_to_string(one).unwrap().lines().count(), 1);
    // Nothing new yet: a file without rows, which a job that asks every night can read.
    let next = (last + 1).to_string();
    let (none, said) = log.export("none.parquet", &["--from", &next]);
    assert_eq!(
        said,
        format!("whence: no event at or behind position {next}; --from {next} goes on\n")
    );
    let none = read(&none);
    assert_eq!((none.rows.len(), none.columns.len()), (0, 15));
    let (header, _) = log.export("none.csv", &["--from", &next]);
    assert!(std::fs::read_to_string(header).unwrap().ends_with(",data,personal\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_are_not_there() {
    let log = Log::sqlite().await;
    let last = log.events.last().unwrap().position;
    let beyond = (last + 2).to_string();
    log.refused(
        &["--format", "csv", "--from", &beyond],
        &format!("--from {beyond}: the log ends at {last}, so go on from {} at most", last + 1),
    );
    log.refused(
        &["--format", "csv", "--to", &beyond],
        &format!("--to {beyond}: the log ends at {last}"),
    );
    log.refused(&["--format", "csv", "--from", "8", "--to", "7"], "--from 8 lies behind --to 7");
    log.refused(
        &["--format", "csv", "--from", "-1"],
        "unexpected argument '-1' found; tip: to pass '-1' as a value, use '-- -1' (see --help)",
    );
    log.refused(
        &["--format", "excel"],
        "invalid value 'excel' for '--format <FORMAT>'; [possible values: jsonl, csv, parquet] \
         (see --help)",
    );
}

/// A log in files takes one writer; an export is none.
#[test]
fn a_service_may_run_meanwhile() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    let export = |from: &str| {
        let mut command = whence(directory.path());
        let output = command.args(["export", "events", "--format=jsonl", "--from", from]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let before = export("1");
    assert!(before.starts_with("{\"position\":1,") && before.lines().count() == 1, "{before}");
    let (address, body) = (service.address, r#"{"email":"ada@example.com"}"#);
    let asked = program("curl")
        .args(["-sf", "-H", "content-type: application/json", "-d", body])
        .arg(format!("http://{address}/v1/auth/email/start"))
        .output();
    assert!(asked.unwrap().status.success());
    let meanwhile = export("2");
    assert!(meanwhile.contains("\"type\":\"LoginStarted.v1\""), "{meanwhile}");
    assert!(!meanwhile.contains("ada@"), "{meanwhile}");
    assert_eq!(service.stop().0, Some(0));
}
