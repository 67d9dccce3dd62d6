//! Wrong codes in a row, over all logins of an address.

use super::*;

/// Returns an address with so many wrong codes in a row, each of another network, the last of them
/// at [`START`]; all logins are over.
fn guessed(wrong: u8) -> Given<Mailbox> {
    (0..wrong).fold(given::<Mailbox>([]), |history, n| {
        let at = Timestamp::from_micros(START.as_micros() - 4_000_000_000);
        let history = history.at(at).and([started_of(n, at, None, Some(n))]);
        history.at(START).and([rejected(n, 1), locked(n)])
    })
}

fn refused_until(history: Given<Mailbox>, now: Timestamp, network: Option<u8>) -> Timestamp {
    let events = history.when(start_of(200, now, &[], network)).events();
    match &events[..] {
        [MailboxEvent::LoginThrottled(throttled)] => throttled.until,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn nine_wrong_codes_are_free() {
    guessed(9).when(start(200, after(1))).then([started(200, after(1))]);
}

#[test]
fn from_the_tenth_wrong_code_on_there_is_a_wait_that_doubles() {
    for (wrong, minutes) in [(10, 5), (11, 10), (12, 20), (17, 640), (19, 1440), (99, 1440)] {
        let end = after(minutes * 60);
        assert_eq!(refused_until(guessed(wrong), after(1), None), end, "{wrong}");
        guessed(wrong).when(start(200, end)).then([started(200, end)]);
    }
}

#[test]
fn a_network_that_guessed_waits_twice_as_long_as_others() {
    let end = after(300);
    guessed(10).when(start_of(200, end, &[], Some(99))).then([started_of(
        200,
        end,
        None,
        Some(99),
    )]);
    assert_eq!(refused_until(guessed(10), end, Some(3)), after(600));
}

#[test]
fn a_wait_is_recorded_once() {
    guessed(10)
        .and([throttled(after(300))])
        .when(start(200, after(2)))
        .rejected(MailboxRejection::Throttled { until: after(300), device_id: None });
}

#[test]
fn a_code_that_was_sent_is_good_whatever_others_guess() {
    let sent = || guessed(9).and([started(200, START), started(201, START)]);
    sent()
        .and([rejected(201, 1), locked(201)])
        .when(verify(200, RIGHT, after(9)))
        .then([verified(200), claimed(7)]);
}

#[test]
fn a_second_wrong_code_needs_room_in_the_budget() {
    let sent = || guessed(7).and([started(200, START), started(201, START)]);
    // One more of this login leaves the one of the other login.
    sent().and([rejected(200, 1)]).when(verify(200, WRONG, after(9))).then([rejected(200, 2)]);
    sent()
        .and([rejected(200, 1), rejected(200, 2)])
        .when(verify(200, RIGHT, after(9)))
        .rejected(MailboxRejection::Locked);
    sent()
        .and([rejected(200, 1), rejected(200, 2)])
        .when(verify(201, WRONG, after(9)))
        .then([rejected(201, 1), locked(201)]);
}

#[test]
fn during_waits_logins_come_one_after_the_other() {
    let at = after(300);
    let one = || guessed(10).at(at).and([started(200, at)]);
    assert_eq!(refused_until(one(), after(301), Some(99)), at + CODE_LIFETIME);
    let next = at + CODE_LIFETIME;
    one().when(start(201, next)).then([started(201, next)]);
}

#[test]
fn a_hundred_wrong_codes_lock_strangers_out() {
    let now = after(2 * 24 * 3600);
    let sent = |wrong| guessed(wrong).at(now).and([started(200, now)]);
    let out = |until| MailboxEvent::from(LoginLocked { request_id: None, until });
    sent(98).when(verify(200, WRONG, now)).then([rejected(200, 1), locked(200)]);
    let until = now + LOCK_TIME;
    sent(99).when(verify(200, WRONG, now)).then([rejected(200, 1), locked(200), out(Some(until))]);
    let locked_out = || sent(99).and([rejected(200, 1), locked(200), out(Some(until))]);
    locked_out()
        .when(start(201, now + Duration::from_hours(29 * 24)))
        .rejected(MailboxRejection::Throttled { until, device_id: None });
    // One more code after that, and the lock is back when it is wrong.
    locked_out().at(until).and([started(201, until)]).when(verify(201, WRONG, until)).then([
        rejected(201, 1),
        locked(201),
        out(Some(until + LOCK_TIME)),
    ]);
}

#[test]
fn a_lock_may_have_no_end() {
    let now = after(2 * 24 * 3600);
    let MailboxCommand::VerifyCode(mut verify) = verify(200, WRONG, now) else { unreachable!() };
    verify.lock_time = None;
    guessed(99).at(now).and([started(200, now)]).when(MailboxCommand::VerifyCode(verify)).then([
        rejected(200, 1),
        locked(200),
        LoginLocked { request_id: None, until: None }.into(),
    ]);
}

#[test]
fn an_operator_clears_a_lock() {
    let clear = || MailboxCommand::ClearLock { reason: "a call".into() };
    let cleared = |wrong| {
        let reason = Some(Pii::Clear("a call".to_owned()));
        MailboxEvent::from(LockCleared { wrong, reason })
    };
    let no_end = || LoginLocked { request_id: None, until: None }.into();
    let locked_out = || guessed(100).and([no_end()]);
    locked_out().when(clear()).then([cleared(100)]);
    locked_out().and([cleared(100)]).when(start(200, after(9))).then([started(200, after(9))]);
    given::<Mailbox>([]).when(clear()).then([]);
    let nobodys = StartCounted { request_id: request(1), network: None }.into();
    let without_reason = LockCleared { wrong: 0, reason: None }.into();
    given::<Mailbox>([nobodys]).when(clear()).then([without_reason]);
}

#[test]
fn a_right_code_starts_the_count_anew() {
    let right = guessed(15).and([started(200, START), verified(200), claimed(3)]);
    right.when(start(201, after(9))).then([started(201, after(9))]);
}

#[test]
fn one_network_has_three_of_the_five_codes() {
    let three = || given::<Mailbox>([1, 2, 3].map(|n| started_of(n, START, None, Some(1))));
    let now = after(60);
    three().when(start_of(4, now, &[], Some(1))).then([throttled(START + START_WINDOW)]);
    three().when(start_of(4, now, &[], Some(2))).then([started_of(4, now, None, Some(2))]);
    // This machine itself is no network: it is the operator, or a proxy for everybody.
    let local = given::<Mailbox>([1, 2, 3, 4].map(|n| started(n, START)));
    local.when(start(5, now)).then([started(5, now)]);
}
