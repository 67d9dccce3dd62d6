//! `whence serve` with nothing else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use crate::support::Service;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn serve_makes_all_it_needs_and_says_where_to_look() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    let data = directory.path().join("whence-data");
    assert_eq!((mode(&data), mode(&data.join("mail"))), (0o700, 0o700));
    assert_eq!(mode(&data.join("master.key")), 0o600);
    let key = std::fs::read_to_string(data.join("master.key")).unwrap();
    assert_eq!(key.trim().len(), 64);
    assert_eq!(mode(&data.join("log.db")), 0o600);
    assert!(data.join("read.db").exists());
    let address = service.address;
    let expected = format!(
        "whence is up at http://{address}, data in ./whence-data, mails in ./whence-data/mail"
    );
    assert_eq!(service.started["fields"]["message"], expected);

    std::net::TcpStream::connect(address).expect("it serves");
    let (code, rest) = service.stop();
    assert_eq!(code, Some(0));
    assert_eq!(rest.lines().count(), 1, "one line at its end: {rest}");
    assert!(std::net::TcpStream::connect(address).is_err(), "it is gone");
}

#[test]
fn a_second_start_keeps_the_key() {
    let directory = crate::support::used_directory();
    let file = directory.path().join("whence-data/master.key");
    let key = std::fs::read(&file).unwrap();
    assert_eq!(Service::start(directory.path(), &[]).stop().0, Some(0));
    assert_eq!(std::fs::read(&file).unwrap(), key);
}

#[test]
fn a_key_of_the_environment_leaves_no_file() {
    let directory = TempDir::new().unwrap();
    let key = "ab".repeat(32);
    let (code, said) = Service::start(directory.path(), &["--master-key", &key]).stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains(&key));
    assert!(!directory.path().join("whence-data/master.key").exists());
}

#[test]
fn the_line_of_the_start_tells_no_password() {
    let directory = TempDir::new().unwrap();
    let flags =
        ["--mail", "smtp://ada:hunter2@mail.example.com", "--public-url", "https://x.example.com"];
    let service = Service::start(directory.path(), &flags);
    let line = service.started.to_string();
    assert!(line.contains("mails by mail server mail.example.com port 587"), "{line}");
    assert!(line.contains(" for https://x.example.com/"), "{line}");
    let (code, rest) = service.stop();
    assert_eq!(code, Some(0));
    assert!(!line.contains("hunter2") && !rest.contains("hunter2"));
}
