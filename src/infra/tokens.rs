//! One-time codes and the tokens of sessions: made, parsed and hashed here, and never written to a log.

pub mod api_key;
mod refresh;

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use whence_events::{EmailKey, Hash, Mac, RequestId, SessionId, Timestamp, UserId, six_digits};
use zeroize::Zeroizing;

use crate::infra::hash::{mac, sha256};
use crate::infra::keys::Keys;
use crate::infra::random::{new_uuid_v4, new_uuid_v7, random_bytes, six_digit_number};
pub use refresh::RefreshToken;

/// A one-time code of 6 digits.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode([u8; 6]);

impl OneTimeCode {
    /// Returns a new code, uniform over 000000 to 999999.
    #[must_use]
    pub fn generate() -> Self {
        let number = six_digit_number();
        six_digits(&format!("{number:06}")).map(Self).expect("six digits")
    }

    /// Returns the code of six ASCII digits, as [`whence_events::six_digits`] finds them in what people
    /// paste.
    #[must_use]
    pub fn from_digits(digits: [u8; 6]) -> Self {
        Self(digits)
    }

    /// Returns the six digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// Returns what the log keeps of this code: a MAC over it and the request that it belongs to.
    #[must_use]
    pub fn mac(&self, request: RequestId, keys: &Keys) -> Mac {
        mac(&keys.code.get(), &[request.0.as_bytes(), self.as_str().as_bytes()])
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(..)")
    }
}

/// The token of a login under way: whoever has it may try codes. The log and the read models know the
/// login by an id that is made of its hash, and that opens nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoginToken(Uuid);

impl LoginToken {
    /// Returns a token of a new login, of 122 random bits.
    #[must_use]
    pub fn generate() -> Self {
        Self(new_uuid_v4())
    }

    /// Parses a UUID, as [`LoginToken::to_text`] writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// Returns the token as text, for the response to the client only.
    #[must_use]
    pub fn to_text(self) -> String {
        self.0.to_string()
    }

    /// Returns the id of the login: the first 122 bits of the token's SHA-256, as a UUID of version 8.
    #[must_use]
    pub fn request_id(self) -> RequestId {
        let mut half = [0; 16];
        half.copy_from_slice(&sha256(self.0.as_bytes()).0[..16]);
        RequestId(uuid::Builder::from_custom_bytes(half).into_uuid())
    }
}

impl fmt::Debug for LoginToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginToken(..)")
    }
}

/// The token of an objection to a change of address, which the previous address is mailed. It is made
/// of the change and a key, so that the mail can be sent again; the log keeps its hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ObjectionToken {
    /// The user whose address was changed.
    pub user_id: UserId,
    secret: Mac,
}

impl ObjectionToken {
    /// Returns the token of a change from the address with this key, to which there can be an objection
    /// until then.
    #[must_use]
    pub fn of(user_id: UserId, previous_key: EmailKey, until: Timestamp, keys: &Keys) -> Self {
        let until = until.as_micros().to_be_bytes();
        let parts = [&b"objection"[..], user_id.0.as_bytes(), &previous_key.0, &until];
        Self { user_id, secret: mac(&keys.code.get(), &parts) }
    }

    /// Parses 43 characters of base64url, as [`ObjectionToken::to_text`] writes them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 43 || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? != 32 {
            return None;
        }
        let (user_id, secret) = bytes.split_at(16);
        let user_id = UserId(Uuid::from_slice(user_id).ok()?);
        Some(Self { user_id, secret: Mac(secret.try_into().ok()?) })
    }

    /// Returns the token as text, for a mail to the previous address only.
    #[must_use]
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode([*self.user_id.0.as_bytes(), self.secret.0].concat())
    }

    /// Returns what the log keeps of it.
    #[must_use]
    pub fn hash(self) -> Hash {
        sha256(&self.secret.0)
    }
}

impl fmt::Debug for ObjectionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectionToken(..)")
    }
}

/// A session's token: its public id and a secret of 256 bits.
///
/// The id finds the session, the secret proves it: the log and the read models keep only the SHA-256 of
/// the secret, and the look-up by id leaks nothing about the secret by its timing.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// The public id of the session.
    pub id: SessionId,
    secret: [u8; 32],
}

impl SessionToken {
    /// Returns a token of a new session.
    #[must_use]
    pub fn generate() -> Self {
        Self { id: SessionId(new_uuid_v7()), secret: random_bytes() }
    }

    /// Parses 64 characters of base64url, as [`SessionToken::to_text`] writes them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 48];
        if text.len() != 64 || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? != 48 {
            return None;
        }
        let (id, secret) = bytes.split_at(16);
        let id = SessionId(Uuid::from_slice(id).ok()?);
        Some(Self { id, secret: secret.try_into().ok()? })
    }

    /// Returns the token with its secret as text, for a `Set-Cookie` line only.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.to_bytes())
    }

    /// Returns what is stored of the secret.
    #[must_use]
    pub fn hash(&self) -> Hash {
        sha256(&self.secret)
    }

    /// Returns the CSRF token of this session. It can be checked even for a session that is gone.
    #[must_use]
    pub fn csrf_token(&self, keys: &Keys) -> CsrfToken {
        let bytes = Zeroizing::new(self.to_bytes());
        let token = |key| URL_SAFE_NO_PAD.encode(hmac::sign(key, &bytes[..]));
        CsrfToken(keys.csrf.get().read().map(|one| token(&one.key)).collect())
    }

    fn to_bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(self.id.0.as_bytes());
        bytes[16..].copy_from_slice(&self.secret);
        bytes
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionToken({}, ..)", self.id)
    }
}

/// The double-submit token of a session (OWASP: signed, bound to the session).
pub struct CsrfToken(
    /// The current one first, then those of older keys that still count.
    Vec<String>,
);

impl CsrfToken {
    /// Returns the token as text, for the cookie that scripts can read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Returns whether `text` is this token, or was before its key was rotated, in constant time for
    /// each key.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let same = |token: &String| {
            aws_lc_rs::constant_time::verify_slices_are_equal(token.as_bytes(), text.as_bytes())
                .is_ok()
        };
        self.0.iter().any(same)
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::keys::MasterKey;

    #[test]
    fn codes_are_spread_over_their_whole_range() {
        let first: std::collections::BTreeSet<u8> =
            (0..500).map(|_| OneTimeCode::generate().as_str().as_bytes()[0]).collect();
        assert_eq!(first.len(), 10, "every first digit comes up");
    }

    #[test]
    fn a_token_round_trips_and_nothing_else_is_one() {
        let token = SessionToken::generate();
        let text = token.to_text();
        assert_eq!(SessionToken::parse(&text), Some(token));
        for bad in ["", "abc", &text[1..], &format!("{text}A"), &text.replace(&text[..1], "=")] {
            assert!(SessionToken::parse(bad).is_none());
        }
    }

    #[test]
    fn a_csrf_token_belongs_to_one_session() {
        let keys = Keys::derive(&MasterKey::generate());
        let (mine, yours) = (SessionToken::generate(), SessionToken::generate());
        assert!(mine.csrf_token(&keys).matches(mine.csrf_token(&keys).as_str()));
        assert!(!mine.csrf_token(&keys).matches(yours.csrf_token(&keys).as_str()));
    }
}
