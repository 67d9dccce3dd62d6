//! The events of a key of the platform's back-ends: stream `api-key-{api_key_id}`.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{ApiKeyScope, Hash, Timestamp};

stream_family! {
    /// The events of an API key.
    ApiKeyEvent {
        ApiKeyIssued = "ApiKeyIssued.v1" [],
        ApiKeyRotated = "ApiKeyRotated.v1" [],
        ApiKeyGraceEnded = "ApiKeyGraceEnded.v1" [],
        ApiKeyRevoked = "ApiKeyRevoked.v1" [],
        ApiKeyUsed = "ApiKeyUsed.v1" [],
    }
}

/// An operator issued the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKeyIssued {
    /// The name that operators know the key by.
    pub name: String,
    /// What the key may be used for.
    pub scopes: Vec<ApiKeyScope>,
    /// The SHA-256 of the secret.
    pub secret_hash: Hash,
    /// The time from which the key is no longer valid; `null`: it does not expire.
    pub expires_at: Option<Timestamp>,
}

/// An operator gave the key another secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKeyRotated {
    /// The SHA-256 of the new secret.
    pub secret_hash: Hash,
    /// The time from which the secret until now is no longer valid.
    pub previous_until: Timestamp,
}

/// An operator ended the grace time of all earlier secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKeyGraceEnded {
    /// The time from which no earlier secret is valid.
    pub ended_at: Timestamp,
}

/// An operator revoked the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKeyRevoked {
    /// The reason, in the operator's words.
    pub reason: String,
}

/// The key was used; recorded at most once a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKeyUsed {
    /// The day in UTC, such as `2026-11-28`.
    pub day: String,
}
