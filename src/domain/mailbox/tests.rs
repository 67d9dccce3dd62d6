mod devices;
mod guesses;
mod ownership;
mod undelivered;

use whence_events::{Client, DeliveryFailure, Mac};

use super::*;
use crate::spec::{Given, START, after, device, given, request, user};

const RIGHT: Mac = Mac([1; 16]);
const WRONG: Mac = Mac([2; 16]);

/// The time for which strangers are locked out in these tests.
const LOCK_TIME: Duration = Duration::from_hours(30 * 24);

/// Returns a start by a device that is not known, on this machine.
fn start(n: u8, now: Timestamp) -> MailboxCommand {
    start_of(n, now, &[], None)
}

/// Returns a start by a device of these, from a network.
fn start_of(n: u8, now: Timestamp, devices: &[u8], network: Option<u8>) -> MailboxCommand {
    MailboxCommand::StartLogin(StartLogin {
        touch_id: None,
        change_of: None,
        now,
        request_id: request(n),
        email: EmailAddress::parse("ada@example.com").unwrap(),
        code_mac: RIGHT,
        client: Client::default(),
        devices: devices.iter().map(|n| device(*n)).collect(),
        network: network.map(of_network),
    })
}

fn of_network(n: u8) -> Mac {
    Mac([n; 16])
}

fn started(n: u8, at: Timestamp) -> MailboxEvent {
    started_of(n, at, None, None)
}

fn started_of(n: u8, at: Timestamp, known: Option<u8>, network: Option<u8>) -> MailboxEvent {
    LoginStarted {
        request_id: request(n),
        email: Pii::Clear(EmailAddress::parse("ada@example.com").unwrap()),
        code_mac: RIGHT,
        expires_at: at + CODE_LIFETIME,
        known_device: known.is_some(),
        client: Pii::Clear(Client::default()),
        device_id: known.map(device),
        network: network.map(of_network),
        change_of: None,
        touch_id: None,
    }
    .into()
}

/// Returns a code that is entered on a device that is not known, and that is number 50 afterwards.
fn verify(n: u8, code_mac: Mac, now: Timestamp) -> MailboxCommand {
    verify_on(n, code_mac, now, &[])
}

/// Returns a code that is entered on a device of these.
fn verify_on(n: u8, code_mac: Mac, now: Timestamp, devices: &[u8]) -> MailboxCommand {
    MailboxCommand::VerifyCode(VerifyCode {
        change_of: None,
        now,
        request_id: request(n),
        code_mac,
        fresh_user: user(7),
        device: DeviceFacts {
            proven: devices.iter().map(|n| device(*n)).collect(),
            fresh: device(50),
            class: Some(DeviceClass::Mobile),
        },
        lock_time: Some(LOCK_TIME),
    })
}

fn rejected(n: u8, attempt: u8) -> MailboxEvent {
    CodeRejected { request_id: request(n), attempt }.into()
}

fn locked(n: u8) -> MailboxEvent {
    LoginLocked { request_id: Some(request(n)), until: None }.into()
}

fn verified(n: u8) -> MailboxEvent {
    verified_on(n, 50)
}

fn verified_on(n: u8, known: u8) -> MailboxEvent {
    let (device_id, device_class) = (Some(device(known)), Some(DeviceClass::Mobile));
    CodeVerified { request_id: request(n), device_id, device_class }.into()
}

fn claimed(by: u8) -> MailboxEvent {
    MailboxClaimed { user_id: user(by), by_change: false, email: None, reason: None }.into()
}

fn throttled(until: Timestamp) -> MailboxEvent {
    LoginThrottled { until, device_id: None }.into()
}

#[test]
fn a_code_is_made() {
    given::<Mailbox>([]).when(start(1, START)).then([started(1, START)]);
}

#[test]
fn the_sixth_code_of_an_hour_is_refused_and_recorded_once() {
    let five = || (1..=5).map(|n| started(n, START));
    let until = START + START_WINDOW;
    given::<Mailbox>(five()).when(start(6, after(60))).then([throttled(until)]);
    given::<Mailbox>(five())
        .and([throttled(until)])
        .when(start(6, after(61)))
        .rejected(MailboxRejection::Throttled { until, device_id: None });
}

#[test]
fn an_hour_after_the_first_code_there_is_another() {
    let five = (1..=5).map(|n| started(n, START));
    given::<Mailbox>(five)
        .and([throttled(START + START_WINDOW)])
        .when(start(6, after(3600)))
        .then([started(6, after(3600))]);
}

#[test]
fn the_limit_slides() {
    let history = given::<Mailbox>((1..=5).map(|n| started(n, START)))
        .at(after(3600))
        .and([started(6, after(3600))]);
    let until = after(3600 + 1);
    history.when(start(7, after(3600))).then([throttled(until)]);
}

#[test]
fn a_failed_delivery_is_on_record() {
    let failed =
        MailboxCommand::FailDelivery { request_id: request(1), reason: DeliveryFailure::TimedOut };
    let event = CodeDeliveryFailed { request_id: request(1), reason: DeliveryFailure::TimedOut };
    given::<Mailbox>([started(1, START)]).when(failed).then([event.into()]);
}

#[test]
fn the_right_code_claims_the_address() {
    given::<Mailbox>([started(1, START)])
        .when(verify(1, RIGHT, after(599)))
        .then([verified(1), claimed(7)]);
}

#[test]
fn an_address_keeps_its_owner() {
    given::<Mailbox>([started(1, START), verified(1), claimed(3), started(2, START)])
        .when(verify(2, RIGHT, after(9)))
        .then([verified(2)]);
}

#[test]
fn only_its_owner_releases_an_address() {
    let release = |by| MailboxCommand::Release { user_id: user(by) };
    let released = MailboxReleased { user_id: user(3) };
    given::<Mailbox>([claimed(3)]).when(release(3)).then([released.into()]);
    given::<Mailbox>([claimed(3)]).when(release(4)).then([]);
    given::<Mailbox>([]).when(release(3)).then([]);
}

#[test]
fn a_released_address_can_be_claimed_again() {
    let released = MailboxReleased { user_id: user(3) }.into();
    given::<Mailbox>([claimed(3), released, started(2, START)])
        .when(verify(2, RIGHT, after(9)))
        .then([verified(2), claimed(7)]);
}

#[test]
fn releasing_an_address_ends_the_logins_under_way() {
    let expired = LoginExpired { request_id: request(2) }.into();
    let released = MailboxReleased { user_id: user(3) }.into();
    given::<Mailbox>([started(1, START), verified(1), claimed(3), started(2, START)])
        .when(MailboxCommand::Release { user_id: user(3) })
        .then([expired, released]);
}

#[test]
fn an_address_that_nobody_verified_is_forgotten_in_time_and_once() {
    let keep = Duration::from_secs(1000);
    let forget = |now| MailboxCommand::Forget(ForgetMailbox { now, keep });
    let expired = || LoginExpired { request_id: request(1) }.into();
    let forgotten = |asked_at| MailboxForgotten { asked_at }.into();
    let asked = || given::<Mailbox>([started(1, START)]);
    asked().when(forget(after(999))).then([]);
    asked().when(forget(after(1000))).then([expired(), forgotten(START)]);
    asked().and([expired(), forgotten(START)]).when(forget(after(9000))).then([]);
    let again = || asked().and([expired(), forgotten(START)]).at(after(2000));
    again().and([started(2, after(2600))]).when(forget(after(2999))).then([]);
    // Requested again, and again not verified.
    let expired_again = LoginExpired { request_id: request(2) }.into();
    let end = [expired_again, forgotten(after(2000))];
    again().and([started(2, after(2600))]).when(forget(after(3000))).then(end);
}

#[test]
fn an_address_that_is_somebodys_is_not_forgotten() {
    let forget = ForgetMailbox { now: after(9000), keep: Duration::ZERO };
    given::<Mailbox>([started(1, START), verified(1), claimed(3), started(2, START)])
        .when(MailboxCommand::Forget(forget))
        .then([]);
    given::<Mailbox>([]).when(MailboxCommand::Forget(forget)).then([]);
}

#[test]
fn a_code_works_once() {
    given::<Mailbox>([started(1, START), verified(1)])
        .when(verify(1, RIGHT, after(2)))
        .rejected(MailboxRejection::AlreadyConsumed);
}

#[test]
fn a_wrong_code_is_counted() {
    given::<Mailbox>([started(1, START), rejected(1, 1)])
        .when(verify(1, WRONG, after(2)))
        .then([rejected(1, 2)]);
}

#[test]
fn the_fifth_wrong_code_locks_the_login() {
    let four = (1..=4).map(|n| rejected(1, n));
    given::<Mailbox>([started(1, START)])
        .and(four)
        .when(verify(1, WRONG, after(9)))
        .then([rejected(1, 5), locked(1)]);
}

#[test]
fn a_locked_login_compares_nothing_more() {
    given::<Mailbox>([started(1, START), rejected(1, 5), locked(1)])
        .when(verify(1, RIGHT, after(9)))
        .rejected(MailboxRejection::Locked);
}

#[test]
fn wrong_codes_elsewhere_do_not_void_this_login() {
    given::<Mailbox>([started(1, START), started(2, START), rejected(2, 5), locked(2)])
        .and([claimed(3)])
        .when(verify(1, RIGHT, after(9)))
        .then([verified(1)]);
}

#[test]
fn a_locked_address_compares_nothing_until_then() {
    let locked = || LoginLocked { request_id: None, until: Some(after(100)) }.into();
    let history = || given::<Mailbox>([started(1, START), claimed(3), locked()]);
    history().when(verify(1, RIGHT, after(99))).rejected(MailboxRejection::Locked);
    history().when(verify(1, RIGHT, after(100))).then([verified(1)]);
}

#[test]
fn an_expired_login_is_closed_for_good() {
    let expired = || LoginExpired { request_id: request(1) }.into();
    given::<Mailbox>([started(1, START)]).when(verify(1, RIGHT, after(600))).then([expired()]);
    // The clock was set back to a time at which the code would still be valid.
    given::<Mailbox>([started(1, START), expired()])
        .when(verify(1, RIGHT, after(10)))
        .rejected(MailboxRejection::Expired);
}

#[test]
fn an_unknown_login_is_refused() {
    given::<Mailbox>([started(1, START)])
        .when(verify(2, RIGHT, after(1)))
        .rejected(MailboxRejection::UnknownRequest);
}

#[test]
fn the_state_stays_small() {
    let mut history = given::<Mailbox>([]);
    for n in 0..1000 {
        let at = after(n * 3600);
        history = history.at(at).and([started(u8::try_from(n % 256).unwrap(), at)]);
    }
    assert!(history.state().logins.len() <= MAX_STARTS);
}
