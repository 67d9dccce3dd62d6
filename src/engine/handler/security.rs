//! Which committed events are security events: each is recorded by the node that committed it, once.

use whence_events::{
    ApiKeyEvent, AuditEvent, AuditSubject, Event, MailboxEvent, RevokeReason, UserEvent,
};

use crate::infra::security::SecurityEvent;

/// Returns the security event that a committed event is.
pub(super) fn security_event(event: &Event) -> Option<SecurityEvent> {
    match event {
        Event::Mailbox(event) => of_mailbox(event),
        Event::User(event) => of_user(event),
        Event::Audit(AuditEvent::AuditRead(read)) if read.subject == AuditSubject::OwnData => {
            Some(SecurityEvent::OwnDataRead)
        }
        Event::Audit(AuditEvent::AuditRead(read)) if read.personal_data => {
            Some(SecurityEvent::RecordOpened)
        }
        Event::Audit(AuditEvent::AuditRead(_)) => Some(SecurityEvent::RecordRead),
        Event::ApiKey(event) => of_api_key(event),
        Event::Name(_) | Event::Touch(_) | Event::Rules(_) | Event::Unknown { .. } => None,
    }
}

fn of_mailbox(event: &MailboxEvent) -> Option<SecurityEvent> {
    match event {
        MailboxEvent::LoginStarted(_) => Some(SecurityEvent::LoginStarted),
        MailboxEvent::CodeDeliveryFailed(_) => Some(SecurityEvent::CodeUndelivered),
        MailboxEvent::CodeRejected(_) => Some(SecurityEvent::WrongCode),
        MailboxEvent::LoginLocked(locked) if locked.request_id.is_none() => {
            Some(SecurityEvent::AddressLocked)
        }
        MailboxEvent::LoginLocked(_) => Some(SecurityEvent::LoginLocked),
        MailboxEvent::MailboxForgotten(_) => Some(SecurityEvent::AddressForgotten),
        MailboxEvent::LoginThrottled(_) => Some(SecurityEvent::AddressStarts),
        MailboxEvent::LockCleared(_) => Some(SecurityEvent::LockCleared),
        MailboxEvent::DeviceForgotten(_) => Some(SecurityEvent::DeviceForgotten),
        // Each is followed by another of this list, or by an answer that is one.
        MailboxEvent::LoginExpired(_)
        | MailboxEvent::CodeVerified(_)
        | MailboxEvent::StartCounted(_)
        | MailboxEvent::StartReturned(_)
        | MailboxEvent::MailboxClaimed(_)
        | MailboxEvent::MailboxMoved(_)
        | MailboxEvent::MailboxReclaimed(_)
        | MailboxEvent::MailboxReleased(_) => None,
    }
}

fn of_user(event: &UserEvent) -> Option<SecurityEvent> {
    match event {
        UserEvent::UserRegistered(_) => Some(SecurityEvent::UserRegistered),
        UserEvent::SessionOpened(_) => Some(SecurityEvent::LoginSucceeded),
        UserEvent::SessionRevoked(revoked) => Some(match revoked.reason {
            RevokeReason::Logout => SecurityEvent::LoggedOut,
            RevokeReason::Revoked => SecurityEvent::SessionRevoked,
            RevokeReason::RevokedAll | RevokeReason::Objection => SecurityEvent::SessionsRevoked,
            RevokeReason::TokenReuse => SecurityEvent::TokenReused,
            RevokeReason::Replaced => SecurityEvent::SessionReplaced,
            RevokeReason::Erased => SecurityEvent::SessionErased,
            RevokeReason::Admin => SecurityEvent::SessionEndedByOperator,
        }),
        UserEvent::SessionsRevoked(_) => Some(SecurityEvent::OperatorEndedSessions),
        UserEvent::UserSuspended(_) => Some(SecurityEvent::UserSuspended),
        UserEvent::UserReinstated(_) => Some(SecurityEvent::UserReinstated),
        UserEvent::ReferralCodeBlocked(_) => Some(SecurityEvent::CodeBlocked),
        UserEvent::ReferralCodeUnblocked(_) => Some(SecurityEvent::CodeUnblocked),
        UserEvent::EmailChanged(changed) if changed.reason.is_some() => {
            Some(SecurityEvent::UserMoved)
        }
        UserEvent::ErasureRequested(_) => Some(SecurityEvent::ErasureRequested),
        UserEvent::ErasureCancelled(_) => Some(SecurityEvent::ErasureCancelled),
        UserEvent::UserErased(_) => Some(SecurityEvent::UserErased),
        UserEvent::ReferralCodeDisabled(_) => Some(SecurityEvent::CodeDisabled),
        UserEvent::AttributionCapturedV1(_)
        | UserEvent::AttributionCaptured(_)
        | UserEvent::ReferralAttributed(_)
        | UserEvent::ReferralRefused(_)
        | UserEvent::SessionExtended(_)
        | UserEvent::RefreshRotated(_)
        | UserEvent::ReferralCodeIssued(_)
        | UserEvent::SubscriptionProvisioned(_)
        | UserEvent::WelcomeEmailSent(_)
        | UserEvent::WelcomeEmailFailed(_)
        | UserEvent::ProfileUpdated(_)
        | UserEvent::CreatorHandleClaimed(_)
        | UserEvent::EmailChanged(_)
        | UserEvent::EmailChangeUndone(_)
        | UserEvent::EmailChangeNoticed(_)
        | UserEvent::ErasureCompleted(_)
        | UserEvent::BillingCustomerLinked(_) => None,
    }
}

fn of_api_key(event: &ApiKeyEvent) -> Option<SecurityEvent> {
    match event {
        ApiKeyEvent::ApiKeyIssued(_) => Some(SecurityEvent::ApiKeyIssued),
        ApiKeyEvent::ApiKeyRotated(_) => Some(SecurityEvent::ApiKeyRotated),
        ApiKeyEvent::ApiKeyGraceEnded(_) => Some(SecurityEvent::ApiKeyGraceEnded),
        ApiKeyEvent::ApiKeyRevoked(_) => Some(SecurityEvent::ApiKeyRevoked),
        ApiKeyEvent::ApiKeyUsed(_) => None,
    }
}
