//! Postgres behind a real `PgBouncer`, in the modes that it has.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use url::Url;
use whence_test_support::postgres::{Database, database};
use whence_test_support::tool;

use crate::operations::doctor::doctor;
use crate::operations::logs::KEY;
use whence_test_support::ports::free_port;

use crate::support::{Service, serve_and_fail, settings_of, until_listening, whence};

/// A user who owns nothing: `PgBouncer` does not run as root.
const NOBODY: u32 = 65534;

/// A running `PgBouncer` in front of a database of its own.
struct PgBouncer {
    process: Child,
    url: String,
    _database: Database,
    _directory: TempDir,
}

impl PgBouncer {
    /// Starts one with these settings besides those that say where everything is.
    async fn start(settings: &str) -> Self {
        let (database, directory) = (database().await, TempDir::new().unwrap());
        let server = Url::parse(database.url()).unwrap();
        let (host, name) = (server.host_str().unwrap(), server.path().trim_start_matches('/'));
        let (user, password) = (server.username(), server.password().unwrap_or(""));
        let (port, own) = (server.port().unwrap_or(5432), free_port());
        let listed = directory.path().join("users.txt");
        std::fs::write(&listed, format!("\"{user}\" \"{password}\"\n")).unwrap();
        let file = directory.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{name} = host={host} port={port} user={user} password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\nunix_socket_dir =\n\
             auth_type = plain\nauth_file = {}\n{settings}\n",
            listed.display()
        );
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = tool::program("pgbouncer");
        command.arg("--quiet").arg(&file).stdin(Stdio::null()).stderr(Stdio::null());
        if directory.path().metadata().unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        let process = command.spawn().unwrap();
        until_listening(own).await;
        let url = format!("postgres://{user}:{password}@127.0.0.1:{own}/{name}");
        Self { process, url, _database: database, _directory: directory }
    }

    fn flags(&self) -> [&str; 4] {
        ["--store", &self.url, "--master-key", KEY]
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_session_mode_two_nodes_work() {
    let bouncer = PgBouncer::start(&settings_of("pool_mode = session")).await;
    let directory = TempDir::new().unwrap();
    let flags =
        [&bouncer.flags()[..], &["--log", "warn,whence::cli=info", "--mail", "directory:mail"]]
            .concat();
    let one = Service::start(directory.path(), &flags);
    let other = Service::start(directory.path(), &flags);
    let client = reqwest::Client::new();
    for n in 0..20 {
        let node = if n % 2 == 0 { &one } else { &other };
        let url = format!("http://{}/v1/auth/email/start", node.address);
        let body = format!(r#"{{"email":"u{n}@example.com"}}"#);
        assert_eq!(client.post(url).body(body).send().await.unwrap().status().as_u16(), 200);
    }
    // Each hears of what the other appends.
    for node in [&one, &other] {
        let reached = async {
            loop {
                let url = format!("http://{}/readyz", node.address);
                let body = client.get(url).send().await.unwrap().text().await.unwrap();
                let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                if body["projected"].as_u64() >= Some(21) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), reached).await.unwrap();
    }
    let (_, lines) = doctor(directory.path(), &bouncer.flags());
    let pooler = "ok   pooler: a pooler is in between, which keeps sessions as they are";
    assert!(lines.iter().any(|line| line == pooler), "{lines:#?}");
    for node in [one, other] {
        let (code, said) = node.stop();
        assert_eq!(code, Some(0));
        assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_the_connection_within_a_session_is_refused_at_start() {
    let ignored = "ignore_startup_parameters = extra_float_digits, options";
    for settings in [
        "pool_mode = transaction".to_owned(),
        format!("pool_mode = transaction\n{ignored}\nserver_round_robin = 1"),
        "pool_mode = transaction\ndefault_pool_size = 1".to_owned(),
        "pool_mode = statement".to_owned(),
    ] {
        let bouncer = PgBouncer::start(&settings).await;
        let directory = TempDir::new().unwrap();
        let place = bouncer.url.split('@').nth(1).unwrap();
        let sentence = format!(
            "the Postgres at {place} is behind a pooler that changes the connection within a session \
             (transaction pooling), and whence keeps prepared statements, settings and LISTEN in its \
             sessions: use session pooling (pool_mode = session), or the address of the server itself"
        );
        let output = serve_and_fail(directory.path(), &bouncer.flags());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("whence: {sentence}\n"), "{settings}");
        assert_eq!(output.status.code(), Some(1));
        let (well, lines) = doctor(directory.path(), &bouncer.flags());
        let fail =
            "FAIL pooler: a pooler is in between, which changes the connection within a session: ";
        assert!(!well && lines.iter().any(|line| line.starts_with(fail)), "{settings}: {lines:#?}");
        let output = whence(directory.path()).arg("verify").args(bouncer.flags()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("whence: {sentence}\n"), "{settings}");
    }
}
