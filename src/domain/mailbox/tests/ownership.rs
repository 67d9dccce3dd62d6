//! Operators give an address to a user, and it is left again.

use whence_events::MailboxMoved;

use super::*;
use crate::mailbox::{ClaimMailbox, LeaveMailbox};

const WHY: &str = "the mailbox is lost";

fn claim(by: u8) -> MailboxCommand {
    let (email, reason) = (EmailAddress::parse("ada@example.net").unwrap(), WHY.to_owned());
    MailboxCommand::Claim(ClaimMailbox { user_id: user(by), email, reason })
}

fn given_to(by: u8) -> MailboxEvent {
    MailboxClaimed {
        user_id: user(by),
        by_change: true,
        email: Some(Pii::Clear(EmailAddress::parse("ada@example.net").unwrap())),
        reason: Some(Pii::Clear(WHY.to_owned())),
    }
    .into()
}

fn moved(by: u8) -> MailboxEvent {
    MailboxMoved { user_id: user(by), held_until: after(99) }.into()
}

fn leave(by: u8, forget_devices: bool) -> MailboxCommand {
    MailboxCommand::Move(LeaveMailbox { user_id: user(by), held_until: after(99), forget_devices })
}

#[test]
fn an_address_is_given_to_one_user_only() {
    given::<Mailbox>([]).when(claim(1)).then([given_to(1)]);
    given::<Mailbox>([given_to(1)]).when(claim(1)).then([]);
    for history in [vec![given_to(2)], vec![claimed(2)], vec![given_to(2), moved(2)]] {
        given::<Mailbox>(history).when(claim(1)).rejected(MailboxRejection::Taken);
    }
    given::<Mailbox>([given_to(1), moved(1)]).when(claim(1)).then([given_to(1)]);
    let state = given::<Mailbox>([given_to(1)]).state();
    assert!(state.moved_because.is_some() && state.email.is_some());
}

#[test]
fn with_a_lost_mailbox_its_devices_are_forgotten() {
    let history = || [started(1, START), verified_on(1, 50), claimed(1)];
    let forgotten = || MailboxEvent::from(DeviceForgotten { device_id: device(50) });
    given::<Mailbox>(history()).when(leave(1, true)).then([moved(1), forgotten()]);
    given::<Mailbox>(history()).when(leave(1, false)).then([moved(1)]);
    given::<Mailbox>(history()).when(leave(2, true)).then([]);
    let back = history().into_iter().chain([moved(1)]);
    given::<Mailbox>(back).when(claim(1)).then([given_to(1), forgotten()]);
}
