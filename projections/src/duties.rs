//! What whence still owes somebody: onboarding steps, referrals it could not decide, and to forget
//! addresses that nobody verified.

use whence_events::{
    CodeKind, EmailKey, Event, MailboxEvent, Recorded, ReferralCode, Refusal, StreamId, Timestamp,
    TouchId, UserEvent, UserId, Via, WelcomeEmailFailed,
};

use crate::Projector;
use crate::change::Change;

/// An onboarding that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onboarding {
    /// Whose.
    pub user_id: UserId,
    /// Since when.
    pub since: Timestamp,
    /// Welcome mails that failed.
    pub welcome_failed: u8,
    /// When the last of them was tried.
    pub tried_at: Timestamp,
}

impl Onboarding {
    /// The user has a primary code.
    pub const CODE: u8 = 1;
    /// The user has a plan.
    pub const PLAN: u8 = 2;
    /// The welcome mail went out, or was given up.
    pub const WELCOME: u8 = 4;
    /// All of it.
    pub const ALL: u8 = 7;
}

/// A referral attempt that could not be decided when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndecidedReferral {
    /// Who was to be attributed.
    pub user_id: UserId,
    /// By which code.
    pub code: ReferralCode,
    /// When it was picked up, if the cookie said so.
    pub touched_at: Option<Timestamp>,
    /// The landing, if the cookie said so.
    pub touch_id: Option<TouchId>,
    /// Where the attempt was made.
    pub via: Via,
    /// When.
    pub refused_at: Timestamp,
}

/// The projector.
pub(crate) struct Duties;

impl Projector for Duties {
    fn name(&self) -> &'static str {
        "duties"
    }

    fn version(&self) -> u32 {
        3
    }

    fn tables(&self) -> &'static [&'static str] {
        &["onboardings", "undecided_referrals", "mailboxes"]
    }

    fn project(&self, recorded: &Recorded, changes: &mut Vec<Change>) {
        let at = recorded.metadata.occurred_at;
        match (&recorded.stream, &recorded.event) {
            (StreamId::User(user_id), Event::User(event)) => {
                user_changes(*user_id, event, at, changes);
            }
            (StreamId::Mailbox(email_key), Event::Mailbox(event)) => {
                changes.extend(mailbox_change(*email_key, event, at));
            }
            _ => {}
        }
    }
}

fn mailbox_change(email_key: EmailKey, event: &MailboxEvent, at: Timestamp) -> Option<Change> {
    match event {
        MailboxEvent::LoginStarted(_) => Some(Change::CodeAskedFor { email_key, at }),
        MailboxEvent::MailboxClaimed(_) => Some(Change::MailboxOwned { email_key }),
        MailboxEvent::MailboxReleased(_) | MailboxEvent::MailboxForgotten(_) => {
            Some(Change::MailboxGone { email_key })
        }
        MailboxEvent::LoginThrottled(_)
        | MailboxEvent::CodeDeliveryFailed(_)
        | MailboxEvent::CodeRejected(_)
        | MailboxEvent::LoginLocked(_)
        | MailboxEvent::LoginExpired(_)
        | MailboxEvent::CodeVerified(_) => None,
    }
}

fn user_changes(user_id: UserId, event: &UserEvent, at: Timestamp, changes: &mut Vec<Change>) {
    match event {
        UserEvent::UserRegistered(_) => changes.push(Change::OnboardingDue { user_id, at }),
        UserEvent::ReferralCodeIssued(issued) => {
            if issued.kind == CodeKind::Primary {
                changes.push(Change::OnboardingStep { user_id, step: Onboarding::CODE });
            }
        }
        UserEvent::SubscriptionProvisioned(_) => {
            changes.push(Change::OnboardingStep { user_id, step: Onboarding::PLAN });
        }
        UserEvent::WelcomeEmailSent(_) => {
            changes.push(Change::OnboardingStep { user_id, step: Onboarding::WELCOME });
        }
        UserEvent::WelcomeEmailFailed(failed) => {
            changes.push(Change::WelcomeFailed { user_id, attempt: failed.attempt, at });
            // Given up is over, too: else those who have no mailbox fill every sweep.
            if failed.attempt >= WelcomeEmailFailed::LAST_ATTEMPT {
                changes.push(Change::OnboardingStep { user_id, step: Onboarding::WELCOME });
            }
        }
        UserEvent::UserErased(_) => {
            changes.push(Change::OnboardingOver { user_id });
            changes.push(Change::ReferralDecided { user_id, code: None });
        }
        UserEvent::ReferralAttributed(_) => {
            changes.push(Change::ReferralDecided { user_id, code: None });
        }
        UserEvent::ReferralRefused(refused) => match (&refused.code, refused.reason) {
            (Some(code), Refusal::InternalError) => changes.push(Change::ReferralUndecided {
                user_id,
                code: code.clone(),
                touched_at: refused.evidence.touched_at,
                touch_id: refused.evidence.touch_id,
                via: refused.via,
                at,
            }),
            (Some(code), _) => {
                let code = Some(code.clone());
                changes.push(Change::ReferralDecided { user_id, code });
            }
            (None, _) => {}
        },
        UserEvent::AttributionCapturedV1(_)
        | UserEvent::AttributionCaptured(_)
        | UserEvent::SessionOpened(_)
        | UserEvent::SessionExtended(_)
        | UserEvent::RefreshRotated(_)
        | UserEvent::SessionRevoked(_)
        | UserEvent::ReferralCodeDisabled(_)
        | UserEvent::ProfileUpdated(_)
        | UserEvent::CreatorHandleClaimed(_)
        | UserEvent::BillingCustomerLinked(_) => {}
    }
}
