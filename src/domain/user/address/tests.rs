use whence_events::{ErasureRequested, SessionKind, SessionRevoked, UserSuspended};

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
        reason: None,
    }
    .into()
}

fn change(to: u8, from: u8, now: Timestamp) -> UserCommand {
    UserCommand::ChangeEmail(ChangeEmail {
        now,
        session_id: None,
        claimed_at: Some(now),
        previous_key: EmailKey([from; 16]),
        email: address(to),
        email_key: EmailKey([to; 16]),
        objection_until: START + OBJECTION_TIME,
        objection_hash: Hash([from; 32]),
        reason: None,
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
    given::<User>(moved.clone()).when(change(2, 2, START)).then([]);
    // The token for an objection would be that of an address which the account has left.
    given::<User>(moved).when(change(3, 1, START)).rejected(UserRejection::AddressLeft);
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
        claimed_at: None,
        previous_key: EmailKey([1; 16]),
        email: address(3),
        email_key: EmailKey([3; 16]),
        objection_until: START + OBJECTION_TIME,
        objection_hash: Hash([3; 32]),
        reason: None,
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

const WHY: &str = "the mailbox is lost";

/// An operator moves the account.
fn moves(to: u8, from: u8, now: Timestamp) -> UserCommand {
    let UserCommand::ChangeEmail(by_user) = change(to, from, now) else { unreachable!() };
    let reason = Some(Reason::parse(WHY).unwrap());
    UserCommand::ChangeEmail(ChangeEmail { reason, ..by_user })
}

fn moved(from: u8, to: u8) -> UserEvent {
    let UserEvent::EmailChanged(by_user) = changed(from, to) else { unreachable!() };
    let reason = Some(Pii::Clear(WHY.to_owned()));
    EmailChanged { reason, ..by_user }.into()
}

#[test]
fn an_operator_moves_an_account_and_all_sessions_end() {
    let history = [registered(), opened(SessionKind::Cookie)];
    let ended = SessionRevoked { session_id: session(1), reason: RevokeReason::Admin };
    given::<User>(history).when(moves(2, 1, START + HOUR)).then([moved(1, 2), ended.into()]);
    let history = [registered(), moved(1, 2)];
    given::<User>(history.clone()).when(moves(2, 2, START + HOUR)).then([]);
    given::<User>(history).when(undo(1, START + HOUR)).then([undone(1, 2)]);
}

#[test]
fn while_there_can_be_an_objection_an_operator_only_moves_back() {
    let until = START + OBJECTION_TIME;
    let open = UserRejection::ChangeOpen { until };
    for first in [moved(1, 2), changed(1, 2)] {
        let history = [registered(), first];
        given::<User>(history.clone()).when(moves(3, 2, START + HOUR)).rejected(open);
        given::<User>(history.clone()).when(moves(1, 2, START + HOUR)).then([moved(2, 1)]);
        given::<User>(history.clone()).when(moves(3, 2, until)).then([moved(2, 3)]);
        let back = history.into_iter().chain([moved(2, 1)]);
        given::<User>(back).when(moves(3, 1, START + HOUR)).then([moved(1, 3)]);
    }
}

#[test]
fn who_is_suspended_or_leaves_is_not_moved() {
    let suspended = UserSuspended { reason: Pii::Clear(WHY.to_owned()) }.into();
    let leaves = ErasureRequested { due_at: START + HOUR }.into();
    for (event, rejection) in
        [(suspended, UserRejection::Suspended), (leaves, UserRejection::Leaving)]
    {
        given::<User>([registered(), event]).when(moves(2, 1, START + HOUR)).rejected(rejection);
    }
    // An objection between the order and its completion counts.
    let history = [registered(), changed(1, 2), undone(1, 2)];
    given::<User>(history).when(moves(3, 1, START)).rejected(UserRejection::NoSuchSession);
}

#[test]
fn an_address_logs_in_only_where_it_is_the_accounts() {
    let login = |key: u8, moved_by_operator| {
        let UserCommand::OpenSession(login) = crate::user::tests::login(START + HOUR) else {
            unreachable!()
        };
        let email_key = EmailKey([key; 16]);
        UserCommand::OpenSession(Box::new(OpenSession { email_key, moved_by_operator, ..*login }))
    };
    let rejected = UserRejection::AddressLeft;
    for first in [moved(1, 2), changed(1, 2)] {
        given::<User>([registered(), first.clone()]).when(login(1, false)).rejected(rejected);
        assert_eq!(given::<User>([registered(), first]).when(login(2, true)).events().len(), 1);
    }
    // Not moved yet: the user has proven the address, or nobody has.
    assert_eq!(given::<User>([registered()]).when(login(2, false)).events().len(), 1);
    given::<User>([registered()]).when(login(2, true)).rejected(rejected);
}
