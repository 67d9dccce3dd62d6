//! The log that a process left.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use whence::app::App;
use whence::app::config::Config;
use whence::infra::clock::Clock;
use whence::infra::mail::Mailer;
use whence::store::{EventStore, SqliteOpenError};
use whence_events::{EmailAddress, Recorded};
use whence_projections::ReadDb;

use crate::crash::client::Client;
use crate::crash::ledger::Cookies;
use crate::server::{START, until};
pub(crate) use whence_test_support::log::{check, rebuilt};

/// Opens a log once nobody else has it. A process that was just forked here, and is about to become
/// another program, holds the lock for a moment, too.
pub(crate) async fn open(config: &Config, clock: &Clock) -> Arc<dyn EventStore> {
    for _ in 0..500 {
        match config.open_log(clock.clone()).await {
            Err(error) if matches!(error.downcast_ref(), Some(SqliteOpenError::InUse(_))) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("the log stays in use");
}

/// A log of some users who logged in, and read models that are up with it; closed again.
pub(crate) async fn made(config: &Config, clock: &Clock) -> Vec<Recorded> {
    let mailer = Mailer::open("memory", &config.mail.sender).unwrap();
    let store = open(config, clock).await;
    let app = App::open_with(config.clone(), clock.clone(), mailer, store).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let router = whence::http::router(app.clone());
    let serving = tokio::spawn(whence::http::serve(listener, router, std::future::pending()));
    for n in 0..8 {
        let address = format!("u{n}@example.com");
        let request_id = client.start(&address).await.unwrap();
        let address = EmailAddress::parse(&address).unwrap();
        let code = app.mailer.memory().unwrap().take_code(&address).unwrap();
        client.verify(&request_id, &code, &Cookies::new()).await.unwrap();
    }
    until("everybody is onboarded", async || {
        let rows = app.engine.read_db.dump().await.unwrap();
        rows.iter().filter(|row| row.starts_with("referral_codes: ")).count() == 8
            && app.engine.read_db.onboardings(1).await.unwrap().is_empty()
    })
    .await;
    serving.abort();
    drop((client, app));
    // Nobody has the log, nor writes the tables, any more.
    let store = open(config, clock).await;
    let reads = config.storage.store.open_read_db().await.unwrap();
    until("nobody leads", async || reads.claim_writer().await.unwrap()).await;
    let events = store.read_all(0, 10_000).await.unwrap();
    reads.apply(&events).await.unwrap();
    events
}

/// Every event in the log of a service that stops or has stopped.
pub(crate) async fn read(data: &Path) -> Vec<Recorded> {
    let flag = format!("sqlite:{}", data.display());
    let config = Config::from_flags(["--store", &flag]).unwrap();
    let store = open(&config, &Clock::manual(START)).await;
    let mut events = vec![];
    loop {
        let page = store.read_all(events.len() as u64, 10_000).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// The read models that a process left, caught up, are those that the log gives from its beginning.
pub(crate) async fn check_read_models(data: &Path, events: &[Recorded]) {
    let left = ReadDb::sqlite(&data.join("read.db")).unwrap();
    left.apply(events).await.unwrap();
    assert_eq!(left.dump().await.unwrap(), rebuilt(events).await);
}
