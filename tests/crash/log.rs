//! What has to hold of a log, whatever happened to the process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use whence::clock::Clock;
use whence::config::Config;
use whence::store::{EventStore, OpenError};
use whence_events::{Event, MailboxEvent, Recorded, StreamId, UserEvent};
use whence_projections::ReadDb;

use crate::support::START;

/// Opens a log once nobody else has it. A process that was just forked here, and is about to become
/// another program, holds the lock for a moment, too.
pub(crate) async fn open(config: &Config, clock: &Clock) -> Arc<dyn EventStore> {
    for _ in 0..500 {
        match config.open_log(clock.clone()).await {
            Err(error) if matches!(error.downcast_ref(), Some(OpenError::InUse(_))) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("the log stays in use");
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

/// Positions and versions are dense; nothing that happens once is there twice.
pub(crate) fn check(events: &[Recorded]) {
    let mut versions: BTreeMap<String, u64> = BTreeMap::new();
    let mut once: BTreeMap<String, u32> = BTreeMap::new();
    for (recorded, position) in events.iter().zip(1..) {
        assert_eq!(recorded.position, position, "positions are dense");
        let stream = recorded.stream.to_string();
        let version = versions.entry(stream.clone()).or_default();
        assert_eq!(recorded.version, *version, "versions are dense: {stream}");
        *version += 1;
        let mut count = |what: String| *once.entry(what).or_default() += 1;
        count(format!("event {}", recorded.event_id));
        match &recorded.event {
            Event::User(event) => match event.as_ref() {
                UserEvent::UserRegistered(user) => {
                    count(format!("address of {:?}", user.email_key));
                }
                UserEvent::SessionOpened(session) => {
                    count(format!("session {}", session.session_id));
                }
                UserEvent::ReferralCodeIssued(_)
                | UserEvent::SubscriptionProvisioned(_)
                | UserEvent::WelcomeEmailSent(_)
                | UserEvent::ReferralAttributed(_) => {
                    count(format!("{} of {stream}", recorded.event.event_type()));
                }
                _ => {}
            },
            Event::Mailbox(MailboxEvent::MailboxClaimed(_)) => count(format!("owner of {stream}")),
            Event::Mailbox(MailboxEvent::CodeVerified(verified)) => {
                count(format!("use of {}", verified.request_id));
            }
            _ => {}
        }
        if matches!(recorded.stream, StreamId::User(_)) && recorded.version == 0 {
            assert_eq!(recorded.event.event_type(), "UserRegistered.v1");
        }
    }
    let twice: Vec<_> = once.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
}

/// The read models that a process left, caught up, are those that the log gives from its beginning.
pub(crate) async fn check_read_models(data: &Path, events: &[Recorded]) {
    let left = ReadDb::sqlite(&data.join("read.db")).unwrap();
    left.apply(events).await.unwrap();
    assert_eq!(left.dump().await.unwrap(), rebuilt(events).await);
}

/// The rows of read models made anew.
pub(crate) async fn rebuilt(events: &[Recorded]) -> Vec<String> {
    let directory = tempfile::TempDir::new().unwrap();
    let fresh = ReadDb::sqlite(&directory.path().join("read.db")).unwrap();
    for batch in events.chunks(97) {
        fresh.apply(batch).await.unwrap();
    }
    fresh.dump().await.unwrap()
}
