//! An account: its registration, its attribution snapshot, its sessions and its codes.

pub mod activity;
pub mod address;
mod command;
mod erasure;
pub mod measure;
pub mod profile;
pub mod refresh;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

use whence_events::{
    BillingCustomerLinked, Client, CodeKind, Country, CreatorHandleClaimed, DeliveryFailure,
    EmailAddress, EmailKey, Event, Handle, Pii, ProfileUpdated, Provider, ReferralCode,
    ReferralCodeDisabled, ReferralCodeIssued, Refusal, RevokeReason, SessionId, SessionOpened,
    SessionRevoked, SubscriptionProvisioned, Timestamp, UserEvent, UserId, UserRegistered, Version,
    WelcomeEmailFailed, WelcomeEmailSent,
};

use super::billing::BillingCustomerId;
use super::referral::{self, Attempt, Referee};
use super::{Decider, EventContext};
pub use activity::needs_extension;
use address::OpenChange;
pub use command::{OpenSession, UserCommand, UserRejection};
pub use erasure::ErasureRequest;
use refresh::RefreshChain;
use session::Session;
pub use session::ended_sessions;

/// The time after which an unused session ends.
pub const SESSION_IDLE: Duration = Duration::from_hours(30 * 24);

/// The time after which a session ends, however much it is used (NIST SP 800-63B-4, 2.1.3).
pub const SESSION_MAX: Duration = Duration::from_hours(90 * 24);

/// The number of attempts to send the welcome mail.
pub const MAX_WELCOME_ATTEMPTS: u8 = WelcomeEmailFailed::LAST_ATTEMPT;

/// The number of codes that a user may choose within [`SLUG_WINDOW`]: names are kept permanently,
/// so that hoarding them has to be prevented.
pub const MAX_SLUGS: usize = 3;

/// The number of handles that a user may have, which are kept permanently too.
pub const MAX_HANDLES: usize = 5;

/// The window in which chosen codes are counted.
pub const SLUG_WINDOW: Duration = Duration::from_hours(24);

/// The number of refused attempts that are recorded for one user, so that a visitor who plants
/// cookies cannot fill the log.
const MAX_REFUSALS: usize = 32;

/// The state of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The account, once registered.
    pub account: Option<Account>,
    /// The user who referred this one.
    pub referrer: Option<UserId>,
    /// The referral codes, in order of issue.
    pub codes: Vec<IssuedCode>,
    /// The creator handles.
    pub handles: Vec<Handle>,
    /// Whether onboarding gave the user a plan.
    pub subscribed: bool,
    /// The progress of the welcome mail.
    pub welcome: Welcome,
    /// What the user is shown by, sealed, and the version of the event that holds it.
    pub shown_as: Option<(ProfileUpdated, Version)>,
    /// The times at which the profile was changed lately.
    profile_updates: Vec<Timestamp>,
    /// The time of the last change of the address.
    address_since: Option<Timestamp>,
    /// The changes of the address to which there can still be objections.
    pub(crate) changes: Vec<OpenChange>,
    /// The keys of the addresses that the account had before, and when it left each.
    pub former_keys: Vec<(EmailKey, Timestamp)>,
    /// Whether the user was erased.
    pub erased: bool,
    /// The request of the user to be erased, as long as it stands.
    pub erasure: Option<ErasureRequest>,
    /// The time since when the user is suspended.
    pub suspended_at: Option<Timestamp>,
    /// The codes that operators disabled, in lower case.
    blocked_codes: Vec<ReferralCode>,
    /// The customer of the billing system that the user is; empty when none.
    billing_customer: String,
    sessions: Vec<Session>,
    refusals: Vec<(Option<ReferralCode>, Refusal)>,
    erasure_complete: bool,
}

/// The account of a registered user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The time of the registration.
    pub registered_at: Timestamp,
    /// The address, sealed in the event of the version below.
    pub email: Pii<EmailAddress>,
    /// The version of the event that holds the address.
    pub email_version: Version,
    /// The key that names the address in the log.
    pub email_key: EmailKey,
    /// The device of the last session, sealed, and the version of the event that holds it.
    pub last_device: Option<(Pii<Client>, Version)>,
    /// The country of the last session.
    pub last_country: Option<Country>,
}

/// The version of the event that holds the attribution snapshot: the second one.
pub const ATTRIBUTION_VERSION: Version = 1;

/// A referral code of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCode {
    /// The code in the spelling in which it was issued.
    pub code: ReferralCode,
    /// The kind of the code.
    pub kind: CodeKind,
    /// The time at which the code was issued.
    pub issued_at: Timestamp,
    /// The time at which the code was disabled.
    pub disabled_at: Option<Timestamp>,
}

/// The progress of the welcome mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// The number of attempts that failed.
    pub failed: u8,
    /// Whether the mail was sent.
    pub sent: bool,
}

impl Welcome {
    /// Returns whether no further attempt is to be made.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.sent || self.failed >= MAX_WELCOME_ATTEMPTS
    }
}

impl Decider for User {
    type Command = UserCommand;
    type Event = UserEvent;
    type Rejection = UserRejection;

    fn event(event: &Event) -> Option<&UserEvent> {
        if let Event::User(event) = event { Some(event) } else { None }
    }

    fn evolve(mut self, event: &UserEvent, context: EventContext) -> Self {
        match event {
            UserEvent::UserRegistered(registered) => {
                self.account = Some(Account {
                    registered_at: context.at,
                    email: registered.email.clone(),
                    email_version: context.version,
                    email_key: registered.email_key,
                    last_device: None,
                    last_country: None,
                });
            }
            UserEvent::ReferralAttributed(referral) => self.referrer = Some(referral.referrer_id),
            UserEvent::ReferralRefused(refused) => {
                self.refusals.push((refused.code.clone(), refused.reason));
            }
            UserEvent::SessionOpened(opened) => self.open(opened, context),
            UserEvent::SessionExtended(used) => {
                self.session_used(used.session_id, used.expires_at, None, context.at);
            }
            UserEvent::RefreshRotated(used) => {
                let hash = Some(used.refresh_hash);
                self.session_used(used.session_id, used.expires_at, hash, context.at);
            }
            UserEvent::SessionRevoked(revoked) => {
                self.sessions.retain(|session| session.id != revoked.session_id);
            }
            UserEvent::ReferralCodeIssued(issued) => self.codes.push(IssuedCode {
                code: issued.code.clone(),
                kind: issued.kind,
                issued_at: context.at,
                disabled_at: None,
            }),
            UserEvent::ReferralCodeDisabled(disabled) => {
                for code in self.codes.iter_mut().filter(|code| code.code == disabled.code) {
                    code.disabled_at = code.disabled_at.or(Some(context.at));
                }
            }
            UserEvent::SubscriptionProvisioned(_) => self.subscribed = true,
            UserEvent::WelcomeEmailSent(_) => self.welcome.sent = true,
            UserEvent::WelcomeEmailFailed(failed) => self.welcome.failed = failed.attempt,
            UserEvent::CreatorHandleClaimed(claimed) => self.handles.push(claimed.handle.clone()),
            UserEvent::BillingCustomerLinked(linked) => {
                self.billing_customer.clone_from(&linked.billing_customer_id);
            }
            UserEvent::UserSuspended(_) => self.suspended_at = Some(context.at),
            UserEvent::UserReinstated(_) => self.suspended_at = None,
            UserEvent::ReferralCodeBlocked(blocked) => {
                self.blocked_codes.push(blocked.code.folded());
            }
            UserEvent::ReferralCodeUnblocked(unblocked) => {
                let folded = unblocked.code.folded();
                self.blocked_codes.retain(|code| *code != folded);
            }
            UserEvent::ProfileUpdated(updated) => self.profile_updated(updated, context),
            UserEvent::EmailChanged(changed) => self.moved(changed, context),
            UserEvent::EmailChangeNoticed(noticed) => self.noticed(noticed),
            UserEvent::EmailChangeUndone(undone) => self.moved_back(undone, context),
            UserEvent::ErasureRequested(_)
            | UserEvent::ErasureCancelled(_)
            | UserEvent::UserErased(_)
            | UserEvent::ErasureCompleted(_) => self.leaves(event, context.at),
            UserEvent::AttributionCapturedV1(_)
            | UserEvent::AttributionCaptured(_)
            | UserEvent::SessionsRevoked(_) => {}
        }
        self
    }

    fn decide(&self, command: &UserCommand) -> Result<Vec<UserEvent>, UserRejection> {
        if self.erased {
            return self.complete_erasure(command);
        }
        if let UserCommand::OpenSession(command) = command {
            return match self.suspended_at {
                Some(_) => Err(UserRejection::Suspended),
                None if self.is_elsewhere(command) => Err(UserRejection::AddressLeft),
                None => Ok(self.open_session(command)),
            };
        }
        let account = self.account.as_ref().ok_or(UserRejection::NotRegistered)?;
        match command {
            // The first is decided above; of one who was not erased there is nothing to complete.
            UserCommand::OpenSession(_) | UserCommand::CompleteErasure { .. } => Ok(vec![]),
            UserCommand::AttributeReferral { user_id, attempt } => {
                self.attribute(*user_id, account.registered_at, attempt)
            }
            UserCommand::RevokeSession { session_id, reason } => {
                self.session(*session_id)?;
                Ok(vec![SessionRevoked { session_id: *session_id, reason: *reason }.into()])
            }
            UserCommand::RevokeOtherSessions { now, keep } => {
                let others = self.live_sessions(*now).filter(|session| session.id != *keep);
                Ok(others.map(|session| session.revoked(RevokeReason::RevokedAll)).collect())
            }
            UserCommand::ExtendSession { now, session_id, period } => {
                self.session(*session_id)?.used(*now, *period)
            }
            UserCommand::LinkBilling { customer } => {
                let id = customer.as_ref().map_or("", BillingCustomerId::as_str);
                let billing_customer_id = id.to_owned();
                Ok(unless(
                    self.billing_customer == id,
                    BillingCustomerLinked { billing_customer_id },
                ))
            }
            UserCommand::RotateRefresh(command) => {
                self.session(command.session_id)?.rotate(command)
            }
            UserCommand::UpdateProfile(command) => self.update_profile(command),
            UserCommand::ChangeEmail(command) => self.change_email(account, command),
            UserCommand::RecordChangeNotice { now, previous_key, outcome } => {
                Ok(self.record_notice(*now, *previous_key, *outcome))
            }
            UserCommand::UndoEmailChange(command) => self.undo_change(account, command),
            UserCommand::Measure(measure) => self.take_measure(measure),
            UserCommand::IssueReferralCode { now, code, kind } => self.issue(code, *kind, *now),
            UserCommand::DisableReferralCode { code, reason } => self.disable(code, reason),
            UserCommand::ClaimHandle { handle } => self.claim(handle),
            UserCommand::ProvisionSubscription { plan } => {
                Ok(unless(self.subscribed, SubscriptionProvisioned { plan: plan.clone() }))
            }
            UserCommand::RecordWelcome(outcome) => Ok(self.record_welcome(*outcome)),
            UserCommand::Erase { requested_by, mode } => Ok(self.erase(requested_by, mode)),
            UserCommand::RequestErasure { now, grace } => Ok(self.request_erasure(*now + *grace)),
            UserCommand::CancelErasure => Ok(self.cancel_erasure()),
            UserCommand::EraseIfDue { now } => Ok(self.erase_if_due(*now)),
        }
    }
}

impl User {
    /// Returns whether the user can be credited with referrals.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.account.is_some() && !self.erased && self.suspended_at.is_none()
    }

    /// Returns whether an operator disabled a code.
    #[must_use]
    pub fn is_blocked(&self, code: &ReferralCode) -> bool {
        self.blocked_codes.contains(&code.folded())
    }

    /// Returns the user's code, whatever its case, as it was last issued.
    #[must_use]
    pub fn code(&self, code: &ReferralCode) -> Option<&IssuedCode> {
        let folded = code.folded();
        self.codes.iter().rev().find(|issued| issued.code.folded() == folded)
    }

    /// Returns the code of this kind that is in use.
    #[must_use]
    pub fn current_code(&self, kind: CodeKind) -> Option<&IssuedCode> {
        self.codes.iter().rev().find(|code| {
            code.kind == kind && code.disabled_at.is_none() && !self.is_blocked(&code.code)
        })
    }

    fn open_session(&self, command: &OpenSession) -> Vec<UserEvent> {
        let now = command.now;
        let mut events = vec![];
        if self.account.is_none() {
            let registered = UserRegistered {
                email: Pii::Clear(command.email.clone()),
                email_key: command.email_key,
                display_name: None,
                provider: Provider::Email,
            };
            events.push(registered.into());
            events.push(command.snapshot.clone().into());
        }
        let registered_at = self.account.as_ref().map_or(now, |account| account.registered_at);
        if let Some(attempt) = &command.attempt {
            // An attempt never makes a login fail: one that is not to be recorded is dropped.
            let decided = self.attribute(command.user_id, registered_at, attempt);
            events.extend(decided.unwrap_or_default());
        }
        let opened = SessionOpened {
            session_id: command.session_id,
            token_hash: command.token_hash,
            kind: command.kind,
            expires_at: now + SESSION_IDLE,
            absolute_expires_at: now + SESSION_MAX,
            device: Pii::Clear(command.device.clone()),
            device_class: command.device_class,
            country: command.country,
        };
        events.push(opened.into());
        events
    }

    fn attribute(
        &self,
        user_id: UserId,
        registered_at: Timestamp,
        attempt: &Attempt,
    ) -> Result<Vec<UserEvent>, UserRejection> {
        let attributed = self.referrer.is_some();
        let referee = Referee { user_id, registered_at, attributed };
        let event = referral::decide(referee, attempt).map_err(UserRejection::NotAttributed)?;
        if let UserEvent::ReferralRefused(refused) = &event {
            let about_it = |(code, _): &&(Option<ReferralCode>, _)| *code == refused.code;
            let last = self.refusals.iter().rev().find(about_it).map(|(_, reason)| *reason);
            let full = self.refusals.len() >= MAX_REFUSALS;
            // The decision that ends an undecided attempt is always recorded, or it would never
            // end.
            let known = last == Some(refused.reason);
            if known || (full && last != Some(Refusal::InternalError)) {
                return Err(UserRejection::NotAttributed(refused.reason));
            }
        }
        Ok(vec![event])
    }

    fn issue(
        &self,
        code: &ReferralCode,
        kind: CodeKind,
        now: Timestamp,
    ) -> Result<Vec<UserEvent>, UserRejection> {
        if self.is_blocked(code) {
            return Err(UserRejection::CodeBlocked);
        }
        let known = match kind {
            // One, permanently.
            CodeKind::Primary => self.codes.iter().any(|known| known.kind == kind),
            // The newest one is in use, the older ones remain as aliases. One that was disabled, or
            // is no longer the newest, can be issued again.
            CodeKind::Custom => {
                self.current_code(kind).is_some_and(|current| current.code == *code)
            }
        };
        if !known && kind == CodeKind::Custom {
            self.may_choose_code(now)?;
        }
        Ok(unless(known, ReferralCodeIssued { code: code.clone(), kind }))
    }

    /// Checks that the user may choose one more code.
    pub fn may_choose_code(&self, now: Timestamp) -> Result<(), UserRejection> {
        let chosen = self.codes.iter().filter(|code| code.kind == CodeKind::Custom);
        let ends = chosen.map(|code| code.issued_at + SLUG_WINDOW);
        match full_until(ends, MAX_SLUGS, now) {
            Some(until) => Err(UserRejection::TooManyCodes { until }),
            None => Ok(()),
        }
    }

    fn claim(&self, handle: &Handle) -> Result<Vec<UserEvent>, UserRejection> {
        let known = self.handles.contains(handle);
        if !known && self.handles.len() >= MAX_HANDLES {
            return Err(UserRejection::TooManyHandles);
        }
        Ok(unless(known, CreatorHandleClaimed { handle: handle.clone() }))
    }

    fn disable(&self, code: &ReferralCode, why: &str) -> Result<Vec<UserEvent>, UserRejection> {
        let issued = self.code(code).filter(|code| code.disabled_at.is_none());
        let code = issued.ok_or(UserRejection::NoSuchCode)?.code.clone();
        Ok(vec![ReferralCodeDisabled { code, reason: why.to_owned() }.into()])
    }

    fn record_welcome(&self, outcome: Result<(), DeliveryFailure>) -> Vec<UserEvent> {
        let attempt = self.welcome.failed.saturating_add(1);
        match outcome {
            _ if self.welcome.is_over() => vec![],
            Ok(()) => vec![WelcomeEmailSent { attempt }.into()],
            Err(reason) => vec![WelcomeEmailFailed { reason, attempt }.into()],
        }
    }

    fn session(&self, id: SessionId) -> Result<&Session, UserRejection> {
        self.sessions.iter().find(|s| s.id == id).ok_or(UserRejection::NoSuchSession)
    }

    fn open(&mut self, opened: &SessionOpened, context: EventContext) {
        self.sessions.retain(|session| session.expires_at > context.at);
        self.sessions.push(Session {
            id: opened.session_id,
            expires_at: opened.expires_at,
            absolute_expires_at: opened.absolute_expires_at,
            used_at: context.at,
            refresh: RefreshChain::of(opened, context.at),
        });
        if let Some(account) = &mut self.account {
            account.last_device = Some((opened.device.clone(), context.version));
            account.last_country = opened.country;
        }
    }
}

fn unless(done: bool, event: impl Into<UserEvent>) -> Vec<UserEvent> {
    if done { vec![] } else { vec![event.into()] }
}

/// Returns when one more is possible, where as many as there may be count now; `None`: it is possible.
/// `ends` says until when each counts, the first to end first.
fn full_until(
    ends: impl Iterator<Item = Timestamp>,
    most: usize,
    now: Timestamp,
) -> Option<Timestamp> {
    let counted: Vec<_> = ends.filter(|end| *end > now).collect();
    counted.len().checked_sub(most).map(|over| counted[over])
}
