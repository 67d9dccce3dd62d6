use std::time::Duration;

use super::*;
use crate::spec::{Given, START, after, given};
use crate::user::measure::Reason;

const HOUR: Duration = Duration::from_hours(1);

fn hash(n: u8) -> Hash {
    Hash([n; 32])
}

fn issued(expires_at: Option<Timestamp>) -> ApiKeyIssued {
    ApiKeyIssued {
        name: "shop".into(),
        scopes: vec![ApiKeyScope::ReadUsers],
        secret_hash: hash(1),
        expires_at,
    }
}

fn key() -> Given<ApiKey> {
    given([issued(None).into()])
}

fn rotated(n: u8, previous_until: Timestamp) -> ApiKeyEvent {
    ApiKeyRotated { secret_hash: hash(n), previous_until }.into()
}

fn revoked() -> ApiKeyEvent {
    ApiKeyRevoked { reason: "leaked".into() }.into()
}

fn used(day: &str) -> ApiKeyEvent {
    ApiKeyUsed { day: day.into() }.into()
}

fn rotate(n: u8, grace: Duration) -> ApiKeyCommand {
    ApiKeyCommand::Rotate { now: START, secret_hash: hash(n), grace }
}

fn revoke() -> ApiKeyCommand {
    ApiKeyCommand::Revoke { reason: Reason::parse("leaked").unwrap() }
}

#[test]
fn a_key_is_issued_once_for_something_and_not_for_the_past() {
    let issue = |issued| ApiKeyCommand::Issue { now: START, issued };
    given::<ApiKey>([]).when(issue(issued(None))).then([issued(None).into()]);
    let later = Some(after(1));
    given::<ApiKey>([]).when(issue(issued(later))).then([issued(later).into()]);
    key().when(issue(issued(None))).rejected(ApiKeyRejection::Exists);
    let for_nothing = ApiKeyIssued { scopes: vec![], ..issued(None) };
    given::<ApiKey>([]).when(issue(for_nothing)).rejected(ApiKeyRejection::NoScope);
    let over = issue(issued(Some(START)));
    given::<ApiKey>([]).when(over).rejected(ApiKeyRejection::ExpiresInPast);
}

#[test]
fn only_its_own_secret_opens_a_key() {
    assert_eq!(ApiKey::default().check(&hash(0), START), Err(ApiKeyRefusal::Unknown));
    let key = key().state();
    assert_eq!(key.check(&hash(1), START), Ok(()));
    assert_eq!(key.check(&hash(2), START), Err(ApiKeyRefusal::Unknown));
    assert!(key.has(ApiKeyScope::ReadUsers) && !key.has(ApiKeyScope::WriteBilling));
}

#[test]
fn an_expired_or_revoked_key_says_so_only_to_its_secret() {
    let key = given::<ApiKey>([issued(Some(after(9))).into()]).state();
    assert_eq!(key.check(&hash(1), after(8)), Ok(()));
    assert_eq!(key.check(&hash(1), after(9)), Err(ApiKeyRefusal::Expired));
    assert_eq!(key.check(&hash(2), after(9)), Err(ApiKeyRefusal::Unknown));
    let key = given::<ApiKey>([issued(None).into(), revoked()]).state();
    assert_eq!(key.check(&hash(1), START), Err(ApiKeyRefusal::Revoked));
    assert_eq!(key.check(&hash(2), START), Err(ApiKeyRefusal::Unknown));
}

#[test]
fn both_secrets_count_until_the_grace_time_ends() {
    key().when(rotate(2, HOUR)).then([rotated(2, START + HOUR)]);
    let key = key().and([rotated(2, START + HOUR)]).state();
    for now in [START, START + HOUR - Duration::from_micros(1)] {
        assert_eq!(key.check(&hash(1), now), Ok(()));
        assert_eq!(key.grace_until(now), Some(START + HOUR));
    }
    assert_eq!(key.check(&hash(1), START + HOUR), Err(ApiKeyRefusal::Replaced));
    assert_eq!(key.check(&hash(2), START + HOUR), Ok(()));
    assert_eq!(key.grace_until(START + HOUR), None);
}

#[test]
fn a_rotation_without_grace_ends_all_earlier_secrets() {
    let key = key().and([rotated(2, START + HOUR)]);
    let events = key.when(rotate(3, Duration::ZERO)).events();
    let history = [issued(None).into(), rotated(2, START + HOUR)];
    let key = given::<ApiKey>(history).and(events).state();
    for old in [1, 2] {
        assert_eq!(key.check(&hash(old), START), Err(ApiKeyRefusal::Replaced));
    }
    assert_eq!(key.check(&hash(3), START), Ok(()));
}

#[test]
fn a_later_rotation_never_lengthens_an_earlier_grace() {
    let key = key().and([rotated(2, START + HOUR), rotated(3, START + HOUR * 9)]).state();
    assert_eq!(key.check(&hash(1), START + HOUR), Err(ApiKeyRefusal::Replaced));
    assert_eq!(key.check(&hash(2), START + HOUR), Ok(()));
}

#[test]
fn grace_ends_on_request_once() {
    let end = |now| ApiKeyCommand::EndGrace { now };
    let ended = || ApiKeyEvent::from(ApiKeyGraceEnded { ended_at: after(5) });
    let rotated = || key().and([rotated(2, START + HOUR)]);
    rotated().when(end(after(5))).then([ended()]);
    rotated().and([ended()]).when(end(after(6))).then([]);
    key().when(end(START)).then([]);
    given::<ApiKey>([]).when(end(START)).rejected(ApiKeyRejection::NoSuchKey);
    let key = rotated().and([ended()]).state();
    assert_eq!(key.check(&hash(1), after(5)), Err(ApiKeyRefusal::Replaced));
    assert_eq!(key.check(&hash(2), after(5)), Ok(()));
}

#[test]
fn the_secrets_that_count_and_their_grace_are_bounded() {
    let rotations = (2..=8).map(|n| rotated(n, START + HOUR));
    key().and(rotations.clone()).when(rotate(9, HOUR)).rejected(ApiKeyRejection::TooManySecrets);
    key().and(rotations).when(rotate(9, Duration::ZERO)).then([rotated(9, START)]);
    let too_long = MAX_GRACE + Duration::from_secs(1);
    key().when(rotate(2, too_long)).rejected(ApiKeyRejection::GraceTooLong);
}

#[test]
fn a_key_that_is_over_gets_no_secret() {
    given::<ApiKey>([]).when(rotate(2, HOUR)).rejected(ApiKeyRejection::NoSuchKey);
    key().and([revoked()]).when(rotate(2, HOUR)).rejected(ApiKeyRejection::Revoked);
    let expired = given::<ApiKey>([issued(Some(START)).into()]);
    expired.when(rotate(2, HOUR)).rejected(ApiKeyRejection::Expired);
}

#[test]
fn a_key_is_revoked_once_also_when_it_has_expired() {
    key().when(revoke()).then([revoked()]);
    key().and([revoked()]).when(revoke()).then([]);
    given::<ApiKey>([issued(Some(START)).into()]).when(revoke()).then([revoked()]);
    given::<ApiKey>([]).when(revoke()).rejected(ApiKeyRejection::NoSuchKey);
}

#[test]
fn the_first_use_of_a_day_is_noted_and_days_never_go_back() {
    let note = |now| ApiKeyCommand::NoteUse { now };
    let (today, tomorrow) = ("2026-01-01", "2026-01-02");
    key().when(note(START)).then([used(today)]);
    key().and([used(today)]).when(note(START + HOUR * 23)).then([]);
    key().and([used(today)]).when(note(START + HOUR * 24)).then([used(tomorrow)]);
    // The clock of another node is behind.
    key().and([used(tomorrow)]).when(note(START)).then([]);
    key().and([revoked()]).when(note(START)).rejected(ApiKeyRejection::Revoked);
    given::<ApiKey>([]).when(note(START)).rejected(ApiKeyRejection::NoSuchKey);
}

#[test]
fn a_name_is_some_text_that_is_seen() {
    let name = |text: &str| ApiKeyName::parse(text).map(|name| name.as_str().to_owned());
    assert_eq!(name(" the\u{200b} shop\n ").unwrap(), "the shop");
    assert_eq!(name(&"é".repeat(64)).unwrap(), "é".repeat(64));
    for bad in ["", "  ", "\u{200b}\0", &"a".repeat(65)] {
        assert_eq!(name(bad), Err(InvalidApiKeyName), "{bad:?}");
    }
}
