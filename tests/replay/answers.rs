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
    for limit in [1, 3, 1000] {
        assert_eq!(one.onboardings(limit).await.unwrap(), other.onboardings(limit).await.unwrap());
        let ours = one.undecided_referrals(limit).await.unwrap();
        assert_eq!(ours, other.undecided_referrals(limit).await.unwrap());
    }
}

fn requests(events: &[Recorded]) -> BTreeSet<RequestId> {
    let request = |event: &Recorded| match &event.event {
        Event::Mailbox(MailboxEvent::LoginStarted(started)) => Some(started.request_id),
        _ => None,
    };
    events.iter().filter_map(request).collect()
}

fn sessions(events: &[Recorded]) -> BTreeSet<SessionId> {
    let session = |event: &Recorded| match &event.event {
        Event::User(user) => match user.as_ref() {
            UserEvent::SessionOpened(opened) => Some(opened.session_id),
            _ => None,
        },
        _ => None,
    };
    events.iter().filter_map(session).collect()
}

fn users(events: &[Recorded]) -> BTreeSet<UserId> {
    let user = |event: &Recorded| match &event.stream {
        StreamId::User(user_id) => Some(*user_id),
        _ => None,
    };
    events.iter().filter_map(user).collect()
}
