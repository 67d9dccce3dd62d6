//! The landings that a user's clients said when they started logins.

use std::collections::{BTreeMap, BTreeSet};

use whence_events::{Event, MailboxEvent, Recorded, TouchId, UserId};

/// Returns the landings of the logins by which a user came in, out of the stream of an address: not
/// those that somebody else said who could not read its mail, nor those of other owners.
pub(super) fn said_touches(events: &[Recorded], user_id: UserId) -> BTreeSet<TouchId> {
    let (mut started, mut found) = (BTreeMap::new(), BTreeSet::new());
    let (mut is_owner, mut verified) = (false, None);
    for recorded in events {
        let Event::Mailbox(event) = &recorded.event else { continue };
        match event {
            MailboxEvent::LoginStarted(login) => {
                started.extend(login.touch_id.map(|touch| (login.request_id, touch)));
            }
            MailboxEvent::CodeVerified(login) => {
                verified = started.remove(&login.request_id);
                found.extend(verified.filter(|_| is_owner));
            }
            // It follows the code that was verified, unless an operator moved the account here.
            MailboxEvent::MailboxClaimed(claimed) => {
                is_owner = claimed.user_id == user_id;
                found.extend(verified.filter(|_| is_owner && claimed.reason.is_none()));
            }
            MailboxEvent::MailboxReclaimed(reclaimed) => is_owner = reclaimed.user_id == user_id,
            MailboxEvent::MailboxReleased(_) | MailboxEvent::MailboxMoved(_) => is_owner = false,
            MailboxEvent::LoginThrottled(_)
            | MailboxEvent::CodeDeliveryFailed(_)
            | MailboxEvent::CodeRejected(_)
            | MailboxEvent::LoginLocked(_)
            | MailboxEvent::LoginExpired(_)
            | MailboxEvent::MailboxForgotten(_)
            | MailboxEvent::StartCounted(_)
            | MailboxEvent::StartReturned(_)
            | MailboxEvent::DeviceForgotten(_)
            | MailboxEvent::LockCleared(_) => {}
        }
    }
    found
}
