//! The quick mode runs to its end and reports correct figures.

use std::process::Command;

const ROWS: &[&str] = &[
    "machine: ",
    "bare axum GET /",
    "me, 300 sessions, all in the cache",
    "me, cache of 100000 as by default",
    "SQLite itself, one upsert an event",
    "ReadDb::apply alone",
    "log read, decoded and applied",
    "SQLite itself, every column of every event read",
    "a view in memory, applying alone",
    "replay identity attribution",
    "replay, all projections",
    "report signups",
    "export events --format parquet",
    "verify",
    "resident at most, MB: ",
    "ready over an empty log, ms",
    "ready over a log of ",
    "resident after start, MB",
    "resident after a burst of me of 300 sessions, MB",
    "logins, 4 in flight, until answered",
    "logins, 4 in flight, until onboarded",
    "logins, 8 in flight, until answered",
    "logins, 8 in flight, until onboarded",
    "start alone, mails to a directory",
    "start alone, mails to SMTP",
    "logins, 4 in flight, mails to a directory",
    "logins, 4 in flight, mails to SMTP",
    "the same until onboarded, mails to SMTP",
    "the mail server took ",
    "start, unknown against known",
    "start, unknown against known and recent",
    "start, control: known against known",
    "verify of a wrong code, unknown against known",
    "verify of a wrong code, control: known against known",
    "SQLite itself, 1 a commit",
    "SQLite itself, 100 a commit",
    "append, 4 in flight",
    "append, 8 in flight",
];

const ROWS_OF_OTHER_STORES: &[&str] = &[
    "Postgres: me, 300 cached, one node",
    "Postgres: me, 300 cached, two nodes",
    "Postgres: ReadDb::apply alone",
    "Postgres: log read, decoded and applied",
    "Postgres: logins, 4 in flight, until answered",
    "Postgres: logins, 8 in flight, until onboarded",
    "a login in Postgres: ",
    "KurrentDB double: logins, 4 in flight, until answered",
    "Postgres itself, 1 a commit",
    "Postgres itself, 32 a commit",
    "Postgres: append, 4 in flight",
    "Postgres: append, 8 in flight, 4 events each",
    "KurrentDB double: append, 1 in flight",
    "KurrentDB double: append, 4 in flight",
    "client alone: append, 1 in flight",
    "append, 1 in flight",
    "client alone: append of 3, 1 in flight",
    "copy out of SQLite",
    "verify of the copy",
    "client alone: 10 calls, 4 in flight",
];

fn quick(more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_whence-bench"))
        .arg("--quick")
        .args(more)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Returns the number before a word.
fn number(line: &str, unit: &str) -> u64 {
    let words: Vec<_> = line.split([' ', ',']).collect();
    let index = words.iter().position(|word| *word == unit).expect(line);
    words[index - 1].parse().expect(line)
}

#[track_caller]
fn assert_rows(text: &str, rows: &[&str]) {
    for row in rows {
        let line = text.lines().find(|line| line.trim_start().starts_with(row));
        let line = line.unwrap_or_else(|| panic!("no row {row:?} in\n{text}"));
        assert!(line.bytes().any(|byte| byte.is_ascii_digit()), "{line}");
    }
}

#[test]
fn every_row_is_printed_and_every_login_is_a_user_in_the_log() {
    let text = quick(&[]);
    assert_rows(&text, ROWS);
    let logins: Vec<_> = text.lines().filter(|line| line.contains("users registered")).collect();
    assert_eq!(logins.len(), 2, "{text}");
    for line in logins {
        let done = number(line, "logins");
        assert!(done > 0, "{line}");
        assert_eq!(done, number(line, "users"), "{line}");
        // The rules in force are one more event.
        assert_eq!(number(line, "events"), 10 * done + 1, "{line}");
    }
}

#[test]
fn other_stores_are_measured_next_to_the_files() {
    let text = quick(&["--store", "sqlite,postgres,kurrentdb-double"]);
    assert_rows(&text, ROWS);
    assert_rows(&text, ROWS_OF_OTHER_STORES);
    assert!(text.contains(" calls a login of a new user"), "{text}");
    let logins: Vec<_> = text.lines().filter(|line| line.contains("users registered")).collect();
    assert_eq!(logins.len(), 6, "{text}");
    for line in logins {
        let done = number(line, "logins");
        assert!(done > 0, "{line}");
        assert_eq!(done, number(line, "users"), "{line}");
    }
}

#[test]
fn memory_is_measured_over_logs_of_two_lengths_when_selected() {
    let text = quick(&["--only", "memory"]);
    let lines: Vec<_> = text.lines().filter(|line| line.contains("verify, ")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines.iter().all(|line| !line.contains(" 0.0 ")), "{text}");
}
