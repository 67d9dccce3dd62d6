//! Devices that are known to an address.

use super::*;

/// Returns an address that user 3 owns, with device 50, which logged in an hour ago.
fn owned() -> Given<Mailbox> {
    given::<Mailbox>([started(1, START), verified(1), claimed(3)]).at(after(4000))
}

/// Returns that address after so many wrong codes of strangers from many networks.
fn attacked(wrong: u8) -> Given<Mailbox> {
    (0..wrong).fold(owned(), |history, n| {
        history.and([started_of(100 + n, after(4000), None, Some(n)), rejected(100 + n, 1)])
    })
}

fn locked_out() -> MailboxEvent {
    LoginLocked { request_id: None, until: Some(after(9_000_000)) }.into()
}

#[test]
fn a_device_is_known_after_a_login() {
    owned().when(start_of(2, after(5000), &[50], Some(1))).then([started_of(
        2,
        after(5000),
        Some(50),
        None,
    )]);
    owned().when(start_of(2, after(5000), &[51], Some(1))).then([started_of(
        2,
        after(5000),
        None,
        Some(1),
    )]);
}

#[test]
fn a_known_device_stays_the_device_it_is() {
    owned()
        .and([started(2, after(4000))])
        .when(verify_on(2, RIGHT, after(4009), &[51, 50]))
        .then([verified_on(2, 50)]);
}

#[test]
fn strangers_use_up_nothing_of_a_known_device() {
    let history = || attacked(99).and([locked_out()]);
    history()
        .when(start(2, after(4100)))
        .rejected(MailboxRejection::Throttled { until: after(9_000_000), device_id: None });
    let known = || started_of(2, after(4100), Some(50), None);
    history().when(start_of(2, after(4100), &[50], None)).then([known()]);
    history()
        .at(after(4100))
        .and([known()])
        .when(verify_on(2, RIGHT, after(4101), &[50]))
        .then([verified_on(2, 50)]);
}

#[test]
fn a_login_of_a_known_device_ends_the_lock() {
    attacked(99)
        .and([locked_out(), started_of(2, after(4100), Some(50), None), verified_on(2, 50)])
        .when(start(3, after(8000)))
        .then([started(3, after(8000))]);
}

#[test]
fn a_known_device_has_five_codes_an_hour() {
    let five = (2..=6).map(|n| started_of(n, after(4000), Some(50), None));
    let until = after(4000) + START_WINDOW;
    let known = LoginThrottled { until, device_id: Some(device(50)) };
    let history = || owned().and(five.clone());
    history().when(start_of(7, after(4100), &[50], None)).then([known.clone().into()]);
    history()
        .and([known.into()])
        .when(start_of(7, after(4100), &[50], None))
        .rejected(MailboxRejection::Throttled { until, device_id: Some(device(50)) });
    // It has used up nothing of the others.
    history().when(start(7, after(4100))).then([started(7, after(4100))]);
}

#[test]
fn a_login_leaves_strangers_all_their_codes() {
    let history = given::<Mailbox>([started(1, START), verified(1), claimed(3)]);
    let five = (2..=6).map(|n| started(n, after(9)));
    history.and(five).when(start(7, after(60))).then([throttled(after(3) + START_WINDOW)]);
}

#[test]
fn a_device_that_guesses_waits_and_is_forgotten() {
    let wrong = |history: Given<Mailbox>, n: u8| {
        history.and([started_of(100, after(4000), Some(50), None), rejected(100, n)])
    };
    let waits = (1..=10).fold(owned(), wrong);
    let refused = waits.when(start_of(101, after(4100), &[50], None)).events();
    assert!(matches!(&refused[..], [MailboxEvent::LoginThrottled(_)]), "{refused:?}");
    let history = (1..=99).fold(owned(), wrong).and([started_of(101, after(5000), Some(50), None)]);
    history.when(verify(101, WRONG, after(5000))).then([
        rejected(101, 1),
        locked(101),
        DeviceForgotten { device_id: device(50) }.into(),
    ]);
}

#[test]
fn a_forgotten_device_is_a_stranger() {
    let forget = |n| MailboxCommand::ForgetDevice { device_id: device(n) };
    let forgotten = || MailboxEvent::from(DeviceForgotten { device_id: device(50) });
    let under_way = || owned().and([started_of(2, after(4000), Some(50), None)]);
    let expired = || MailboxEvent::from(LoginExpired { request_id: request(2) });
    under_way().when(forget(51)).then([]);
    under_way().when(forget(50)).then([expired(), forgotten()]);
    let after_it = || under_way().and([expired(), forgotten()]);
    after_it().when(forget(50)).then([]);
    after_it().when(start_of(3, after(4100), &[50], Some(1))).then([started_of(
        3,
        after(4100),
        None,
        Some(1),
    )]);
}

#[test]
fn an_address_that_is_released_or_forgotten_knows_no_device() {
    let released = MailboxReleased { user_id: user(3) }.into();
    assert!(owned().state().knows(&[device(50)]));
    assert!(!owned().and([released]).state().knows(&[device(50)]));
    let forgotten = MailboxForgotten { asked_at: START }.into();
    assert!(!owned().and([forgotten]).state().knows(&[device(50)]));
}

#[test]
fn the_device_that_did_not_log_in_for_the_longest_time_makes_room() {
    let mut history = given::<Mailbox>([]);
    for n in 0..=10 {
        let at = after(u64::from(n) * 4000);
        history = history.at(at).and([started(n, at), verified_on(n, n)]);
        // Number 0 comes back again and again.
        history = history.and([started(100 + n, at), verified_on(100 + n, 0)]);
    }
    let state = history.state();
    assert_eq!(state.devices().len(), MAX_DEVICES);
    assert!(state.knows(&[device(0)]) && state.knows(&[device(10)]) && !state.knows(&[device(1)]));
    assert_eq!(state.devices()[0].id, device(0), "the last login comes first");
}
