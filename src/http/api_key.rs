//! Requests of back-ends: the API key that a request carries, and what it is for.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use whence_events::{Actor, ApiKeyId, ApiKeyScope};

use super::error::{ApiKeyProblem, Problem};
use super::extract::correlation_id;
use super::token::bearer_token;
use crate::app::App;
use crate::app::api_keys::{ApiKeyCheckError, ApiKeyError};
use crate::domain::api_key::{ApiKeyRefusal, ApiKeyRejection};
use crate::infra::tokens::api_key::ApiKeyToken;

/// A thing that keys can be for, as a type that a handler names.
pub(super) trait RequiredScope: Send + Sync {
    /// The scope that a key needs.
    const SCOPE: ApiKeyScope;
}

/// Stands for the scope `users:read`.
pub(super) struct ReadUsers;

/// Stands for the scope `attribution:read`.
pub(super) struct ReadAttribution;

/// Stands for the scope `analytics:read`.
pub(super) struct ReadAnalytics;

/// Stands for the scope `billing:write`.
pub(super) struct WriteBilling;

impl RequiredScope for ReadUsers {
    const SCOPE: ApiKeyScope = ApiKeyScope::ReadUsers;
}

impl RequiredScope for ReadAttribution {
    const SCOPE: ApiKeyScope = ApiKeyScope::ReadAttribution;
}

impl RequiredScope for ReadAnalytics {
    const SCOPE: ApiKeyScope = ApiKeyScope::ReadAnalytics;
}

impl RequiredScope for WriteBilling {
    const SCOPE: ApiKeyScope = ApiKeyScope::WriteBilling;
}

/// The API key of a request (`Authorization: Bearer whk_...`), which can be used and has the scope `S`.
pub(super) struct ScopedApiKey<S> {
    /// The id of the key.
    pub(super) id: ApiKeyId,
    scope: PhantomData<S>,
}

impl<S> ScopedApiKey<S> {
    /// Returns the back-end as the actor of events.
    pub(super) fn actor(&self) -> Actor {
        Actor::ApiKey(self.id)
    }
}

impl<S: RequiredScope> FromRequestParts<Arc<App>> for ScopedApiKey<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let now = app.clock.now();
        let token = token(&parts.headers)?;
        let key = app.api_keys.check(&app.engine, &token, now).await?;
        if !key.has(S::SCOPE) {
            return Err(Problem::ApiKey(ApiKeyProblem::Scope(S::SCOPE)));
        }
        app.api_key_usage.used(token.id, &key, now, correlation_id(parts));
        Ok(Self { id: token.id, scope: PhantomData })
    }
}

/// Returns the key that a request carries, which is the only token in it.
fn token(headers: &HeaderMap) -> Result<ApiKeyToken, Problem> {
    let is_one = headers.get_all(AUTHORIZATION).iter().count() == 1;
    let text = bearer_token(headers).filter(|_| is_one);
    let text = text.ok_or(Problem::ApiKey(ApiKeyProblem::Missing))?;
    ApiKeyToken::parse(text).map_err(|_| Problem::ApiKey(ApiKeyProblem::Malformed))
}

impl From<ApiKeyCheckError> for Problem {
    fn from(error: ApiKeyCheckError) -> Self {
        match error {
            ApiKeyCheckError::Refused(refusal) => refusal.into(),
            ApiKeyCheckError::Store(error) => error.into(),
        }
    }
}

impl From<ApiKeyRefusal> for Problem {
    fn from(refusal: ApiKeyRefusal) -> Self {
        Self::ApiKey(match refusal {
            ApiKeyRefusal::Unknown => ApiKeyProblem::Unknown,
            ApiKeyRefusal::Replaced => ApiKeyProblem::Replaced,
            ApiKeyRefusal::Expired => ApiKeyProblem::Expired,
            ApiKeyRefusal::Revoked => ApiKeyProblem::Revoked,
        })
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Rejected(rejection) => rejection.into(),
            ApiKeyError::Store(error) => error.into(),
            ApiKeyError::Query(error) => error.into(),
        }
    }
}

impl From<ApiKeyRejection> for Problem {
    fn from(rejection: ApiKeyRejection) -> Self {
        match rejection {
            ApiKeyRejection::NoSuchKey => Self::ApiKey(ApiKeyProblem::NotFound),
            ApiKeyRejection::Revoked | ApiKeyRejection::Expired => {
                Self::ApiKey(ApiKeyProblem::Over)
            }
            ApiKeyRejection::TooManySecrets => Self::ApiKey(ApiKeyProblem::TooManySecrets),
            ApiKeyRejection::ExpiresInPast => {
                Self::InvalidParameter("expires_at is a time that is to come (RFC 3339).")
            }
            ApiKeyRejection::NoScope => Self::InvalidParameter(
                "scopes is one or more of users:read, attribution:read, analytics:read, billing:write.",
            ),
            ApiKeyRejection::GraceTooLong => {
                Self::InvalidParameter("grace_seconds is 0 to 2592000, which is 30 days.")
            }
            // An id of 74 random bits that there is already.
            ApiKeyRejection::Exists => Self::Internal,
        }
    }
}
