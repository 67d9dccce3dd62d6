//! Codes that did not go out, and codes for other spellings of an address.

use whence_events::DeliveryFailure;

use super::*;

fn failed(n: u8, reason: DeliveryFailure) -> MailboxEvent {
    CodeDeliveryFailed { request_id: request(n), reason }.into()
}

fn count_start(n: u8, now: Timestamp, network: Option<u8>) -> MailboxCommand {
    let network = network.map(of_network);
    MailboxCommand::CountStart(CountStart { now, request_id: request(n), network })
}

fn counted(n: u8, network: Option<u8>) -> MailboxEvent {
    StartCounted { request_id: request(n), network: network.map(of_network) }.into()
}

#[test]
fn a_code_that_certainly_did_not_go_out_does_not_count() {
    let mut history = given::<Mailbox>([]);
    for n in 1..=100 {
        let reason = [DeliveryFailure::Deferred, DeliveryFailure::Unreachable][usize::from(n % 2)];
        history = history.and([started_of(n, START, None, Some(1)), failed(n, reason)]);
    }
    let expected = started_of(101, after(300), None, Some(1));
    history.when(start_of(101, after(300), &[], Some(1))).then([expected]);
}

#[test]
fn a_code_that_may_have_gone_out_counts() {
    let five = (1..=5).flat_map(|n| [started(n, START), failed(n, DeliveryFailure::Unconfirmed)]);
    given::<Mailbox>(five).when(start(6, after(60))).then([throttled(START + START_WINDOW)]);
}

#[test]
fn a_code_that_did_not_go_out_cannot_be_guessed() {
    given::<Mailbox>([started(1, START), failed(1, DeliveryFailure::Rejected)])
        .when(verify(1, RIGHT, after(9)))
        .rejected(MailboxRejection::Expired);
}

#[test]
fn codes_for_other_spellings_count_together_with_those_for_this_one() {
    let four = || given::<Mailbox>((1..=4).map(|n| counted(n, None)));
    four().when(count_start(5, after(9), None)).then([counted(5, None)]);
    let five = || four().and([started(5, after(4))]);
    let until = START + START_WINDOW;
    five().when(count_start(6, after(9), None)).then([throttled(until)]);
    five().when(start(6, after(9))).then([throttled(until)]);
    five()
        .and([throttled(until)])
        .when(count_start(6, after(9), None))
        .rejected(MailboxRejection::Throttled { until, device_id: None });
}

#[test]
fn a_network_is_counted_over_all_spellings() {
    let three = || given::<Mailbox>([1, 2, 3].map(|n| counted(n, Some(1))));
    three().when(count_start(4, after(9), Some(1))).then([throttled(START + START_WINDOW)]);
    three().when(count_start(4, after(9), Some(2))).then([counted(4, Some(2))]);
}

#[test]
fn a_counted_start_is_returned_once() {
    let five = || given::<Mailbox>((1..=5).map(|n| counted(n, None)));
    let return_start = |n| MailboxCommand::ReturnStart { request_id: request(n) };
    let returned = || StartReturned { request_id: request(2) }.into();
    five().when(return_start(2)).then([returned()]);
    five().and([returned()]).when(return_start(2)).then([]);
    five().and([returned()]).when(count_start(6, after(9), None)).then([counted(6, None)]);
}
