use whence_events::{
    AttributionCaptured, Consent, Country, DeviceClass, Hash, ReferralAttributed, ReferralRefused,
    SessionExtended, SessionKind, UserErased,
};

use super::*;
use crate::referral::tests::attempt;
use crate::spec::{START, after, given, registered, session, user};

const DAY: u64 = 86_400;

fn email() -> EmailAddress {
    EmailAddress::parse("ada@example.com").unwrap()
}

fn snapshot() -> AttributionCaptured {
    AttributionCaptured {
        first_referrer_url: None,
        referrer_domain: None,
        first_landing_page: Some("/landing".into()),
        utm_source: Some("google".into()),
        utm_medium: None,
        utm_campaign: None,
        utm_term: None,
        utm_content: None,
        click_ids: whence_events::ClickIds::new(),
        acquired_via_creator_id: None,
        registration_device: Some(DeviceClass::Mobile),
        registration_country: Country::parse("TR"),
        touch_id: None,
        touched_at: None,
        consent: Consent::Unknown,
        rules_version: 1,
        referrer_site: None,
        said_by_client: false,
    }
}

fn open(n: u8, now: Timestamp, attempt: Option<Attempt>) -> UserCommand {
    UserCommand::OpenSession(Box::new(OpenSession {
        now,
        user_id: user(1),
        email: email(),
        email_key: EmailKey([1; 16]),
        moved_by_operator: false,
        snapshot: snapshot(),
        attempt,
        session_id: session(n),
        token_hash: Hash([n; 32]),
        kind: SessionKind::Cookie,
        device: Client::default(),
        device_class: Some(DeviceClass::Mobile),
        country: Country::parse("TR"),
    }))
}

/// Returns a login of the user with the first address.
pub(super) fn login(now: Timestamp) -> UserCommand {
    open(9, now, None)
}

fn opened(n: u8, now: Timestamp) -> UserEvent {
    SessionOpened {
        session_id: session(n),
        token_hash: Hash([n; 32]),
        kind: SessionKind::Cookie,
        expires_at: now + SESSION_IDLE,
        absolute_expires_at: now + SESSION_MAX,
        device: Pii::Clear(Client::default()),
        device_class: Some(DeviceClass::Mobile),
        country: Country::parse("TR"),
    }
    .into()
}

fn revoke(n: u8) -> UserCommand {
    UserCommand::RevokeSession { session_id: session(n), reason: RevokeReason::Logout }
}

fn revoked(n: u8, reason: RevokeReason) -> UserEvent {
    SessionRevoked { session_id: session(n), reason }.into()
}

fn issue(code: &str, kind: CodeKind) -> UserCommand {
    issue_at(after(60), code, kind)
}

fn issue_at(now: Timestamp, code: &str, kind: CodeKind) -> UserCommand {
    UserCommand::IssueReferralCode { now, code: code.parse().unwrap(), kind }
}

fn issued(code: &str, kind: CodeKind) -> UserEvent {
    ReferralCodeIssued { code: code.parse().unwrap(), kind }.into()
}

fn attribute(attempt: Attempt) -> UserCommand {
    UserCommand::AttributeReferral { user_id: user(1), attempt: Box::new(attempt) }
}

fn erased() -> UserEvent {
    UserErased { requested_by: "user".into(), mode: "full".into() }.into()
}

#[test]
fn the_first_login_registers_and_freezes_the_snapshot() {
    given::<User>([]).when(open(1, START, None)).then([
        registered(),
        snapshot().into(),
        opened(1, START),
    ]);
}

#[test]
fn a_later_login_neither_registers_nor_captures_again() {
    given::<User>([registered(), snapshot().into()])
        .when(open(2, after(60), None))
        .then([opened(2, after(60))]);
}

#[test]
fn a_referral_that_came_along_is_decided_in_the_same_append() {
    let events = given::<User>([]).when(open(1, after(DAY), Some(attempt()))).events();
    let types: Vec<_> = events.iter().map(UserEvent::event_type).collect();
    assert_eq!(
        types,
        [
            "UserRegistered.v1",
            "AttributionCaptured.v2",
            "ReferralAttributed.v1",
            "SessionOpened.v1"
        ]
    );
}

#[test]
fn an_attempt_that_leaves_nothing_does_not_fail_the_login() {
    let nothing = Attempt { cookie: None, ..attempt() };
    given::<User>([registered()]).when(open(1, START, Some(nothing))).then([opened(1, START)]);
}

#[test]
fn an_account_is_attributed_once() {
    let history = || given::<User>([]).at(after(DAY)).and([registered(), snapshot().into()]);
    let first = history().when(attribute(attempt())).events();
    assert!(matches!(&first[..], [UserEvent::ReferralAttributed(ReferralAttributed { .. })]));
    let again = history().and(first.clone()).when(attribute(attempt())).events();
    let [UserEvent::ReferralRefused(ReferralRefused { reason, .. })] = &again[..] else {
        panic!("{again:?}")
    };
    assert_eq!(*reason, Refusal::AlreadyAttributed);
    // The same refusal again is not recorded.
    history()
        .and(first)
        .and(again)
        .when(attribute(attempt()))
        .rejected(UserRejection::NotAttributed(Refusal::AlreadyAttributed));
}

#[test]
fn without_a_cookie_nothing_is_recorded() {
    given::<User>([registered()])
        .when(attribute(Attempt { cookie: None, ..attempt() }))
        .rejected(UserRejection::NotAttributed(Refusal::NoCookie));
}

fn refused(code: &str, reason: Refusal) -> UserEvent {
    ReferralRefused {
        code: Some(code.parse().unwrap()),
        reason,
        via: whence_events::Via::Attribute,
        rules_version: 1,
        rules_digest: whence_events::Mac([9; 16]),
        signals: vec![],
        evidence: whence_events::Evidence::default(),
    }
    .into()
}

#[test]
fn refusals_on_record_are_bounded() {
    let mut history = given::<User>([]).at(after(DAY)).and([registered()]);
    for n in 0..MAX_REFUSALS {
        history = history.and([refused(&format!("nope-{n}"), Refusal::UnknownCode)]);
    }
    let one_more = Attempt { lookup: crate::referral::CodeLookup::Unknown, ..attempt() };
    history.when(attribute(one_more)).rejected(UserRejection::NotAttributed(Refusal::UnknownCode));
}

#[test]
fn an_undecided_attempt_can_always_be_ended() {
    let unknown = || Attempt { lookup: crate::referral::CodeLookup::Unknown, ..attempt() };
    let code = unknown().cookie.unwrap().code().unwrap().as_str().to_owned();
    let mut history = given::<User>([]).at(after(DAY)).and([registered()]);
    // The reason is the same as before, and the limit is reached: the end is recorded all the same.
    history = history.and([refused(&code, Refusal::UnknownCode)]);
    for n in 2..MAX_REFUSALS {
        history = history.and([refused(&format!("nope-{n}"), Refusal::UnknownCode)]);
    }
    history = history.and([refused(&code, Refusal::InternalError)]);
    assert_eq!(history.when(attribute(unknown())).events().len(), 1);
}

#[test]
fn a_session_ends_once() {
    let history = || given::<User>([registered(), opened(1, START)]);
    history().when(revoke(1)).then([revoked(1, RevokeReason::Logout)]);
    history()
        .and([revoked(1, RevokeReason::Logout)])
        .when(revoke(1))
        .rejected(UserRejection::NoSuchSession);
    history().when(revoke(2)).rejected(UserRejection::NoSuchSession);
}

#[test]
fn a_session_is_extended_in_its_second_half_and_never_past_its_end() {
    let period = activity::ActivityPeriod::None;
    let extend = |now| UserCommand::ExtendSession { now, session_id: session(1), period };
    let extended =
        |expires_at| UserEvent::from(SessionExtended { session_id: session(1), expires_at });
    let history = || given::<User>([registered(), opened(1, START)]);
    history().when(extend(after(15 * DAY))).then([]);
    let late = after(15 * DAY + 1);
    history().when(extend(late)).then([extended(late + SESSION_IDLE)]);
    history().when(extend(after(30 * DAY))).rejected(UserRejection::NoSuchSession);
    let end = START + SESSION_MAX;
    history().and([extended(after(80 * DAY))]).when(extend(after(79 * DAY))).then([extended(end)]);
    history().and([extended(end)]).when(extend(after(89 * DAY))).then([]);
}

#[test]
fn a_use_is_recorded_in_each_week_of_a_session_also_when_it_cannot_be_extended() {
    let period = activity::ActivityPeriod::Week;
    let used = |now| UserCommand::ExtendSession { now, session_id: session(1), period };
    let extended =
        |expires_at| UserEvent::from(SessionExtended { session_id: session(1), expires_at });
    // A Thursday, so that the next week begins after four days.
    let history = || given::<User>([registered(), opened(1, START)]);
    history().when(used(after(4 * DAY - 1))).then([]);
    let monday = after(4 * DAY);
    history().when(used(monday)).then([extended(monday + SESSION_IDLE)]);
    let mut again = history().at(monday).and([extended(monday + SESSION_IDLE)]);
    again = again.at(after(75 * DAY)).and([extended(START + SESSION_MAX)]);
    again.when(used(after(88 * DAY))).then([extended(START + SESSION_MAX)]);
}

#[test]
fn a_user_ends_all_their_other_sessions_at_once() {
    let others = |n| UserCommand::RevokeOtherSessions { now: after(60), keep: session(n) };
    let history = || given::<User>([registered(), opened(1, START), opened(2, START)]);
    history()
        .and([opened(3, START)])
        .when(others(2))
        .then([revoked(1, RevokeReason::RevokedAll), revoked(3, RevokeReason::RevokedAll)]);
    history().and([revoked(1, RevokeReason::Logout)]).when(others(2)).then([]);
}

#[test]
fn a_suspended_user_opens_no_session() {
    let suspended = whence_events::UserSuspended { reason: Pii::Clear("spam".into()) };
    given::<User>([registered(), suspended.into()])
        .when(open(1, START, None))
        .rejected(UserRejection::Suspended);
}

#[test]
fn one_primary_code_and_any_number_of_custom_ones() {
    let history = || given::<User>([registered(), issued("ABCD1234", CodeKind::Primary)]);
    given::<User>([registered()])
        .when(issue("ABCD1234", CodeKind::Primary))
        .then([issued("ABCD1234", CodeKind::Primary)]);
    history().when(issue("ZZZZ9999", CodeKind::Primary)).then([]);
    history().when(issue("ada", CodeKind::Custom)).then([issued("ada", CodeKind::Custom)]);
    history().and([issued("ada", CodeKind::Custom)]).when(issue("ada", CodeKind::Custom)).then([]);
}

#[test]
fn an_older_chosen_code_can_be_taken_up_again() {
    let custom = |code| issued(code, CodeKind::Custom);
    given::<User>([registered(), custom("ada"), custom("lovelace")])
        .when(issue("ada", CodeKind::Custom))
        .then([custom("ada")]);
}

#[test]
fn names_cannot_be_hoarded() {
    let custom = |code| issued(code, CodeKind::Custom);
    let history = || given::<User>([registered(), custom("one"), custom("two"), custom("six")]);
    let until = after(1) + SLUG_WINDOW;
    history().when(issue("ten", CodeKind::Custom)).rejected(UserRejection::TooManyCodes { until });
    history().when(issue_at(until, "ten", CodeKind::Custom)).then([custom("ten")]);
}

#[test]
fn a_code_is_disabled_once_and_found_however_it_is_spelt() {
    let disable = |code: &str| UserCommand::DisableReferralCode {
        code: code.parse().unwrap(),
        reason: "owner".into(),
    };
    let disabled = || {
        let code = "ABCD1234".parse().unwrap();
        UserEvent::from(ReferralCodeDisabled { code, reason: "owner".into() })
    };
    let history = || given::<User>([registered(), issued("ABCD1234", CodeKind::Primary)]);
    history().when(disable("abcd1234")).then([disabled()]);
    history().and([disabled()]).when(disable("abcd1234")).rejected(UserRejection::NoSuchCode);
    history().when(disable("other")).rejected(UserRejection::NoSuchCode);
    let state = history().and([disabled()]).state();
    assert_eq!(state.code(&"abcd1234".parse().unwrap()).unwrap().disabled_at, Some(after(2)));
}

#[test]
fn onboarding_steps_happen_once() {
    let plan = || UserCommand::ProvisionSubscription { plan: "free".into() };
    let provisioned = || UserEvent::from(SubscriptionProvisioned { plan: "free".into() });
    given::<User>([registered()]).when(plan()).then([provisioned()]);
    given::<User>([registered(), provisioned()]).when(plan()).then([]);

    let sent = || UserCommand::RecordWelcome(Ok(()));
    let failed = || UserCommand::RecordWelcome(Err(DeliveryFailure::TimedOut));
    let failure = |attempt| {
        UserEvent::from(WelcomeEmailFailed { reason: DeliveryFailure::TimedOut, attempt })
    };
    let success = |attempt| UserEvent::from(WelcomeEmailSent { attempt });
    given::<User>([registered()]).when(failed()).then([failure(1)]);
    given::<User>([registered(), failure(1)]).when(sent()).then([success(2)]);
    given::<User>([registered(), success(1)]).when(sent()).then([]);
    given::<User>([registered(), failure(5)]).when(failed()).then([]);
}

#[test]
fn a_handle_is_claimed_once() {
    let claim = || UserCommand::ClaimHandle { handle: "alice".parse().unwrap() };
    let claimed = || UserEvent::from(CreatorHandleClaimed { handle: "alice".parse().unwrap() });
    given::<User>([registered()]).when(claim()).then([claimed()]);
    given::<User>([registered(), claimed()]).when(claim()).then([]);
}

#[test]
fn erasing_ends_every_session_and_everything_after() {
    let erase = || UserCommand::Erase { requested_by: "user".into(), mode: "full".into() };
    given::<User>([registered(), opened(1, START), opened(2, START)]).when(erase()).then([
        revoked(1, RevokeReason::Erased),
        revoked(2, RevokeReason::Erased),
        erased(),
    ]);
    given::<User>([registered(), erased()]).when(erase()).rejected(UserRejection::Erased);
    given::<User>([registered(), erased()])
        .when(open(1, START, None))
        .rejected(UserRejection::Erased);
}

#[test]
fn nobody_can_be_asked_anything_but_to_register() {
    for command in [
        attribute(attempt()),
        revoke(1),
        issue("ada", CodeKind::Custom),
        UserCommand::RecordWelcome(Ok(())),
        UserCommand::ProvisionSubscription { plan: "free".into() },
    ] {
        given::<User>([]).when(command).rejected(UserRejection::NotRegistered);
    }
}

#[test]
fn who_asks_to_be_erased_has_a_grace_time_and_may_withdraw() {
    use whence_events::{ErasureCancelled, ErasureCompleted, ErasureRequested};
    let ask = |now| UserCommand::RequestErasure { now, grace: Duration::from_secs(14 * DAY) };
    let due_at = after(14 * DAY);
    let asked: UserEvent = ErasureRequested { due_at }.into();
    let withdrawn: UserEvent = ErasureCancelled { due_at }.into();
    let if_due = |now| UserCommand::EraseIfDue { now };
    given::<User>([registered()]).when(ask(START)).then([asked.clone()]);
    // Asked twice, the time is that of the first.
    given::<User>([registered(), asked.clone()]).when(ask(after(DAY))).then([]);
    let standing = [registered(), opened(1, START), asked.clone()];
    given::<User>(standing.clone()).when(if_due(after(14 * DAY - 1))).then([]);
    let own: UserEvent = UserErased { requested_by: "owner".into(), mode: "self".into() }.into();
    given::<User>(standing.clone())
        .when(if_due(due_at))
        .then([revoked(1, RevokeReason::Erased), own.clone()]);
    // One stream decides: whichever of the two comes second has nothing to do.
    given::<User>(standing.clone()).when(UserCommand::CancelErasure).then([withdrawn.clone()]);
    let [first, second, third] = standing;
    given::<User>([first, second, third, withdrawn.clone()]).when(if_due(due_at)).then([]);
    given::<User>([registered(), asked.clone(), own.clone()])
        .when(UserCommand::CancelErasure)
        .rejected(UserRejection::Erased);
    given::<User>([registered()]).when(UserCommand::CancelErasure).then([]);
    given::<User>([registered()]).when(if_due(due_at)).then([]);
    given::<User>([registered(), asked, withdrawn])
        .when(ask(after(DAY)))
        .then([ErasureRequested { due_at: after(15 * DAY) }.into()]);
    // The last step is on record once, and of an erasure only.
    let complete = || UserCommand::CompleteErasure { touches: 3 };
    let complete_event: UserEvent = ErasureCompleted { touches: 3 }.into();
    given::<User>([registered()]).when(complete()).then([]);
    given::<User>([registered(), own.clone()]).when(complete()).then([complete_event.clone()]);
    given::<User>([registered(), own, complete_event]).when(complete()).then([]);
    given::<User>([]).when(complete()).rejected(UserRejection::NotRegistered);
}

#[test]
fn a_user_is_linked_to_one_customer_of_the_billing_system() {
    let link = |id: &str| UserCommand::LinkBilling {
        customer: crate::billing::BillingCustomerId::parse(id).unwrap(),
    };
    let linked =
        |id: &str| -> UserEvent { BillingCustomerLinked { billing_customer_id: id.into() }.into() };
    let registered = || given::<User>([registered()]);
    registered().when(link("cus_1")).then([linked("cus_1")]);
    registered().when(link("")).then([]);
    registered().and([linked("cus_1")]).when(link("cus_1")).then([]);
    registered().and([linked("cus_1")]).when(link("cus_2")).then([linked("cus_2")]);
    registered().and([linked("cus_1")]).when(link("")).then([linked("")]);
    given::<User>([]).when(link("cus_1")).rejected(UserRejection::NotRegistered);
}
