//! The program itself, killed at any moment under load.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use whence::infra::clock::Clock;

use crate::crash::client::Client;
use crate::crash::ledger::Ledger;
use crate::crash::log;
use crate::server::{Server, until};
use crate::stores::Home;
use whence_test_support::mails::Mails;
use whence_test_support::ports::free_port;

const ROUNDS: u32 = 6;
const CLIENTS: u32 = 16;

/// `whence serve`, killed when it is dropped.
struct Process {
    child: Child,
    client: Client,
}

impl Process {
    async fn start(data: &Path, mails: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let store = format!("sqlite:{}", data.display());
        let mail = format!("directory:{}", mails.display());
        let child = Command::new(env!("CARGO_BIN_EXE_whence"))
            .args(["serve", "--listen", &address, "--store", &store, "--mail", &mail])
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let process = Self { child, client: Client::new(&format!("http://{address}")) };
        process.client.ready().await;
        process
    }

    /// kill -9
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// At most a second.
fn some_moment() -> Duration {
    let random = u16::from_le_bytes(whence::infra::random::random_bytes());
    Duration::from_millis(u64::from(random) % 1000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_keeps_what_it_acknowledged() {
    let directory = Home::sqlite();
    let mails_root = tempfile::TempDir::new().unwrap();
    let ledger = Arc::new(Ledger::default());
    for round in 0..ROUNDS {
        let mails_path = mails_root.path().join(round.to_string());
        let process = Process::start(directory.path(), &mails_path).await;
        ledger.check(&process.client).await;
        // The mails of the check are in the way of nobody: they are for other addresses.
        let mails = Arc::new(Mails::in_directory(&mails_path));
        let before = ledger.sessions();
        let clients = (0..CLIENTS).map(|n| {
            let (ledger, mails) = (ledger.clone(), mails.clone());
            let client = process.client.clone();
            tokio::spawn(async move {
                ledger.work(&client, &mails, &format!("r{round}-c{n}")).await;
            })
        });
        let clients: Vec<_> = clients.collect();
        until("somebody has logged in", async || ledger.sessions() > before).await;
        tokio::time::sleep(some_moment()).await;
        process.kill();
        for client in join_all(clients).await {
            client.unwrap();
        }
    }
    let last = Process::start(directory.path(), &mails_root.path().join("last")).await;
    ledger.check(&last.client).await;
    last.kill();

    let events = log::read(directory.path()).await;
    log::check(&events);
    log::check_read_models(directory.path(), &events).await;
    onboardings_end(directory).await;
}

/// What was interrupted is completed, once, by whoever comes later.
async fn onboardings_end(directory: Home) {
    let later = log::read(directory.path()).await.last().unwrap().metadata.occurred_at;
    let clock = Clock::manual(later + Duration::from_hours(1));
    let server = Server::at(directory, clock, &[], |store| store).await;
    server.everybody_onboarded().await;
    let events = server.log().await;
    log::check(&events);
    let count = |name: &str| events.iter().filter(|e| e.event.event_type() == name).count();
    let users = count("UserRegistered.v1");
    for step in ["ReferralCodeIssued.v1", "SubscriptionProvisioned.v1", "WelcomeEmailSent.v1"] {
        assert_eq!(count(step), users, "{step}");
    }
}
