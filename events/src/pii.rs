//! Personal data: in the clear in memory, sealed at rest, or erased.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::EmailAddress;

/// A personal value.
///
/// Only the sealed form can be written: serialising a clear value is an error, so that no path of
/// the program can put one into the log by mistake. `Debug` never shows the value.
#[derive(Clone, PartialEq, Eq)]
pub enum Pii<T> {
    /// The readable value, which exists in memory only.
    Clear(T),
    /// The value encrypted under the key of its subject.
    Sealed(Sealed),
    /// A value that is lost because the key of its subject was destroyed.
    Erased,
}

/// The ciphertext of one field, opaque to everything but the vault.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Box<[u8]>);

/// A type of personal value, which has bytes to seal.
pub trait Personal: Sized {
    /// Returns the bytes that are sealed.
    fn to_bytes(&self) -> Vec<u8>;
    /// Returns the value of the bytes; `None` when they are not of this type.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
    /// Returns the value for display to authorised readers: a text, or an object of texts.
    fn to_json(&self) -> Value;
}

/// One personal field of an event, whatever its type, as the vault visits it.
pub trait PiiSlot {
    /// Returns the bytes to seal, when the field is clear.
    fn clear_bytes(&self) -> Option<Vec<u8>>;
    /// Returns the value for display to authorised readers, when the field is clear.
    fn clear_json(&self) -> Option<Value>;
    /// Returns the ciphertext, when the field is sealed.
    fn sealed(&self) -> Option<&Sealed>;
    /// Replaces the field with ciphertext.
    fn set_sealed(&mut self, sealed: Sealed);
    /// Replaces the field with the opened bytes; bytes that are not of this type count as erased.
    fn set_clear(&mut self, bytes: &[u8]);
    /// Marks the field as erased.
    fn set_erased(&mut self);
}

impl<T> Pii<T> {
    /// Returns the value, when it is clear.
    pub fn clear(&self) -> Option<&T> {
        match self {
            Self::Clear(value) => Some(value),
            Self::Sealed(_) | Self::Erased => None,
        }
    }
}

impl<T: Personal> PiiSlot for Pii<T> {
    fn clear_bytes(&self) -> Option<Vec<u8>> {
        self.clear().map(T::to_bytes)
    }

    fn clear_json(&self) -> Option<Value> {
        self.clear().map(T::to_json)
    }

    fn sealed(&self) -> Option<&Sealed> {
        match self {
            Self::Sealed(sealed) => Some(sealed),
            Self::Clear(_) | Self::Erased => None,
        }
    }

    fn set_sealed(&mut self, sealed: Sealed) {
        *self = Self::Sealed(sealed);
    }

    fn set_clear(&mut self, bytes: &[u8]) {
        *self = T::from_bytes(bytes).map_or(Self::Erased, Self::Clear);
    }

    fn set_erased(&mut self) {
        *self = Self::Erased;
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear(_) => "Pii(clear)",
            Self::Sealed(_) => "Pii(sealed)",
            Self::Erased => "Pii(erased)",
        })
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl<T> Serialize for Pii<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sealed(sealed) => serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&sealed.0)),
            Self::Clear(_) => Err(serde::ser::Error::custom("a personal datum must be sealed")),
            Self::Erased => Err(serde::ser::Error::custom("an erased datum cannot be written")),
        }
    }
}

impl<'de, T> Deserialize<'de> for Pii<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(&*text).map_err(serde::de::Error::custom)?;
        Ok(Self::Sealed(Sealed(bytes.into())))
    }
}

#[cfg(feature = "schema")]
impl<T> schemars::JsonSchema for Pii<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pii".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "contentEncoding": "base64url",
            "description": "sealed under the key of the stream's subject"
        })
    }
}

/// The network client that sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The IP address, as trusted proxies report it.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, at most 512 bytes.
    #[serde(rename = "ua")]
    pub user_agent: Option<String>,
}

impl Personal for Client {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
    fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Personal for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
    fn to_json(&self) -> Value {
        Value::String(self.clone())
    }
}

impl Personal for EmailAddress {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().and_then(Self::stored)
    }
    fn to_json(&self) -> Value {
        Value::String(self.as_str().to_owned())
    }
}
