//! A session as the stream of its user knows it.

use whence_events::{
    Hash, RefreshRotated, RevokeReason, SessionExtended, SessionId, SessionRevoked, Timestamp,
    UserEvent,
};

use super::activity::{ActivityPeriod, SessionTimes};
use super::refresh::{Exchange, RefreshChain, RotateRefresh};
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
        let times = self.times();
        if !period.is_due(times, now) {
            return Ok(vec![]);
        }
        let expires_at = times.after_use(now);
        Ok(vec![SessionExtended { session_id: self.id, expires_at }.into()])
    }

    /// Decides an exchange of refresh tokens, which extends the session.
    pub(super) fn rotate(&self, command: &RotateRefresh) -> Result<Vec<UserEvent>, UserRejection> {
        let chain = self.refresh.as_ref().filter(|_| command.now < self.expires_at);
        match chain.ok_or(UserRejection::NoSuchSession)?.exchange(command)? {
            Exchange::For(refresh_hash) => {
                let (session_id, expires_at) = (self.id, self.times().after_use(command.now));
                Ok(vec![RefreshRotated { session_id, refresh_hash, expires_at }.into()])
            }
            Exchange::Again => Ok(vec![]),
            Exchange::Reused => Ok(vec![self.revoked(RevokeReason::TokenReuse)]),
        }
    }

    fn times(&self) -> SessionTimes {
        SessionTimes {
            used_at: self.used_at,
            expires_at: self.expires_at,
            absolute_expires_at: self.absolute_expires_at,
        }
    }
}

/// Returns the sessions that these events end.
#[must_use]
pub fn ended_sessions(events: &[UserEvent]) -> Vec<SessionId> {
    let ended = |event: &UserEvent| {
        let UserEvent::SessionRevoked(revoked) = event else { return None };
        Some(revoked.session_id)
    };
    events.iter().filter_map(ended).collect()
}

impl User {
    /// Returns the hash of the refresh token of a session that is to be used next, and when the session
    /// ends unless it is extended.
    #[must_use]
    pub fn refresh_token(&self, session_id: SessionId) -> Option<(Hash, Timestamp)> {
        let session = self.sessions.iter().find(|session| session.id == session_id)?;
        Some((session.refresh.as_ref()?.current(), session.expires_at))
    }

    /// Takes note of a use of a session, by an exchange of refresh tokens when there is a hash.
    pub(super) fn session_used(
        &mut self,
        id: SessionId,
        expires_at: Timestamp,
        refresh_hash: Option<Hash>,
        at: Timestamp,
    ) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) else {
            return;
        };
        session.expires_at = expires_at;
        session.used_at = at;
        if let (Some(chain), Some(hash)) = (&mut session.refresh, refresh_hash) {
            chain.rotated(hash, at);
        }
    }

    /// Returns the sessions that have neither ended nor expired.
    pub(super) fn live_sessions(&self, now: Timestamp) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(move |session| now < session.expires_at)
    }
}
