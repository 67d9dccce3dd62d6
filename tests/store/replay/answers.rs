//! Two read models answer alike.

use std::collections::BTreeSet;

use whence_events::{
    Event, MailboxEvent, Recorded, RequestId, SessionId, StreamId, Timestamp, UserEvent, UserId,
};
use whence_projections::ReadDb;

/// Asks both for all that the history is about.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no answer, no test")]
pub(crate) async fn assert_same_answers(one: &ReadDb, other: &ReadDb, events: &[Recorded]) {
    for request in requests(events) {
        assert_eq!(one.login(request).await.unwrap(), other.login(request).await.unwrap());
    }
    for session in sessions(events) {
        assert_eq!(one.session(session).await.unwrap(), other.session(session).await.unwrap());
    }
    for user in users(events) {
        let (ours, theirs) = (one.sessions_of(user).await, other.sessions_of(user).await);
        assert_eq!(ours.unwrap(), theirs.unwrap());
        assert_eq!(one.user(user).await.unwrap(), other.user(user).await.unwrap());
        assert_eq!(one.snapshot(user).await.unwrap(), other.snapshot(user).await.unwrap());
        let (ours, theirs) =
            (one.referral_overview(user).await, other.referral_overview(user).await);
        assert_eq!(ours.unwrap(), theirs.unwrap());
        for (limit, offset) in [(50, 0), (1, 1), (u64::MAX >> 1, 0)] {
            let ours = one.invitees(user, limit, offset).await.unwrap();
            assert_eq!(ours, other.invitees(user, limit, offset).await.unwrap());
        }
        let middle = events[events.len() / 2].metadata.occurred_at;
        for since in [Timestamp::from_micros(0), middle] {
            let ours = one.credited_since(user, since).await.unwrap();
            assert_eq!(ours, other.credited_since(user, since).await.unwrap());
        }
    }
    let keys = one.api_keys(1000).await.unwrap();
    assert_eq!(keys, other.api_keys(1000).await.unwrap());
    for key in keys {
        let id = key.api_key_id;
        assert_eq!(one.api_key(id).await.unwrap(), other.api_key(id).await.unwrap());
    }
    for limit in [1, 3, 1000] {
        assert_eq!(one.onboardings(limit).await.unwrap(), other.onboardings(limit).await.unwrap());
        let ours = one.undecided_referrals(limit).await.unwrap();
        assert_eq!(ours, other.undecided_referrals(limit).await.unwrap());
    }
}

fn requests(events: &[Recorded]) -> BTreeSet<RequestId> {
    let mut requests = BTreeSet::new();
    for event in events {
        if let Event::Mailbox(MailboxEvent::LoginStarted(started)) = &event.event {
            requests.insert(started.request_id);
        }
    }
    requests
}

fn sessions(events: &[Recorded]) -> BTreeSet<SessionId> {
    let mut sessions = BTreeSet::new();
    for event in events {
        if let Event::User(user) = &event.event
            && let UserEvent::SessionOpened(opened) = user.as_ref()
        {
            sessions.insert(opened.session_id);
        }
    }
    sessions
}

fn users(events: &[Recorded]) -> BTreeSet<UserId> {
    let mut users = BTreeSet::new();
    for event in events {
        if let StreamId::User(user_id) = &event.stream {
            users.insert(*user_id);
        }
    }
    users
}
