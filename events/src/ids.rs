//! Identifiers: newtypes that can only be made by parsing.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The error of a text that is not a valid identifier; it holds the name of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct InvalidId(pub &'static str);

/// Implements JSON as text, through `Display` and `FromStr`.
macro_rules! text_serde {
    ($name:ident, $schema:tt) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            /// Parses the hyphenated form of 36 characters, in any case, and no other form.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let uuid = Uuid::try_parse(text).map_err(|_| InvalidId(stringify!($name)))?;
                if text.len() == 36 { Ok(Self(uuid)) } else { Err(InvalidId(stringify!($name))) }
            }
        }

        text_serde!($name, { "type": "string", "format": "uuid" });
    )+};
}

uuid_id! {
    /// The id of an account.
    UserId,
    /// The id of a login request: 122 random bits, which grant the right to try codes.
    RequestId,
    /// The id of a session.
    SessionId,
    /// The id of a device that is known to one address.
    DeviceId,
    /// The id of a touch.
    TouchId,
    /// The id of an API key.
    ApiKeyId,
    /// The id of a stored event (`UUIDv7`).
    EventId,
    /// The id that all events caused by one request share.
    CorrelationId,
}

macro_rules! byte_id {
    ($($(#[$doc:meta])* $name:ident [$len:literal],)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Returns whether both are equal, in a time that does not depend on where they differ.
            #[must_use]
            pub fn same_as(&self, other: &Self) -> bool {
                let difference = self.0.iter().zip(other.0).fold(0, |all, (a, b)| all | (a ^ b));
                std::hint::black_box(difference) == 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let bytes = URL_SAFE_NO_PAD.decode(text).ok();
                bytes.and_then(|b| b.try_into().ok()).map(Self).ok_or(InvalidId(stringify!($name)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        text_serde!($name, { "type": "string", "contentEncoding": "base64url" });
    )+};
}

byte_id! {
    /// An HMAC-SHA-256 cut to 128 bits (RFC 2104, section 5: at least half of the hash).
    Mac[16],
    /// A SHA-256 hash.
    Hash[32],
}

/// The first 128 bits of the HMAC of a normalised e-mail address, which names it in the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailKey(pub [u8; 16]);

impl fmt::Display for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).simple().fmt(f)
    }
}

impl fmt::Debug for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailKey({self})")
    }
}

impl FromStr for EmailKey {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let uuid = Uuid::try_parse(text).map_err(|_| InvalidId("EmailKey"))?;
        if text.len() == 32 { Ok(Self(uuid.into_bytes())) } else { Err(InvalidId("EmailKey")) }
    }
}

text_serde!(EmailKey, { "type": "string", "pattern": "^[0-9a-f]{32}$" });

/// A referral code as issued or as received: 2 to 32 of `[A-Za-z0-9-]`, not starting with `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReferralCode(Box<str>);

impl ReferralCode {
    /// Returns the code in its own spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the code in lower case, the form in which codes are compared.
    #[must_use]
    pub fn folded(&self) -> Self {
        Self(self.0.to_ascii_lowercase().into())
    }
}

impl FromStr for ReferralCode {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let valid = (2..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !text.starts_with('-');
        if valid { Ok(Self(text.into())) } else { Err(InvalidId("referral code")) }
    }
}

impl fmt::Display for ReferralCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(ReferralCode, { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9-]{1,31}$" });

/// A creator's handle in lower case: 2 to 32 of `[a-z0-9_.-]`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle(Box<str>);

impl Handle {
    /// Returns the handle, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Handle {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let text = text.to_ascii_lowercase();
        let valid = (2..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            && text.as_bytes()[0].is_ascii_alphanumeric();
        if valid { Ok(Self(text.into())) } else { Err(InvalidId("handle")) }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(Handle, { "type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{1,31}$" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        assert_eq!(id.parse::<RequestId>().unwrap().to_string(), id);
        assert!("67e5504410b1426f9247bb680e5fe0c8".parse::<RequestId>().is_err());
        assert!(format!("{{{id}}}").parse::<RequestId>().is_err());
    }

    #[test]
    fn codes_and_handles_refuse_what_is_not_one() {
        for bad in ["", "a", "-ab", "a_b", "a b", "é1", &"x".repeat(33)] {
            assert!(bad.parse::<ReferralCode>().is_err(), "{bad:?}");
        }
        assert_eq!("AbC-1".parse::<ReferralCode>().unwrap().folded().as_str(), "abc-1");
        assert_eq!("Alice.B".parse::<Handle>().unwrap().as_str(), "alice.b");
        assert!("_x".parse::<Handle>().is_err());
    }
}
