//! Changes of the e-mail address of an account, and objections to them.
//!
//! The owner of the previous address may object for [`OBJECTION_TIME`]: whoever got hold of an open
//! session must not be able to take the account away.

use std::time::Duration;

use whence_events::{
    DeliveryFailure, EmailAddress, EmailChangeNoticed, EmailChangeUndone, EmailChanged, EmailKey,
    Hash, Pii, RevokeReason, SessionId, Timestamp, UserEvent, Version,
};

use super::measure::Reason;
use super::{Account, OpenSession, User, UserRejection, full_until};
use crate::EventContext;

/// The time for which the owner of the previous address may object to a change.
pub const OBJECTION_TIME: Duration = Duration::from_hours(72);

/// The number of changes within [`OBJECTION_TIME`], so that no session fills mailboxes and the log.
pub const MAX_CHANGES: usize = 3;

/// The time between a failed notice and the next attempt; doubled with each.
const NOTICE_RETRY: Duration = Duration::from_secs(30);

/// The longest time between two attempts. They end with the time for objections only.
const LONGEST_RETRY: Duration = Duration::from_hours(4);

/// The command that moves an account to another address.
#[derive(Clone, Debug)]
pub struct ChangeEmail {
    /// The current time.
    pub now: Timestamp,
    /// The session that asks, which has to be in use: an objection ends all of them.
    pub session_id: Option<SessionId>,
    /// The time at which the new address was claimed, when a request that was interrupted is completed.
    pub claimed_at: Option<Timestamp>,
    /// The key of the address that the account has, whose owner can object.
    pub previous_key: EmailKey,
    /// The new address.
    pub email: EmailAddress,
    /// The key that names it in the log.
    pub email_key: EmailKey,
    /// The end of the time for objections.
    pub objection_until: Timestamp,
    /// The SHA-256 of the token that an objection needs.
    pub objection_hash: Hash,
    /// The reason of the operator who moves the account; `None`: its user does.
    pub reason: Option<Reason>,
}

/// The command that undoes a change.
#[derive(Clone, Debug)]
pub struct UndoEmailChange {
    /// The current time.
    pub now: Timestamp,
    /// The SHA-256 of the token of the objection.
    pub objection_hash: Hash,
    /// The previous address.
    pub email: EmailAddress,
}

/// A change to which there can still be an objection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenChange {
    /// The key of the previous address.
    pub previous_key: EmailKey,
    /// The end of the time for objections.
    pub until: Timestamp,
    /// The SHA-256 of the token that an objection needs.
    pub objection_hash: Hash,
    /// The number of attempts to tell the previous address.
    pub notices: u8,
    /// Whether no further attempt is to be made.
    pub is_told: bool,
    /// Whether an operator made it.
    pub by_operator: bool,
}

/// The decisions.
impl User {
    pub(super) fn change_email(
        &self,
        account: &Account,
        command: &ChangeEmail,
    ) -> Result<Vec<UserEvent>, UserRejection> {
        if account.email_key == command.email_key {
            return Ok(vec![]);
        }
        // The token is of another address.
        if account.email_key != command.previous_key {
            return Err(UserRejection::AddressLeft);
        }
        if let Some(session_id) = command.session_id {
            self.session(session_id)?;
        }
        // What was decided since counts, and not what was asked before it.
        if command.claimed_at.is_some() && self.address_since >= command.claimed_at {
            return Err(UserRejection::NoSuchSession);
        }
        match command.reason {
            Some(_) => self.may_be_moved(command.email_key, command.now)?,
            None => self.may_change_email(command.now)?,
        }
        let changed = EmailChanged {
            email: Pii::Clear(command.email.clone()),
            email_key: command.email_key,
            previous_key: command.previous_key,
            objection_until: command.objection_until,
            objection_hash: command.objection_hash,
            reason: command.reason.as_ref().map(Reason::sealable),
        };
        let mut events = vec![changed.into()];
        if command.reason.is_some() {
            // Who has a session is not known to read the new address.
            let ended = self.live_sessions(command.now);
            events.extend(ended.map(|session| session.revoked(RevokeReason::Admin)));
        }
        Ok(events)
    }

    /// Checks that an operator may move the account to an address. While there can be an objection, it
    /// moves back only, which is what the objection would do.
    pub fn may_be_moved(&self, email_key: EmailKey, now: Timestamp) -> Result<(), UserRejection> {
        if self.suspended_at.is_some() {
            return Err(UserRejection::Suspended);
        }
        if self.erasure.is_some() {
            return Err(UserRejection::Leaving);
        }
        let is_back = self.open_changes(now).any(|change| change.previous_key == email_key);
        match self.open_changes(now).map(|change| change.until).max() {
            Some(until) if !is_back => Err(UserRejection::ChangeOpen { until }),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns whether the account is at another address than the one of a login. The address that its
    /// user proved to own and is about to move to counts as the account's.
    pub(super) fn is_elsewhere(&self, login: &OpenSession) -> bool {
        let Some(account) = &self.account else { return false };
        let is_left = self.left_at(login.email_key).is_some();
        account.email_key != login.email_key && (is_left || login.moved_by_operator)
    }

    /// Checks that the address may be changed once more.
    pub fn may_change_email(&self, now: Timestamp) -> Result<(), UserRejection> {
        let ends = self.changes.iter().map(|change| change.until);
        match full_until(ends, MAX_CHANGES, now) {
            Some(until) => Err(UserRejection::TooManyChanges { until }),
            None => Ok(()),
        }
    }

    /// Returns the changes to which there can be an objection at this time, the oldest first.
    pub fn open_changes(&self, now: Timestamp) -> impl Iterator<Item = &OpenChange> {
        self.changes.iter().filter(move |change| now < change.until)
    }

    pub(super) fn record_notice(
        &self,
        now: Timestamp,
        previous_key: EmailKey,
        outcome: Result<(), DeliveryFailure>,
    ) -> Vec<UserEvent> {
        let change = self.changes.iter().find(|change| change.previous_key == previous_key);
        let Some(change) = change.filter(|change| !change.is_told) else { return vec![] };
        let attempt = change.notices.saturating_add(1);
        let failed = outcome.err();
        let again_at = match failed {
            Some(_) => {
                let wait = NOTICE_RETRY * 2_u32.pow(u32::from(attempt.min(10)));
                change.until.min(now + wait.min(LONGEST_RETRY))
            }
            None => change.until,
        };
        vec![EmailChangeNoticed { previous_key, attempt, failed, again_at }.into()]
    }

    pub(super) fn undo_change(
        &self,
        account: &Account,
        command: &UndoEmailChange,
    ) -> Result<Vec<UserEvent>, UserRejection> {
        let change = self
            .open_changes(command.now)
            .find(|change| change.objection_hash.same_as(&command.objection_hash))
            .ok_or(UserRejection::NoSuchChange)?;
        let undone = EmailChangeUndone {
            email: Pii::Clear(command.email.clone()),
            email_key: change.previous_key,
            voided_key: account.email_key,
        };
        // Nobody knows which of the sessions are of the one who changed it.
        let ended = self.live_sessions(command.now);
        let mut events: Vec<_> = ended.map(|s| s.revoked(RevokeReason::Objection)).collect();
        events.push(undone.into());
        Ok(events)
    }

    /// Returns the open change that a token objects to.
    #[must_use]
    pub fn change_of_token(&self, token: Hash, now: Timestamp) -> Option<&OpenChange> {
        self.open_changes(now).find(|change| change.objection_hash.same_as(&token))
    }
}

/// What events change.
impl User {
    pub(super) fn moved(&mut self, changed: &EmailChanged, context: EventContext) {
        self.left(changed.previous_key, context.at);
        let back = self.changes.iter().position(|c| c.previous_key == changed.email_key);
        if let Some(back) = back {
            // Who moves back does what an objection would have done: the changes since are over, and
            // who made them has nothing to object to.
            self.changes.truncate(back);
        } else {
            self.changes.push(OpenChange {
                previous_key: changed.previous_key,
                until: changed.objection_until,
                objection_hash: changed.objection_hash,
                notices: 0,
                is_told: false,
                by_operator: changed.reason.is_some(),
            });
        }
        self.address_since = Some(context.at);
        self.set_address(&changed.email, changed.email_key, context.version);
    }

    pub(super) fn noticed(&mut self, noticed: &EmailChangeNoticed) {
        let told = self.changes.iter_mut().find(|c| c.previous_key == noticed.previous_key);
        if let Some(change) = told {
            change.notices = noticed.attempt;
            change.is_told = noticed.failed.is_none();
        }
    }

    pub(super) fn moved_back(&mut self, undone: &EmailChangeUndone, context: EventContext) {
        self.left(undone.voided_key, context.at);
        // The changes after it were made by the same hands.
        let first = self.changes.iter().position(|c| c.previous_key == undone.email_key);
        self.changes.truncate(first.unwrap_or_default());
        self.address_since = Some(context.at);
        self.set_address(&undone.email, undone.email_key, context.version);
    }

    fn left(&mut self, email_key: EmailKey, at: Timestamp) {
        self.former_keys.retain(|(former, _)| *former != email_key);
        self.former_keys.push((email_key, at));
    }

    /// Returns when the account left an address that it had before.
    #[must_use]
    pub fn left_at(&self, email_key: EmailKey) -> Option<Timestamp> {
        self.former_keys.iter().find(|(former, _)| *former == email_key).map(|(_, at)| *at)
    }

    fn set_address(&mut self, email: &Pii<EmailAddress>, email_key: EmailKey, version: Version) {
        if let Some(account) = &mut self.account {
            account.email = email.clone();
            account.email_key = email_key;
            account.email_version = version;
        }
    }
}

#[cfg(test)]
mod tests;
