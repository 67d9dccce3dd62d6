//! The keys of back-ends as text: made, parsed and hashed here, and never written to a log.

use std::fmt;

use uuid::Uuid;
use whence_events::{ApiKeyId, Hash};

use crate::infra::hash::sha256;
use crate::infra::random::{new_uuid_v7, random_bytes};

/// What every key begins with, by which people and secret scanners know one.
pub const PREFIX: &str = "whk_";

/// The digits that ids, secrets and checksums are written in.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The digits of an id: 128 bits.
const ID_DIGITS: usize = 22;

/// The digits of a secret: 256 bits.
const SECRET_DIGITS: usize = 43;

/// The digits of a checksum: 32 bits.
const CHECKSUM_DIGITS: usize = 6;

/// An API key: its public id and a secret of 256 bits.
///
/// As text it is `whk_`, the id, the secret, and a checksum over all before it, in letters and digits
/// alone, so that a double click takes all of it. The checksum tells a key that was mistyped or cut
/// from one that is wrong, and a scanner a key from what looks like one.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyToken {
    /// The public id of the key.
    pub id: ApiKeyId,
    secret: [u8; SECRET_DIGITS],
}

/// The text is no whole API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a whole API key")]
pub struct InvalidApiKeyToken;

impl ApiKeyToken {
    /// Returns a key with a new id.
    #[must_use]
    pub fn generate() -> Self {
        Self::with_new_secret(ApiKeyId(new_uuid_v7()))
    }

    /// Returns a key of this id with a new secret.
    #[must_use]
    pub fn with_new_secret(id: ApiKeyId) -> Self {
        let mut secret = [0; SECRET_DIGITS];
        let mut missing = secret.iter_mut();
        'enough: loop {
            // The largest multiple of 62 in a byte: each digit is as likely as any other.
            for byte in random_bytes::<64>().into_iter().filter(|byte| *byte < 248) {
                let Some(digit) = missing.next() else { break 'enough };
                *digit = DIGITS[usize::from(byte % 62)];
            }
        }
        Self { id, secret }
    }

    /// Parses a key as [`ApiKeyToken::to_text`] writes it.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKeyToken> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidApiKeyToken)?.as_bytes();
        let is_whole = digits.len() == ID_DIGITS + SECRET_DIGITS + CHECKSUM_DIGITS;
        if !is_whole || !digits.iter().all(u8::is_ascii_alphanumeric) {
            return Err(InvalidApiKeyToken);
        }
        let (signed, sum) = text.split_at(text.len() - CHECKSUM_DIGITS);
        if checksum(signed) != sum {
            return Err(InvalidApiKeyToken);
        }
        let (id, secret) = digits[..ID_DIGITS + SECRET_DIGITS].split_at(ID_DIGITS);
        let id = number(id).ok_or(InvalidApiKeyToken)?;
        let secret = secret.try_into().map_err(|_| InvalidApiKeyToken)?;
        Ok(Self { id: ApiKeyId(Uuid::from_u128(id)), secret })
    }

    /// Returns the key with its secret as text, which is shown once.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = public_part(self.id);
        text.extend(self.secret.iter().copied().map(char::from));
        let sum = checksum(&text);
        text + &sum
    }

    /// Returns what is stored of the secret.
    #[must_use]
    pub fn hash(&self) -> Hash {
        sha256(&self.secret)
    }
}

impl fmt::Debug for ApiKeyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeyToken({}, ..)", self.id)
    }
}

/// Returns what every secret of a key begins with: by it a key that was found somewhere is looked up.
#[must_use]
pub fn public_part(id: ApiKeyId) -> String {
    format!("{PREFIX}{}", digits(id.0.as_u128(), ID_DIGITS))
}

/// Returns the checksum of a text: the first 32 bits of its SHA-256.
fn checksum(text: &str) -> String {
    let [a, b, c, d, ..] = sha256(text.as_bytes()).0;
    digits(u32::from_be_bytes([a, b, c, d]).into(), CHECKSUM_DIGITS)
}

/// Returns a number in so many digits.
fn digits(mut number: u128, length: usize) -> String {
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(number % 62).unwrap_or(0)];
        number /= 62;
    }
    String::from_utf8(digits).unwrap_or_default()
}

/// Returns the number of some digits, unless it is too large.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, digit| {
        let value = DIGITS.iter().position(|one| one == digit)?;
        number.checked_mul(62)?.checked_add(value.try_into().ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_round_trips_and_is_one_word() {
        for _ in 0..200 {
            let key = ApiKeyToken::generate();
            let text = key.to_text();
            assert_eq!(text.len(), 75);
            assert!(text.starts_with(&public_part(key.id)));
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{text}");
            assert_eq!(ApiKeyToken::parse(&text), Ok(key.clone()));
            let other = ApiKeyToken::with_new_secret(key.id);
            assert!(other.id == key.id && other.hash() != key.hash());
        }
    }

    #[test]
    fn a_text_that_is_mistyped_or_cut_is_no_key() {
        let text = ApiKeyToken::generate().to_text();
        for at in 0..text.len() {
            assert!(ApiKeyToken::parse(&text[..at]).is_err(), "cut at {at}");
            let other = if text.as_bytes()[at] == b'7' { "8" } else { "7" };
            let mistyped = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(ApiKeyToken::parse(&mistyped).is_err(), "mistyped at {at}");
        }
        let swapped = format!("{}_{}", &text[..3], &text[4..].to_uppercase());
        for bad in [&*format!("{text}0"), &format!(" {text}"), &swapped, "whk_", "", "é"] {
            assert!(ApiKeyToken::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_that_is_too_large_is_no_key() {
        let signed = format!("{PREFIX}{}{}", "z".repeat(ID_DIGITS), "0".repeat(SECRET_DIGITS));
        let text = format!("{signed}{}", checksum(&signed));
        assert_eq!(ApiKeyToken::parse(&text), Err(InvalidApiKeyToken));
    }

    #[test]
    fn every_digit_of_a_secret_comes_up() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            seen.extend(ApiKeyToken::generate().secret);
        }
        assert_eq!(seen.len(), 62);
    }
}
