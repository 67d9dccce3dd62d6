//! From one position to another, and on from there.

use crate::log::Log;
use crate::reader::{query, read};
use crate::support::Service;

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
        "unexpected argument '-1' found (see --help)",
    );
    log.refused(
        &["--format", "excel"],
        "invalid value 'excel' for '--format <FORMAT>'; [possible values: jsonl, csv, parquet] \
         (see --help)",
    );
}

/// The service writes meanwhile; an export ends where the log did when it began.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_run_meanwhile() {
    let log = Log::sqlite().await;
    let flags: Vec<_> = log.flags.iter().map(String::as_str).collect();
    // The log has events that a service cannot read; it serves all the same.
    let service = Service::start(log.directory.path(), &flags);
    let (file, _) = log.export("events.jsonl", &[]);
    let lines = std::fs::read_to_string(file).unwrap();
    assert!(lines.lines().count() >= log.events.len());
    drop(service);
}
