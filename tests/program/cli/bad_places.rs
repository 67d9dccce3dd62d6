//! Ports and directories that cannot be used: one sentence, exit code 1, nothing damaged.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{Service, contents, refused, used_directory};

fn log_of(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("whence-data/log.db")
}

/// Changes a log as nobody should.
fn tamper(log: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(log).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// It still opens, with its own key.
#[track_caller]
fn is_sound(directory: &TempDir) {
    assert_eq!(Service::start(directory.path(), &[]).stop().0, Some(0));
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(
        TempDir::new().unwrap().path(),
        &["--listen", &address],
        &format!("cannot listen on {address}: Address already in use (os error 98)"),
    );
}

/// Tests may run as root, whom permissions do not stop: a directory below a file, and one in /proc,
/// cannot be made by anybody.
#[test]
fn an_unwritable_directory() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    refused(
        directory.path(),
        &["--store", "sqlite:file/data"],
        "cannot make the data directory file/data: Not a directory (os error 20)",
    );
    refused(
        directory.path(),
        &["--store", "sqlite:file"],
        "cannot make the data directory file: File exists (os error 17)",
    );
    refused(
        directory.path(),
        &["--store", "sqlite:/proc/whence"],
        "cannot make the data directory /proc/whence: No such file or directory (os error 2)",
    );
    refused(
        directory.path(),
        &["--store", "sqlite:/proc", "--mail", "smtp://127.0.0.1"],
        "cannot write the master key /proc/master.key: No such file or directory (os error 2)",
    );
    let key = "ab".repeat(32);
    refused(
        directory.path(),
        &["--store", "sqlite:/proc", "--mail", "smtp://127.0.0.1", "--master-key", &key],
        "cannot open the log /proc/log.db: No such file or directory (os error 2)",
    );
}

#[test]
fn an_unwritable_mail_directory() {
    let directory = used_directory();
    refused(
        directory.path(),
        &["--mail", "directory:whence-data/log.db/mail"],
        "--mail: mails cannot be written to `whence-data/log.db/mail`: Not a directory (os error \
         20)",
    );
    is_sound(&directory);
}

#[test]
fn another_master_key() {
    let directory = used_directory();
    let key = "ab".repeat(32);
    refused(
        directory.path(),
        &["--master-key", &key],
        "the log ./whence-data/log.db was made with another master key",
    );
    is_sound(&directory);
}

/// What a crash left in the WAL stays there: a start that is refused folds nothing into the log.
#[test]
fn another_master_key_after_a_crash() {
    let directory = TempDir::new().unwrap();
    drop(Service::start(directory.path(), &[])); // SIGKILL
    let wal = log_of(&directory).with_extension("db-wal");
    assert!(wal.metadata().unwrap().len() > 0, "the crash left a WAL");
    let key = "ab".repeat(32);
    refused(
        directory.path(),
        &["--master-key", &key],
        "the log ./whence-data/log.db was made with another master key",
    );
    is_sound(&directory);
}

#[test]
fn a_missing_or_damaged_master_key() {
    let directory = used_directory();
    let file = directory.path().join("whence-data/master.key");
    let key = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    refused(
        directory.path(),
        &[],
        "the master key ./whence-data/master.key of the log beside it is missing",
    );
    std::fs::write(&file, &key[1..]).unwrap();
    refused(directory.path(), &[], "./whence-data/master.key does not hold a master key");
    std::fs::write(&file, &key).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    is_sound(&directory);
}

#[test]
fn a_log_of_a_newer_version() {
    let directory = used_directory();
    tamper(&log_of(&directory), "PRAGMA user_version = 4000");
    let connection = rusqlite::Connection::open(log_of(&directory)).unwrap();
    let events: u64 =
        connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    assert_ne!(events, 0);
    drop(connection);
    let before = contents(directory.path());
    let output = crate::support::serve_and_fail(directory.path(), &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let (start, end) = stderr.trim_end().split_once("(format 4000, here ").expect(&stderr);
    assert_eq!(
        start,
        "whence: the log ./whence-data/log.db was written by a newer version of whence "
    );
    assert!(end.trim_end_matches(')').parse::<u32>().is_ok(), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(contents(directory.path()), before);
}

#[test]
fn a_file_that_is_no_log() {
    let key = "ab".repeat(32);
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("whence-data");
    std::fs::create_dir_all(data.join("mail")).unwrap();
    std::fs::write(data.join("log.lock"), "").unwrap();
    let log = data.join("log.db");
    let sentence = "./whence-data/log.db is not a whence log";
    for bytes in [&b"hello"[..], &[0; 4096], &[b'x'; 10_000]] {
        std::fs::write(&log, bytes).unwrap();
        refused(directory.path(), &["--master-key", &key], sentence);
    }
    std::fs::remove_file(&log).unwrap();
    tamper(&log, "CREATE TABLE shopping (item TEXT); INSERT INTO shopping VALUES ('milk')");
    refused(directory.path(), &["--master-key", &key], sentence);
}

#[test]
fn a_directory_that_is_in_use() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    let output = crate::support::serve_and_fail(directory.path(), &[]);
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "whence: the log ./whence-data/log.db is in use by another whence process\n"
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(service.stop().0, Some(0));
    is_sound(&directory);
}
