//! The only source of randomness, for keys, codes and ids.

use uuid::Uuid;
use whence_events::{CorrelationId, DeviceId, EventId, ReferralCode, RequestId, TouchId, UserId};

/// Returns a new primary referral code: 8 characters of Crockford base32, 40 random bits.
#[must_use]
pub fn new_referral_code() -> ReferralCode {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let random: [u8; 8] = random_bytes();
    let code: String = random.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect();
    code.parse().expect("base32 is a code")
}

/// Returns a number that is uniform over 0 to 999 999, for a one-time code.
#[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
pub(super) fn six_digit_number() -> u32 {
    rand::random_range(0..1_000_000)
}

/// Returns a new user id.
#[must_use]
pub fn new_user_id() -> UserId {
    UserId(new_uuid_v7())
}

/// Returns a UUID of 122 random bits.
#[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
pub(super) fn new_uuid_v4() -> Uuid {
    Uuid::new_v4()
}

/// Returns an id of a login that no client knows.
#[must_use]
pub fn new_request_id() -> RequestId {
    RequestId(new_uuid_v4())
}

/// Returns a new id of a device: 122 random bits.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
pub fn new_device_id() -> DeviceId {
    DeviceId(Uuid::new_v4())
}

/// Returns a new event id.
#[must_use]
pub fn new_event_id() -> EventId {
    EventId(new_uuid_v7())
}

/// Returns a new touch id.
#[must_use]
pub fn new_touch_id() -> TouchId {
    TouchId(new_uuid_v7())
}

/// Returns a new correlation id.
#[must_use]
pub fn new_correlation_id() -> CorrelationId {
    CorrelationId(new_uuid_v7())
}

/// Returns random bytes from a CSPRNG that is seeded, again and again, by the operating system.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}

/// Returns a new UUID of version 7, which begins with the time.
#[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
pub(super) fn new_uuid_v7() -> Uuid {
    Uuid::now_v7()
}
