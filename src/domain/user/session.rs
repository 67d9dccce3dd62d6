//! A session as the stream of its user knows it.

use whence_events::{
    RevokeReason, SessionExtended, SessionId, SessionRevoked, Timestamp, UserEvent,
};

use super::activity::{ActivityPeriod, SessionTimes};
use super::refresh::RefreshChain;
use super::{User, UserRejection};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) expires_at: Timestamp,
    pub(super) absolute_expires_at: Timestamp,
    /// The time of the last use on record.
    pub(super) used_at: Timestamp,
    /// The refresh tokens of a session that bearers use.
    pub(super) refresh: Option<RefreshChain>,
}

impl Session {
    /// Returns the event that ends the session.
    pub(super) fn revoked(&self, reason: RevokeReason) -> UserEvent {
        SessionRevoked { session_id: self.id, reason }.into()
    }

    /// Decides whether a use of the session is recorded, which extends it.
    pub(super) fn used(
        &self,
        now: Timestamp,
        period: ActivityPeriod,
    ) -> Result<Vec<UserEvent>, UserRejection> {
        if now >= self.expires_at {
            return Err(UserRejection::NoSuchSession);
        }
        let times = SessionTimes {
            used_at: self.used_at,
            expires_at: self.expires_at,
            absolute_expires_at: self.absolute_expires_at,
        };
        if !period.is_due(times, now) {
            return Ok(vec![]);
        }
        let expires_at = times.after_use(now);
        Ok(vec![SessionExtended { session_id: self.id, expires_at }.into()])
    }
}

impl User {
    /// Returns the sessions that have neither ended nor expired.
    pub(super) fn live_sessions(&self, now: Timestamp) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(move |session| now < session.expires_at)
    }
}
