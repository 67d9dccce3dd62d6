//! Histories that no decider makes: deletes of what is not there, rows that come back, sessions
//! without a user. Whatever one event after another gives, a batch gives.
#![expect(clippy::unwrap_used, reason = "cases of tests: no tables, no test")]

use std::time::Duration;

use futures::executor::block_on;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;
use whence_events::*;
use whence_projections::ReadDb;

use crate::replay::answers::assert_same_answers;
use crate::replay::fold::check;
use crate::replay::tables::{Expected, Tables, on_each_backend};

on_each_backend! {
    any_history_gives_what_its_events_give_one_by_one,
    a_batch_that_cannot_be_applied_changes_nothing,
}

/// What happens, to whom, with what.
pub(crate) type Draw = (u8, u8, u8);

const START: Timestamp = Timestamp::from_micros(1_773_500_966_535_897);
/// Few, so that the same rows are touched again and again.
const REQUESTS: u8 = 12;
const USERS: u8 = 4;
const SESSIONS: u8 = 5;
const CODES: [&str; 4] = ["alpha", "ALPHA", "Beta", "gamma"];

fn any_history_gives_what_its_events_give_one_by_one(tables: &Tables) {
    // Beyond the position where what is over is forgotten.
    let strategy = (vec(any::<Draw>(), 1300..2600), vec(1..800_usize, 1..12));
    check(32, &strategy, |(draws, sizes)| {
        let events = possible(&draws);
        let expected = Expected::of(&events);
        let reads = tables.open_empty();
        let mut rest = &events[..];
        for size in sizes.iter().cycle() {
            let (batch, later) = rest.split_at((*size).min(rest.len()));
            tables.wait(reads.apply(batch)).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows.clone());
        prop_assert_eq!(tables.wait(reads.positions()).unwrap(), expected.checkpoints.clone());
        tables.wait(assert_same_answers(&reads, &expected.reads, &events));
        Ok(())
    });
}

fn a_batch_that_cannot_be_applied_changes_nothing(tables: &Tables) {
    let strategy = (vec(any::<Draw>(), 20..300), any::<prop::sample::Index>());
    check(32, &strategy, |(draws, at)| {
        let events = possible(&draws);
        let before = &events[..at.index(events.len())];
        let expected = Expected::of(before);
        let reads = tables.open_empty();
        tables.wait(reads.apply(before)).unwrap();

        // The same registration twice.
        let mut impossible = events.clone();
        for _ in 0..2 {
            let event = recorded(impossible.len() as u64, (0, USERS, 0));
            impossible.push(event);
        }
        prop_assert!(tables.wait(reads.apply(&impossible)).is_err());
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows.clone());
        prop_assert_eq!(tables.wait(reads.positions()).unwrap(), expected.checkpoints.clone());

        tables.wait(reads.apply(&events)).unwrap();
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), Expected::of(&events).rows);
        Ok(())
    });
}

/// Those of the draws that SQLite can apply, one by one.
fn possible(draws: &[Draw]) -> Vec<Recorded> {
    let folder = tempfile::tempdir().unwrap();
    let reads = ReadDb::sqlite(&folder.path().join("possible.db")).unwrap();
    let mut events = Vec::new();
    for draw in draws {
        let event = recorded(events.len() as u64, *draw);
        if block_on(reads.apply(std::slice::from_ref(&event))).is_ok() {
            events.push(event);
        }
    }
    events
}

/// The event after `before` others.
pub(crate) fn recorded(before: u64, draw: Draw) -> Recorded {
    let at = START + Duration::from_secs(before * 10);
    let (stream, event) = event(at, draw);
    Recorded {
        position: before + 1,
        stream,
        version: before,
        event_id: EventId(Uuid::from_u128(u128::from(before) + 1)),
        data: codec::encode(&event).unwrap().into(),
        event,
        metadata: Metadata {
            occurred_at: at,
            correlation_id: CorrelationId(Uuid::from_u128(0)),
            causation_id: None,
            actor: Actor::System,
        },
        recorded_at: at,
    }
}

fn event(at: Timestamp, (kind, who, what): Draw) -> (StreamId, Event) {
    let mailbox = StreamId::Mailbox(EmailKey([what; 16]));
    let user_id = user(if who == USERS { USERS } else { who % USERS });
    // From an hour before, so that some are forgotten as soon as the rule runs.
    let expires_at = at + Duration::from_secs(u64::from(what) * 60) - Duration::from_hours(1);
    let request_id = RequestId(Uuid::from_u128(u128::from(who % REQUESTS)));
    match kind % 18 {
        1..=3 => (mailbox, MailboxEvent::from(started(request_id, expires_at)).into()),
        4 => (mailbox, ended(request_id, user_id, what).into()),
        5 => (
            mailbox,
            MailboxEvent::from(LoginLocked { request_id: Some(request_id), until: None }).into(),
        ),
        6 => {
            (StreamId::Touch(TouchId(Uuid::from_u128(1))), TouchEvent::from(touch(user_id)).into())
        }
        _ => (StreamId::User(user_id), user_event(kind % 18, what, expires_at).into()),
    }
}

/// What ends a login, or the address being somebody's, or both.
fn ended(request_id: RequestId, user_id: UserId, what: u8) -> MailboxEvent {
    match what % 4 {
        0 => MailboxClaimed { user_id, by_change: false, email: None, reason: None }.into(),
        1 => MailboxReleased { user_id }.into(),
        2 => MailboxForgotten { asked_at: Timestamp::from_micros(0) }.into(),
        _ => CodeVerified { request_id, device_id: None, device_class: None }.into(),
    }
}

fn user(n: u8) -> UserId {
    UserId(Uuid::from_u128(u128::from(n) + 1000))
}

fn user_event(kind: u8, what: u8, expires_at: Timestamp) -> UserEvent {
    let session_id = SessionId(Uuid::from_u128(u128::from(what % SESSIONS)));
    let code: ReferralCode = CODES[usize::from(what) % CODES.len()].parse().unwrap();
    let attempt = what % 6;
    match kind {
        0 => UserRegistered {
            email: sealed(what),
            email_key: EmailKey([what; 16]),
            display_name: what.is_multiple_of(2).then(|| sealed(what)),
            provider: Provider::ALL[usize::from(what) % Provider::ALL.len()],
        }
        .into(),
        7 => ProfileUpdated { display_name: Some(sealed(what)), avatar_url: None }.into(),
        8 => BillingCustomerLinked { billing_customer_id: format!("cus_{what}") }.into(),
        9 if what < 100 => erased().into(),
        9 | 10 => opened(session_id, what, expires_at).into(),
        11 if what < 128 => SessionExtended { session_id, expires_at }.into(),
        11 if what > 250 => UserSuspended { reason: sealed(what) }.into(),
        11 => SessionRevoked { session_id, reason: RevokeReason::ALL[0] }.into(),
        12 => origin(what).into(),
        13 => ReferralAttributed {
            referrer_id: user(what % USERS),
            code,
            code_kind: CodeKind::Custom,
            touched_at: None,
            touch_id: None,
            via: Via::Verify,
            rules_version: 1,
            rules_digest: Mac([0; 16]),
            signals: vec![],
        }
        .into(),
        14 => refused(code, what).into(),
        15 => ReferralCodeIssued { code, kind: CodeKind::ALL[usize::from(what % 2)] }.into(),
        16 if what < 32 => ReferralCodeBlocked { code, reason: sealed(what) }.into(),
        16 if what < 64 => ReferralCodeUnblocked { code, reason: sealed(what) }.into(),
        16 if what < 128 => ReferralCodeDisabled { code, reason: String::new() }.into(),
        16 => SubscriptionProvisioned { plan: "free".into() }.into(),
        _ if what < 128 => WelcomeEmailSent { attempt }.into(),
        _ => WelcomeEmailFailed { reason: DeliveryFailure::TimedOut, attempt }.into(),
    }
}

fn sealed<T>(what: u8) -> Pii<T> {
    Pii::Sealed(Sealed(Box::new([what; 3])))
}

fn started(request_id: RequestId, expires_at: Timestamp) -> LoginStarted {
    LoginStarted {
        request_id,
        email: sealed(0),
        code_mac: Mac([0; 16]),
        expires_at,
        known_device: false,
        client: sealed(0),
        device_id: None,
        network: None,
        change_of: None,
        touch_id: None,
    }
}

fn erased() -> UserErased {
    UserErased { requested_by: "owner".into(), mode: "full".into() }
}

fn opened(session_id: SessionId, what: u8, expires_at: Timestamp) -> SessionOpened {
    SessionOpened {
        session_id,
        token_hash: Hash([what; 32]),
        kind: SessionKind::ALL[usize::from(what % 2)],
        expires_at,
        absolute_expires_at: expires_at,
        device: sealed(what),
        device_class: None,
        country: Country::parse("DE"),
    }
}

fn origin(what: u8) -> AttributionCaptured {
    AttributionCaptured {
        first_referrer_url: Some(sealed(what)),
        referrer_domain: None,
        first_landing_page: Some(format!("/{what}")),
        utm_source: None,
        utm_medium: None,
        utm_campaign: Some(String::new()),
        utm_term: None,
        utm_content: None,
        click_ids: ClickIds::new(),
        acquired_via_creator_id: Some(user(what)),
        registration_device: Some(DeviceClass::Tablet),
        registration_country: None,
        touch_id: None,
        touched_at: None,
        consent: Consent::Granted,
        rules_version: 1,
        referrer_site: None,
        said_by_client: false,
    }
}

fn refused(code: ReferralCode, what: u8) -> ReferralRefused {
    let reason = if what < 160 { Refusal::InternalError } else { Refusal::ALL[0] };
    let touch_id = Some(TouchId(Uuid::from_u128(u128::from(what))));
    ReferralRefused {
        code: Some(code),
        reason,
        via: Via::ALL[usize::from(what) % Via::ALL.len()],
        rules_version: 1,
        rules_digest: Mac([0; 16]),
        signals: vec![],
        evidence: Evidence { owner: None, touch_id, touched_at: None },
    }
}

fn touch(owner: UserId) -> TouchRecorded {
    TouchRecorded {
        code: None,
        code_status: CodeStatus::Known,
        owner: Some(owner),
        other_codes: vec![],
        landing_page: "/".into(),
        referrer_url: None,
        referrer_domain: None,
        referrer_kind: ReferrerKind::Foreign,
        first_touch_id: Some(TouchId(owner.0)),
        utm: Utm::default(),
        click_ids: ClickIds::new(),
        creator_id: None,
        device_class: None,
        country: None,
        bot: false,
        bot_rules_version: 1,
        consent: Consent::Unknown,
        deduplicated: false,
        fetch_site: None,
        referrer_site: None,
        agent: None,
        said_by_client: false,
    }
}
