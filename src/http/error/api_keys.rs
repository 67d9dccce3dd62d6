//! Why a call with an API key, or a call about one, is refused.

use http::{HeaderValue, StatusCode};
use whence_events::ApiKeyScope;

use crate::infra::security::SecurityEvent;

/// The reason why a call with an API key, or a call about one, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiKeyProblem {
    /// The request carries no key, or several tokens.
    Missing,
    /// The token is no whole key.
    Malformed,
    /// There is no such key.
    Unknown,
    /// The grace time of this secret is over.
    Replaced,
    /// The key has expired.
    Expired,
    /// The key was revoked.
    Revoked,
    /// The key is not for this.
    Scope(ApiKeyScope),
    /// Back-ends: there is no such user.
    NoSuchUser,
    /// Operators: there is no key of this id.
    NotFound,
    /// Operators: a key that is over cannot be changed.
    Over,
    /// Operators: too many secrets of the key count already.
    TooManySecrets,
}

impl ApiKeyProblem {
    /// Returns the status, the code, and a sentence for developers.
    pub(super) fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Missing => (
                S::UNAUTHORIZED,
                "api_key_invalid",
                "Send one API key: Authorization: Bearer whk_...",
            ),
            Self::Malformed => (
                S::UNAUTHORIZED,
                "api_key_invalid",
                "This is no whole API key: it was cut, mistyped, or is another kind of token.",
            ),
            Self::Unknown => (S::UNAUTHORIZED, "api_key_invalid", "There is no such API key."),
            Self::Replaced => {
                (S::UNAUTHORIZED, "api_key_replaced", "A newer secret replaced this one. Use that.")
            }
            Self::Expired => (S::UNAUTHORIZED, "api_key_expired", "This API key has expired."),
            Self::Revoked => (S::UNAUTHORIZED, "api_key_revoked", "This API key was revoked."),
            Self::Scope(scope) => (S::FORBIDDEN, "api_key_scope", missing(scope)),
            Self::NoSuchUser => (S::NOT_FOUND, "not_found", "User not found"),
            Self::NotFound => (S::NOT_FOUND, "not_found", "There is no such API key."),
            Self::Over => (
                S::CONFLICT,
                "api_key_over",
                "This API key was revoked or has expired. Issue another one.",
            ),
            Self::TooManySecrets => (
                S::CONFLICT,
                "api_key_secrets",
                "Eight secrets of this API key count already. End the grace time of earlier ones.",
            ),
        }
    }

    /// Returns the code and the i18n key of the portal family.
    pub(super) fn portal(self) -> (&'static str, &'static str) {
        match self {
            Self::Missing | Self::Malformed | Self::Unknown => {
                ("AUTH_UNAUTHORIZED", "auth.api_key.invalid")
            }
            Self::Replaced => ("AUTH_UNAUTHORIZED", "auth.api_key.replaced"),
            Self::Expired => ("AUTH_UNAUTHORIZED", "auth.api_key.expired"),
            Self::Revoked => ("AUTH_UNAUTHORIZED", "auth.api_key.revoked"),
            Self::Scope(_) => ("AUTH_FORBIDDEN", "auth.api_key.scope"),
            Self::NoSuchUser => ("NOT_FOUND", "error.user.not_found"),
            Self::NotFound => ("NOT_FOUND", "error.not_found"),
            Self::Over | Self::TooManySecrets => ("CONFLICT", "error.conflict"),
        }
    }

    /// Returns the challenge of an answer (RFC 6750, section 3).
    pub(super) fn challenge(self) -> Option<HeaderValue> {
        let challenge = match self {
            Self::Missing => "Bearer".to_owned(),
            Self::Malformed | Self::Unknown | Self::Replaced | Self::Expired | Self::Revoked => {
                "Bearer error=\"invalid_token\"".to_owned()
            }
            Self::Scope(scope) => {
                format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"")
            }
            Self::NoSuchUser | Self::NotFound | Self::Over | Self::TooManySecrets => return None,
        };
        challenge.parse().ok()
    }

    /// Returns the security event that an answer with this problem is.
    pub(super) fn security_event(self) -> Option<SecurityEvent> {
        match self {
            Self::Missing | Self::Malformed | Self::Unknown => Some(SecurityEvent::ApiKeyInvalid),
            Self::Replaced => Some(SecurityEvent::ApiKeyReplaced),
            Self::Expired => Some(SecurityEvent::ApiKeyExpired),
            Self::Revoked => Some(SecurityEvent::ApiKeyEnded),
            Self::Scope(_) => Some(SecurityEvent::ApiKeyScope),
            Self::NoSuchUser | Self::NotFound | Self::Over | Self::TooManySecrets => None,
        }
    }
}

/// Returns the sentence about a scope that a key does not have.
fn missing(scope: ApiKeyScope) -> &'static str {
    match scope {
        ApiKeyScope::ReadUsers => "This API key is not for users:read.",
        ApiKeyScope::ReadAttribution => "This API key is not for attribution:read.",
        ApiKeyScope::ReadAnalytics => "This API key is not for analytics:read.",
        ApiKeyScope::WriteBilling => "This API key is not for billing:write.",
    }
}
