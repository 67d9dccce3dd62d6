//! Changes of the e-mail address of an account, and objections to them.
//!
//! The owner of the previous address may object for [`OBJECTION_TIME`]: whoever got hold of an open
//! session must not be able to take the account away.

use std::time::Duration;

use whence_events::{
    DeliveryFailure, EmailAddress, EmailChangeNoticed, EmailChangeUndone, EmailChanged, EmailKey,
    Hash, Pii, RevokeReason, SessionId, Timestamp, UserEvent, Version,
};

use super::{Account, User, UserRejection, full_until};
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
    /// The session that asks, which has to be in use: an objection ends all of them. `None`: a request
    /// that was interrupted is completed.
    pub session_id: Option<SessionId>,
    /// The time at which the new address was claimed.
    pub claimed_at: Timestamp,
    /// The new address.
    pub email: EmailAddress,
    /// The key that names it in the log.
    pub email_key: EmailKey,
    /// The end of the time for objections.
    pub objection_until: Timestamp,
    /// The SHA-256 of the token that an objection needs.
    pub objection_hash: Hash,
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
        match command.session_id {
            Some(session_id) => drop(self.session(session_id)?),
            // What was decided since counts, and not what was asked before it.
            None if self.address_since >= Some(command.claimed_at) => {
                return Err(UserRejection::NoSuchSession);
            }
            None => {}
        }
        self.may_change_email(command.now)?;
        Ok(vec![
            EmailChanged {
                email: Pii::Clear(command.email.clone()),
                email_key: command.email_key,
                previous_key: account.email_key,
                objection_until: command.objection_until,
                objection_hash: command.objection_hash,
            }
            .into(),
        ])
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
mod tests {
    use whence_events::{SessionKind, SessionRevoked};

    use super::*;
    use crate::spec::{START, given, opened, registered, session};
    use crate::user::UserCommand;

    const HOUR: Duration = Duration::from_hours(1);

    fn address(n: u8) -> EmailAddress {
        EmailAddress::parse(&format!("ada{n}@example.com")).unwrap()
    }

    fn changed(from: u8, to: u8) -> UserEvent {
        EmailChanged {
            email: Pii::Clear(address(to)),
            email_key: EmailKey([to; 16]),
            previous_key: EmailKey([from; 16]),
            objection_until: START + OBJECTION_TIME,
            objection_hash: Hash([from; 32]),
        }
        .into()
    }

    fn change(to: u8, from: u8, now: Timestamp) -> UserCommand {
        UserCommand::ChangeEmail(ChangeEmail {
            now,
            session_id: None,
            claimed_at: now,
            email: address(to),
            email_key: EmailKey([to; 16]),
            objection_until: START + OBJECTION_TIME,
            objection_hash: Hash([from; 32]),
        })
    }

    fn undo(n: u8, now: Timestamp) -> UserCommand {
        let (objection_hash, email) = (Hash([n; 32]), address(n));
        UserCommand::UndoEmailChange(UndoEmailChange { now, objection_hash, email })
    }

    fn undone(to: u8, from: u8) -> UserEvent {
        EmailChangeUndone {
            email: Pii::Clear(address(to)),
            email_key: EmailKey([to; 16]),
            voided_key: EmailKey([from; 16]),
        }
        .into()
    }

    fn objected() -> UserEvent {
        SessionRevoked { session_id: session(1), reason: RevokeReason::Objection }.into()
    }

    #[test]
    fn an_account_moves_once_and_its_sessions_stay() {
        let history = [registered(), opened(SessionKind::Cookie)];
        given::<User>(history.clone()).when(change(2, 1, START)).then([changed(1, 2)]);
        let moved = [registered(), opened(SessionKind::Cookie), changed(1, 2)];
        given::<User>(moved).when(change(2, 2, START)).then([]);
    }

    #[test]
    fn an_objection_gives_the_address_back_and_ends_all_sessions() {
        let history = [registered(), opened(SessionKind::Cookie), changed(1, 2)];
        given::<User>(history.clone()).when(undo(1, START)).then([objected(), undone(1, 2)]);
        given::<User>(history.clone()).when(undo(9, START)).rejected(UserRejection::NoSuchChange);
        let late = START + OBJECTION_TIME;
        given::<User>(history).when(undo(1, late)).rejected(UserRejection::NoSuchChange);
        let back = [registered(), changed(1, 2), undone(1, 2)];
        given::<User>(back).when(undo(1, START)).rejected(UserRejection::NoSuchChange);
    }

    #[test]
    fn the_first_owner_takes_back_what_was_moved_twice() {
        let history = [registered(), changed(1, 2), changed(2, 3)];
        given::<User>(history.clone()).when(undo(1, START)).then([undone(1, 3)]);
        given::<User>(history).when(undo(2, START)).then([undone(2, 3)]);
        let back = [registered(), changed(1, 2), changed(2, 3), undone(1, 3)];
        given::<User>(back).when(undo(2, START)).rejected(UserRejection::NoSuchChange);
        let to_the_middle = [registered(), changed(1, 2), changed(2, 3), undone(2, 3)];
        given::<User>(to_the_middle).when(undo(1, START)).then([undone(1, 2)]);
    }

    #[test]
    fn an_address_is_changed_three_times_in_72_hours() {
        let history = [registered(), changed(1, 2), changed(2, 3), changed(3, 4)];
        let until = START + OBJECTION_TIME;
        let too_many = UserRejection::TooManyChanges { until };
        given::<User>(history.clone()).when(change(5, 4, START + HOUR)).rejected(too_many);
        given::<User>(history).when(change(5, 4, until)).then([changed(4, 5)]);
    }

    #[test]
    fn the_previous_address_is_told_once_however_long_mail_is_down() {
        let notice = |now, outcome| UserCommand::RecordChangeNotice {
            now,
            previous_key: EmailKey([1; 16]),
            outcome,
        };
        let noticed = |attempt, failed, again_at| {
            let previous_key = EmailKey([1; 16]);
            UserEvent::from(EmailChangeNoticed { previous_key, attempt, failed, again_at })
        };
        let until = START + OBJECTION_TIME;
        let history = [registered(), changed(1, 2)];
        given::<User>(history.clone()).when(notice(START, Ok(()))).then([noticed(1, None, until)]);
        let failure = DeliveryFailure::Deferred;
        let failed = |attempt, again_at| noticed(attempt, Some(failure), again_at);
        let soon = START + Duration::from_mins(1);
        given::<User>(history).when(notice(START, Err(failure))).then([failed(1, soon)]);
        let told = [registered(), changed(1, 2), noticed(1, None, until)];
        given::<User>(told).when(notice(START, Ok(()))).then([]);
        let tried = [registered(), changed(1, 2), failed(20, soon)];
        let later = START + LONGEST_RETRY;
        given::<User>(tried.clone()).when(notice(START, Err(failure))).then([failed(21, later)]);
        let end = START + 71 * HOUR;
        given::<User>(tried).when(notice(end, Err(failure))).then([failed(21, until)]);
    }

    #[test]
    fn who_moves_back_leaves_nothing_to_object_to_for_those_in_between() {
        let history = [registered(), changed(1, 2), changed(2, 3), changed(3, 2)];
        given::<User>(history.clone()).when(undo(3, START)).rejected(UserRejection::NoSuchChange);
        given::<User>(history.clone()).when(undo(2, START)).rejected(UserRejection::NoSuchChange);
        given::<User>(history).when(undo(1, START)).then([undone(1, 2)]);
        let history = [registered(), changed(1, 2), changed(2, 1)];
        given::<User>(history.clone()).when(undo(2, START)).rejected(UserRejection::NoSuchChange);
        given::<User>(history).when(undo(1, START)).rejected(UserRejection::NoSuchChange);
    }

    #[test]
    fn a_change_that_was_asked_for_before_an_objection_does_nothing_after_it() {
        let by_session = UserCommand::ChangeEmail(ChangeEmail {
            now: START + HOUR,
            session_id: Some(session(1)),
            claimed_at: START + HOUR,
            email: address(3),
            email_key: EmailKey([3; 16]),
            objection_until: START + OBJECTION_TIME,
            objection_hash: Hash([3; 32]),
        });
        let over = UserRejection::NoSuchSession;
        let history =
            [registered(), opened(SessionKind::Cookie), changed(1, 2), objected(), undone(1, 2)];
        given::<User>(history.clone()).when(by_session.clone()).rejected(over);
        // Nor does the sweep complete it.
        given::<User>(history).when(change(3, 1, START)).rejected(over);
        let moved = [registered(), opened(SessionKind::Cookie), changed(1, 2)];
        given::<User>(moved).when(change(3, 2, START)).rejected(over);
    }
}
