//! Checks that hold of every log, whatever happened to the processes that wrote it.

use std::collections::BTreeMap;

use whence_events::{Event, MailboxEvent, Recorded, StreamId, UserEvent};
use whence_projections::ReadDb;

/// Fails unless positions and versions are dense and what happens once is recorded once.
pub fn check(events: &[Recorded]) {
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

/// Returns the rows of read models that are built from all events.
pub async fn rebuilt(events: &[Recorded]) -> Vec<String> {
    let directory = tempfile::TempDir::new().unwrap();
    let fresh = ReadDb::sqlite(&directory.path().join("read.db")).unwrap();
    for batch in events.chunks(97) {
        fresh.apply(batch).await.unwrap();
    }
    fresh.dump().await.unwrap()
}
