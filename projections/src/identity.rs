//! Who is who: login requests, users, sessions.

use std::time::Duration;

use whence_events::{
    Event, Hash, MailboxEvent, Pii, PiiSlot, Provider, Recorded, Sealed, SessionId, StreamId,
    Timestamp, UserEvent, UserId, Version,
};

use crate::Projector;
use crate::change::{Change, FORGET_EVERY};

/// Logins and sessions are forgotten this long after their end.
const FORGET_AFTER: Duration = Duration::from_hours(1);

/// A session and whose it is: all that a request with a session asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session_id: SessionId,
    /// SHA-256 of its secret.
    pub token_hash: Hash,
    /// When it began.
    pub opened_at: Timestamp,
    /// End, unless extended.
    pub expires_at: Timestamp,
    /// End, whatever happens.
    pub absolute_expires_at: Timestamp,
    /// Whose it is.
    pub user: UserView,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserView {
    /// Who.
    pub user_id: UserId,
    /// Their address, sealed, in event 0 of the user.
    pub email: Pii<whence_events::EmailAddress>,
    /// How they want to be called, sealed.
    pub display_name: Option<Pii<String>>,
    /// The event of the user it is sealed in.
    pub display_name_version: Version,
    /// Their picture.
    pub avatar_url: Option<String>,
    /// What billing calls them.
    pub billing_customer_id: Option<String>,
    /// How they log in.
    pub provider: Provider,
    /// When they registered.
    pub created_at: Timestamp,
    /// When any of this last changed.
    pub updated_at: Timestamp,
}

/// The projector.
pub(crate) struct Identity;

impl Projector for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [&'static str] {
        &["login_requests", "users", "sessions"]
    }

    fn project(&self, recorded: &Recorded, changes: &mut Vec<Change>) {
        let at = recorded.metadata.occurred_at;
        match (&recorded.stream, &recorded.event) {
            (StreamId::Mailbox(email_key), Event::Mailbox(event)) => match event {
                MailboxEvent::LoginStarted(started) => changes.push(Change::LoginOpened {
                    request_id: started.request_id,
                    email_key: *email_key,
                    expires_at: started.expires_at,
                }),
                MailboxEvent::LoginExpired(over) => close(changes, over.request_id),
                MailboxEvent::CodeVerified(over) => close(changes, over.request_id),
                MailboxEvent::LoginLocked(locked) => {
                    if let Some(request_id) = locked.request_id {
                        close(changes, request_id);
                    }
                }
                MailboxEvent::LoginThrottled(_)
                | MailboxEvent::CodeDeliveryFailed(_)
                | MailboxEvent::CodeRejected(_)
                | MailboxEvent::MailboxClaimed(_)
                | MailboxEvent::MailboxReleased(_)
                | MailboxEvent::MailboxForgotten(_) => {}
            },
            (StreamId::User(user_id), Event::User(event)) => {
                user_changes(*user_id, event, at, recorded.version, changes);
            }
            _ => {}
        }
        if recorded.position.is_multiple_of(FORGET_EVERY) {
            let before = at - FORGET_AFTER;
            changes.push(Change::LoginsForgotten { before });
            changes.push(Change::SessionsForgotten { before });
        }
    }
}

fn close(changes: &mut Vec<Change>, request_id: whence_events::RequestId) {
    changes.push(Change::LoginClosed { request_id });
}

fn user_changes(
    user_id: UserId,
    event: &UserEvent,
    at: Timestamp,
    version: Version,
    changes: &mut Vec<Change>,
) {
    match event {
        UserEvent::UserRegistered(registered) => changes.push(Change::UserAdded {
            user_id,
            email: sealed(&registered.email),
            display_name: registered.display_name.as_ref().and_then(sealed),
            provider: registered.provider,
            at,
        }),
        UserEvent::ProfileUpdated(updated) => changes.push(Change::UserShownAs {
            user_id,
            display_name: updated.display_name.as_ref().and_then(sealed),
            display_name_version: version,
            avatar_url: updated.avatar_url.clone(),
            at,
        }),
        UserEvent::BillingCustomerLinked(linked) => changes.push(Change::UserBilledAs {
            user_id,
            billing_customer_id: linked.billing_customer_id.clone(),
            at,
        }),
        UserEvent::UserErased(_) => changes.push(Change::UserRemoved { user_id }),
        UserEvent::SessionOpened(opened) => changes.push(Change::SessionAdded {
            session_id: opened.session_id,
            user_id,
            token_hash: opened.token_hash,
            kind: opened.kind,
            opened_at: at,
            expires_at: opened.expires_at,
            absolute_expires_at: opened.absolute_expires_at,
            device: sealed(&opened.device),
            device_version: version,
            device_class: opened.device_class,
            country: opened.country,
        }),
        UserEvent::SessionExtended(extended) => changes.push(Change::SessionExtended {
            session_id: extended.session_id,
            expires_at: extended.expires_at,
        }),
        UserEvent::RefreshRotated(rotated) => changes.push(Change::SessionExtended {
            session_id: rotated.session_id,
            expires_at: rotated.expires_at,
        }),
        UserEvent::SessionRevoked(revoked) => {
            changes.push(Change::SessionRemoved { session_id: revoked.session_id });
        }
        UserEvent::AttributionCapturedV1(_)
        | UserEvent::AttributionCaptured(_)
        | UserEvent::ReferralAttributed(_)
        | UserEvent::ReferralRefused(_)
        | UserEvent::ReferralCodeIssued(_)
        | UserEvent::ReferralCodeDisabled(_)
        | UserEvent::SubscriptionProvisioned(_)
        | UserEvent::WelcomeEmailSent(_)
        | UserEvent::WelcomeEmailFailed(_)
        | UserEvent::CreatorHandleClaimed(_) => {}
    }
}

/// The ciphertext of a field; the tables never hold anything else of it.
pub(crate) fn sealed(field: &impl PiiSlot) -> Option<Sealed> {
    field.sealed().cloned()
}
