//! A key of a back-end: what it may do, which of its secrets count, and the days on which it was used.

mod command;
#[cfg(test)]
mod tests;

use std::time::Duration;

use whence_events::{
    ApiKeyEvent, ApiKeyGraceEnded, ApiKeyIssued, ApiKeyRevoked, ApiKeyRotated, ApiKeyScope,
    ApiKeyUsed, Event, Hash, Timestamp,
};

use super::{Decider, EventContext};
pub use command::{ApiKeyCommand, ApiKeyName, InvalidApiKeyName};

/// The secrets of a key that count at the same time: the newest, and earlier ones in their grace time.
const MAX_SECRETS: usize = 8;

/// The longest time for which an earlier secret counts after a rotation.
pub const MAX_GRACE: Duration = Duration::from_hours(24 * 30);

/// The time for which an earlier secret counts after a rotation that names none.
pub const DEFAULT_GRACE: Duration = Duration::from_hours(24);

/// The state of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKey {
    /// What the key may be used for; empty when it was never issued.
    scopes: Vec<ApiKeyScope>,
    /// The secrets, the newest last.
    secrets: Vec<Secret>,
    expires_at: Option<Timestamp>,
    is_revoked: bool,
    /// The last day on which it was used, as far as that is on record.
    last_used: Option<String>,
}

/// A secret of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Secret {
    hash: Hash,
    /// The time from which it no longer counts; none for the newest one.
    until: Option<Timestamp>,
}

/// Why a secret does not open a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRefusal {
    /// The key was never issued, or the secret is not one of its own.
    #[error("there is no such key")]
    Unknown,
    /// A newer secret replaced this one, and its grace time is over.
    #[error("a newer secret replaced this one")]
    Replaced,
    /// The key has expired.
    #[error("the key has expired")]
    Expired,
    /// An operator revoked the key.
    #[error("the key was revoked")]
    Revoked,
}

/// Why a command on a key did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRejection {
    /// There is no such key.
    #[error("there is no such key")]
    NoSuchKey,
    /// Another key has this id.
    #[error("there is a key of this id")]
    Exists,
    /// The key was revoked, which is for good.
    #[error("the key was revoked")]
    Revoked,
    /// The key has expired.
    #[error("the key has expired")]
    Expired,
    /// The key would have expired already.
    #[error("a key expires after now")]
    ExpiresInPast,
    /// A key has to be for something.
    #[error("a key has at least one scope")]
    NoScope,
    /// The grace time is longer than [`MAX_GRACE`].
    #[error("a grace time is 30 days at most")]
    GraceTooLong,
    /// As many secrets count already as can at the same time.
    #[error("8 secrets of this key count already: end the grace time of the earlier ones")]
    TooManySecrets,
}

impl ApiKey {
    /// Returns whether the key may be used for something.
    #[must_use]
    pub fn has(&self, scope: ApiKeyScope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Returns what the key may be used for.
    #[must_use]
    pub fn scopes(&self) -> &[ApiKeyScope] {
        &self.scopes
    }

    /// Returns the time from which the key is no longer valid.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Returns the time from which no earlier secret counts; `None` when none counts now.
    #[must_use]
    pub fn grace_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.secrets.iter().filter_map(|secret| secret.until).filter(|until| now < *until).max()
    }

    /// Returns whether a use at this time is the first of a day.
    #[must_use]
    pub fn is_first_use(&self, now: Timestamp) -> bool {
        self.last_used.as_deref().is_none_or(|last| last < &*day_of(now))
    }

    /// Returns why a secret does not open the key. It takes the same time wherever a wrong secret differs
    /// from a right one; that a key expired is said only to those who have its secret.
    pub fn check(&self, secret: &Hash, now: Timestamp) -> Result<(), ApiKeyRefusal> {
        let mut found = None;
        for one in &self.secrets {
            if one.hash.same_as(secret) {
                found = Some(one);
            }
        }
        let found = found.ok_or(ApiKeyRefusal::Unknown)?;
        if self.is_revoked {
            Err(ApiKeyRefusal::Revoked)
        } else if self.is_expired(now) {
            Err(ApiKeyRefusal::Expired)
        } else if found.until.is_some_and(|until| until <= now) {
            Err(ApiKeyRefusal::Replaced)
        } else {
            Ok(())
        }
    }

    fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Returns whether the key can still be changed.
    fn usable(&self, now: Timestamp) -> Result<(), ApiKeyRejection> {
        if self.secrets.is_empty() {
            Err(ApiKeyRejection::NoSuchKey)
        } else if self.is_revoked {
            Err(ApiKeyRejection::Revoked)
        } else if self.is_expired(now) {
            Err(ApiKeyRejection::Expired)
        } else {
            Ok(())
        }
    }

    fn issue(
        &self,
        issued: &ApiKeyIssued,
        now: Timestamp,
    ) -> Result<Vec<ApiKeyEvent>, ApiKeyRejection> {
        if !self.secrets.is_empty() {
            return Err(ApiKeyRejection::Exists);
        }
        if issued.scopes.is_empty() {
            return Err(ApiKeyRejection::NoScope);
        }
        if issued.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(ApiKeyRejection::ExpiresInPast);
        }
        Ok(vec![issued.clone().into()])
    }

    fn rotate(
        &self,
        secret_hash: Hash,
        grace: Duration,
        now: Timestamp,
    ) -> Result<Vec<ApiKeyEvent>, ApiKeyRejection> {
        self.usable(now)?;
        if grace > MAX_GRACE {
            return Err(ApiKeyRejection::GraceTooLong);
        }
        let counts = |secret: &&Secret| secret.until.is_none_or(|until| now < until);
        if !grace.is_zero() && self.secrets.iter().filter(counts).count() >= MAX_SECRETS {
            return Err(ApiKeyRejection::TooManySecrets);
        }
        Ok(vec![ApiKeyRotated { secret_hash, previous_until: now + grace }.into()])
    }

    fn end_grace(&self, now: Timestamp) -> Result<Vec<ApiKeyEvent>, ApiKeyRejection> {
        if self.secrets.is_empty() {
            return Err(ApiKeyRejection::NoSuchKey);
        }
        let is_over = self.is_revoked || self.grace_until(now).is_none();
        Ok(if is_over { vec![] } else { vec![ApiKeyGraceEnded { ended_at: now }.into()] })
    }

    fn revoke(&self, reason: &str) -> Result<Vec<ApiKeyEvent>, ApiKeyRejection> {
        if self.secrets.is_empty() {
            return Err(ApiKeyRejection::NoSuchKey);
        }
        let reason = reason.to_owned();
        Ok(if self.is_revoked { vec![] } else { vec![ApiKeyRevoked { reason }.into()] })
    }

    /// Lets no earlier secret count from a time on.
    fn ends_earlier_secrets(&mut self, at: Timestamp) {
        for secret in &mut self.secrets {
            secret.until = secret.until.map(|until| until.min(at));
        }
    }
}

/// Returns the day of a time in UTC, as in `2026-11-28`.
fn day_of(at: Timestamp) -> String {
    let mut day = at.to_string();
    day.truncate(10);
    day
}

impl Decider for ApiKey {
    type Command = ApiKeyCommand;
    type Event = ApiKeyEvent;
    type Rejection = ApiKeyRejection;

    fn event(event: &Event) -> Option<&ApiKeyEvent> {
        if let Event::ApiKey(event) = event { Some(event) } else { None }
    }

    fn evolve(mut self, event: &ApiKeyEvent, _: EventContext) -> Self {
        match event {
            ApiKeyEvent::ApiKeyIssued(issued) => {
                self.scopes.clone_from(&issued.scopes);
                self.secrets.push(Secret { hash: issued.secret_hash, until: None });
                self.expires_at = issued.expires_at;
            }
            ApiKeyEvent::ApiKeyRotated(rotated) => {
                if let Some(newest) = self.secrets.last_mut() {
                    newest.until = Some(rotated.previous_until);
                }
                self.ends_earlier_secrets(rotated.previous_until);
                self.secrets.push(Secret { hash: rotated.secret_hash, until: None });
            }
            ApiKeyEvent::ApiKeyGraceEnded(ended) => self.ends_earlier_secrets(ended.ended_at),
            ApiKeyEvent::ApiKeyRevoked(_) => self.is_revoked = true,
            ApiKeyEvent::ApiKeyUsed(used) => self.last_used = Some(used.day.clone()),
        }
        self
    }

    fn decide(&self, command: &ApiKeyCommand) -> Result<Vec<ApiKeyEvent>, ApiKeyRejection> {
        match command {
            ApiKeyCommand::Issue { now, issued } => self.issue(issued, *now),
            ApiKeyCommand::Rotate { now, secret_hash, grace } => {
                self.rotate(*secret_hash, *grace, *now)
            }
            ApiKeyCommand::EndGrace { now } => self.end_grace(*now),
            ApiKeyCommand::Revoke { reason } => self.revoke(reason.as_str()),
            ApiKeyCommand::NoteUse { now } => {
                self.usable(*now)?;
                let day = day_of(*now);
                let is_first = self.is_first_use(*now);
                Ok(if is_first { vec![ApiKeyUsed { day }.into()] } else { vec![] })
            }
        }
    }
}
