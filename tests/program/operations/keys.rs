//! `whence keys` as the real program: beside a service, without one, and killed in between.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use whence_test_support::mails::mails_in;

use crate::support::{Service, whence};

const TOKEN: &str = "0123456789abcdefghij0123";

fn run(directory: &Path, arguments: &[&str]) -> (bool, String, String) {
    finished(whence(directory).args(arguments))
}

fn finished(command: &mut Command) -> (bool, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

async fn log_in(service: &Service, directory: &Path, email: &str) -> String {
    let client = reqwest::Client::new();
    let base = format!("http://{}", service.address);
    let body = format!(r#"{{"email":"{email}"}}"#);
    let started = client.post(format!("{base}/v1/auth/email/start")).body(body).send().await;
    let started: Value = serde_json::from_str(&started.unwrap().text().await.unwrap()).unwrap();
    let mut mails = mails_in(&directory.join("whence-data/mail")).into_iter();
    let mail = mails.find(|mail| mail.contains(&format!("To: {email}")));
    let mail = mail.expect("a mail was written");
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
    let code = mail.lines().map(str::trim).find(is_code).unwrap();
    let id = started["request_id"].as_str().unwrap();
    let body = format!(r#"{{"request_id":"{id}","code":"{code}"}}"#);
    let done = client.post(format!("{base}/v1/auth/email/verify")).body(body).send().await.unwrap();
    assert_eq!(done.status(), 200);
    let cookies = done.headers().get_all("set-cookie").iter();
    let pair = |line: &reqwest::header::HeaderValue| {
        line.to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    cookies.map(pair).collect::<Vec<_>>().join("; ")
}

async fn me(service: &Service, cookies: &str) -> u16 {
    let client = reqwest::Client::new();
    let request = client.get(format!("http://{}/v1/auth/me", service.address));
    request.header("cookie", cookies).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_of_a_running_service() {
    let home = TempDir::new().unwrap();
    let directory = home.path();
    let flags = ["--admin-token", TOKEN, "--log", "info"];
    let service = Service::start(directory, &flags);
    let cookies = log_in(&service, directory, "ada@example.com").await;
    drop(service);
    let key_file = directory.join("whence-data/master.key");
    let old = std::fs::read_to_string(&key_file).unwrap();
    let new = "7e".repeat(32);
    std::fs::write(&key_file, format!("{new}\n{old}")).unwrap();
    let service = Service::start(directory, &flags);
    let url = format!("http://{}", service.address);
    let beside = ["--server", &url, "--admin-token", TOKEN];
    let (done, said, wrong) =
        run(directory, &[&["keys", "rotate", "master"], &beside[..]].concat());
    assert!(done, "{wrong}");
    assert!(said.starts_with("the vault is under the new master key"), "{said}");
    assert_eq!(me(&service, &cookies).await, 200);
    let (done, said, wrong) = run(directory, &[&["keys", "list"], &beside[..]].concat());
    assert!(done && said.contains(", 0 of them not under the newest master key"), "{said}{wrong}");
    assert!(!said.contains(old.trim()) && !said.contains(&new));
    drop(service);
    std::fs::write(&key_file, &new).unwrap();
    let service = Service::start(directory, &flags);
    assert_eq!(me(&service, &cookies).await, 200);
    drop(service);
    // The log is the same, and its checkpoints are those of the same key.
    let (done, said, wrong) = run(directory, &["verify"]);
    assert!(done && said.starts_with("unaltered"), "{said}{wrong}");
    std::fs::write(&key_file, &old).unwrap();
    let (_, _, wrong) = run(directory, &["verify"]);
    assert!(wrong.contains("was made with another master key"), "{wrong}");
}

/// What is left of a rotation that was killed is told, and the same command ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_killed_half_way() {
    let home = TempDir::new().unwrap();
    let directory = home.path();
    let service = Service::start(directory, &["--log", "info"]);
    let cookies = log_in(&service, directory, "ada@example.com").await;
    drop(service);
    let key_file = directory.join("whence-data/master.key");
    let old = std::fs::read_to_string(&key_file).unwrap();
    let new = "7e".repeat(32);
    std::fs::write(&key_file, format!("{new}\n{old}")).unwrap();
    // As it stands after the first step: the rest was never done.
    let config = whence::engine::log_config::LogConfig {
        store: whence::store::Location::Sqlite(directory.join("whence-data")),
        master_key: whence::infra::keys::MasterKey::parse(&format!("{new} {old}")).unwrap(),
    };
    let engine = whence::engine::Engine::open(&config).await.unwrap();
    let now = whence::infra::clock::Clock::system().now();
    let at = whence::engine::service_keys::MasterRotation::default();
    let at = whence::engine::service_keys::rotate_master(&engine.keys, &*engine.store, at, now);
    assert!(!at.await.unwrap().done);
    drop(engine);
    for alone in [&new, &old] {
        std::fs::write(&key_file, alone).unwrap();
        let (done, _, wrong) = run(directory, &["keys", "list"]);
        assert!(!done && wrong.contains("is being rotated: give the new key and the old one"));
    }
    std::fs::write(&key_file, format!("{new}\n{old}")).unwrap();
    let (done, said, wrong) = run(directory, &["keys", "rotate", "master"]);
    assert!(done && said.starts_with("the vault is under the new master key"), "{said}{wrong}");
    std::fs::write(&key_file, &new).unwrap();
    let service = Service::start(directory, &["--log", "info"]);
    assert_eq!(me(&service, &cookies).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_out_of_files_and_credentials() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = TempDir::new().unwrap();
    let directory = home.path();
    let secret = |name: &str, text: &str, mode| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = secret("key", &"6d".repeat(32), 0o600);
    let tokens = secret("tokens", &format!("ada={TOKEN}\nbob={TOKEN}9\n"), 0o600);
    let files = ["--master-key-file", &key, "--admin-token-file", &tokens];
    let service = Service::start(directory, &[&files[..], &["--log", "info"]].concat());
    assert!(!directory.join("whence-data/master.key").exists());
    let client = reqwest::Client::new();
    for (token, status) in [(format!("{TOKEN}9"), 200), (format!("{TOKEN}8"), 401)] {
        let request = client.get(format!("http://{}/v1/admin/keys", service.address));
        let answer = request.header("x-admin-token", token).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    drop(service);
    // The same as variables, and as systemd passes credentials on.
    let listed = |name: &str, value: &str| {
        finished(whence(directory).args(["keys", "list"]).env(name, value))
    };
    assert!(listed("WHENCE_MASTER_KEY_FILE", &key).0);
    std::fs::create_dir(directory.join("credentials")).unwrap();
    secret("credentials/whence.master_key", &"6d".repeat(32), 0o400);
    let credentials = directory.join("credentials");
    let (done, _, wrong) = listed("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap());
    assert!(done && wrong.is_empty(), "{wrong}");
    let both = ["keys", "list", "--master-key", &"6d".repeat(32), "--master-key-file", &key];
    let (_, _, wrong) = run(directory, &both);
    assert_eq!(wrong, "whence: --master-key and --master-key-file are both given\n");
    let open = secret("open", &"6d".repeat(32), 0o644);
    let (done, _, wrong) = run(directory, &["keys", "list", "--master-key-file", &open]);
    assert!(done && wrong.contains("every user of this machine can get at"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_that_others_can_read_is_closed_and_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = TempDir::new().unwrap();
    let directory = home.path();
    drop(Service::start(directory, &["--log", "info"]));
    let path = directory.join("whence-data/master.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = whence(directory);
    // Into a file: the first line there is not the one of the start.
    let told = std::fs::File::create(directory.join("told")).unwrap();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "info"]).stderr(told);
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let said = || std::fs::read_to_string(directory.join("told")).unwrap();
    while !said().contains("whence is up") {
        assert!(child.try_wait().unwrap().is_none(), "{}", said());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said().contains("others than its owner could read the master key"), "{}", said());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// A key that somebody destroys in the database, and one that they take away.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_went_without_an_event_are_found() {
    let home = TempDir::new().unwrap();
    let directory = home.path();
    let flags = ["--admin-token", TOKEN, "--log", "info"];
    let service = Service::start(directory, &flags);
    for name in ["ada", "bob", "eve"] {
        log_in(&service, directory, &format!("{name}@example.com")).await;
    }
    let url = format!("http://{}", service.address);
    let erase = ["erase", "eve@example.com", "--server", &url, "--admin-token", TOKEN];
    assert!(run(directory, &erase).0);
    drop(service);
    let verify = || run(directory, &["verify"]);
    let doctor = || run(directory, &["doctor", "--listen", "127.0.0.1:0"]).1;
    let (done, said, wrong) = verify();
    assert!(done, "an erasure is no finding: {said}{wrong}");
    assert!(doctor().contains("ok   destroyed keys: the log says why, of 2 of 2"), "{}", doctor());
    let log = rusqlite::Connection::open(directory.join("whence-data/log.db")).unwrap();
    let change = |sql: &str| assert_eq!(log.execute(sql, []).unwrap(), 1, "{sql}");
    change(
        "UPDATE subject_keys SET wrapped = NULL, destroyed_at = 7 WHERE subject =
           (SELECT min(subject) FROM subject_keys WHERE subject LIKE 'user-%'
              AND wrapped IS NOT NULL)",
    );
    let (done, said, _) = verify();
    assert!(!done && said.contains("key destroyed: the personal data of user-"), "{said}");
    assert_eq!(said.matches("key destroyed").count(), 1, "{said}");
    assert!(doctor().contains("FAIL destroyed keys: 1 of 3 were destroyed"), "{}", doctor());
    change(
        "DELETE FROM subject_keys WHERE subject = (SELECT max(subject) FROM subject_keys
           WHERE subject LIKE 'mailbox-%' AND wrapped IS NOT NULL)",
    );
    let (done, said, _) = verify();
    assert!(!done && said.contains("key missing: personal data of mailbox-"), "{said}");
}
