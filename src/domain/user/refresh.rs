//! Refresh tokens: each is exchanged once for its successor, and once more when the answer was lost.
//!
//! The stream keeps the hash of the current token and of the one before it. A token that was of this
//! session and is neither, or is used after its grace, is in two hands: the session ends.

use std::time::Duration;

use whence_events::{Hash, SessionId, SessionKind, SessionOpened, Timestamp};

use super::UserRejection;

/// The time for which a token that was exchanged gives the same successor again.
pub const REFRESH_GRACE: Duration = Duration::from_secs(30);

/// The number of exchanges of one session within [`ROTATION_WINDOW`], so that no client fills the log.
pub const MAX_ROTATIONS: u16 = 600;

/// The window in which exchanges are counted.
pub const ROTATION_WINDOW: Duration = Duration::from_hours(1);

/// The command that exchanges a refresh token for its successor.
#[derive(Clone, Debug)]
pub struct RotateRefresh {
    /// The current time.
    pub now: Timestamp,
    /// The session that the token was issued for, as its MAC proves.
    pub session_id: SessionId,
    /// The hash of the token.
    pub presented: Hash,
    /// The hashes of the successors that the token can have, one for each key; the first is to be used.
    pub successors: Vec<Hash>,
}

/// What becomes of a token that was of the session.
pub(super) enum Exchange {
    /// It is exchanged for the token with this hash.
    For(Hash),
    /// It gives the current token again.
    Again,
    /// It is in two hands.
    Reused,
}

/// The refresh tokens of a session, as far as they matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefreshChain {
    current: Hash,
    /// The token before the current one, and when it was exchanged.
    previous: Option<(Hash, Timestamp)>,
    /// The beginning of the window in which exchanges are counted, and how many there were.
    counted: (Timestamp, u16),
}

impl RefreshChain {
    /// Returns the chain of a session that is opened; a session of a browser has none.
    pub(super) fn of(opened: &SessionOpened, at: Timestamp) -> Option<Self> {
        match opened.kind {
            SessionKind::Cookie => None,
            SessionKind::Bearer => {
                Some(Self { current: opened.token_hash, previous: None, counted: (at, 0) })
            }
        }
    }

    /// Returns the hash of the token that is to be used next.
    pub(super) fn current(&self) -> Hash {
        self.current
    }

    /// Takes note of an exchange.
    pub(super) fn rotated(&mut self, refresh_hash: Hash, at: Timestamp) {
        self.previous = Some((self.current, at));
        self.current = refresh_hash;
        let (since, count) = self.counted;
        self.counted = if at < since + ROTATION_WINDOW { (since, count + 1) } else { (at, 1) };
    }

    /// Decides what becomes of a token.
    pub(super) fn exchange(&self, command: &RotateRefresh) -> Result<Exchange, UserRejection> {
        let now = command.now;
        if self.current.same_as(&command.presented) {
            if let Some(until) = self.used_up_until(now) {
                return Err(UserRejection::TooManyRotations { until });
            }
            let next = command.successors.first().ok_or(UserRejection::NoSuchSession)?;
            return Ok(Exchange::For(*next));
        }
        match self.previous {
            Some((hash, at)) if hash.same_as(&command.presented) && now < at + REFRESH_GRACE => {
                // The key that made the successor may be gone: then nobody can give it again.
                let known = command.successors.iter().any(|hash| hash.same_as(&self.current));
                if known { Ok(Exchange::Again) } else { Err(UserRejection::NoSuchSession) }
            }
            _ => Ok(Exchange::Reused),
        }
    }

    /// Returns the time of the next exchange when those of the window are used up.
    fn used_up_until(&self, now: Timestamp) -> Option<Timestamp> {
        let (since, count) = self.counted;
        let until = since + ROTATION_WINDOW;
        (count >= MAX_ROTATIONS && now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use whence_events::{RefreshRotated, RevokeReason, SessionExtended, SessionRevoked, UserEvent};

    use super::*;
    use crate::spec::{Given, START, after, given, opened, registered, session};
    use crate::user::{SESSION_IDLE, SESSION_MAX, User, UserCommand};

    /// A session whose first token has the hash of zeros.
    fn bearer() -> Given<User> {
        given([registered(), opened(SessionKind::Bearer)])
    }

    fn rotate(now: Timestamp, presented: u8) -> UserCommand {
        UserCommand::RotateRefresh(RotateRefresh {
            now,
            session_id: session(1),
            presented: Hash([presented; 32]),
            // By the key that signs, and by an older one.
            successors: vec![Hash([presented + 1; 32]), Hash([presented + 101; 32])],
        })
    }

    fn rotated(to: u8, expires_at: Timestamp) -> UserEvent {
        RefreshRotated { session_id: session(1), refresh_hash: Hash([to; 32]), expires_at }.into()
    }

    fn reused() -> UserEvent {
        SessionRevoked { session_id: session(1), reason: RevokeReason::TokenReuse }.into()
    }

    #[test]
    fn a_token_is_exchanged_for_its_successor_which_extends_the_session() {
        bearer().when(rotate(after(900), 0)).then([rotated(1, after(900) + SESSION_IDLE)]);
        let late = START + SESSION_IDLE - Duration::from_secs(1);
        bearer().when(rotate(late, 0)).then([rotated(1, late + SESSION_IDLE)]);
        bearer().when(rotate(START + SESSION_IDLE, 0)).rejected(UserRejection::NoSuchSession);
    }

    #[test]
    fn an_exchange_extends_a_session_no_further_than_it_can_last() {
        let end = START + SESSION_MAX;
        let (before, second) = (end - Duration::from_hours(1), Duration::from_secs(1));
        let used = SessionExtended { session_id: session(1), expires_at: end };
        bearer().and([used.into()]).when(rotate(before, 0)).then([rotated(1, end)]);
        let used = || bearer().and([rotated(1, end)]);
        used().when(rotate(end - second, 1)).then([rotated(2, end)]);
        used().when(rotate(end, 1)).rejected(UserRejection::NoSuchSession);
    }

    #[test]
    fn a_lost_answer_is_given_again_within_the_grace_and_costs_the_session_after_it() {
        let once = |to| bearer().at(after(10)).and([rotated(to, after(10) + SESSION_IDLE)]);
        let last = after(40) - Duration::from_micros(1);
        once(1).when(rotate(last, 0)).then([]);
        once(101).when(rotate(last, 0)).then([]);
        once(1).when(rotate(after(40), 0)).then([reused()]);
        // Nobody can make the successor any more: the session goes on with those who have it.
        once(77).when(rotate(last, 0)).rejected(UserRejection::NoSuchSession);
        let state = once(1).state();
        let next = Some((Hash([1; 32]), after(10) + SESSION_IDLE));
        assert_eq!(state.refresh_token(session(1)), next);
    }

    #[test]
    fn an_older_token_costs_the_session_at_once() {
        let twice = || bearer().at(after(10)).and([rotated(1, after(20)), rotated(2, after(21))]);
        twice().when(rotate(after(12), 0)).then([reused()]);
        twice().when(rotate(after(12), 1)).then([]);
        twice().and([reused()]).when(rotate(after(12), 2)).rejected(UserRejection::NoSuchSession);
    }

    #[test]
    fn a_session_of_a_browser_has_no_refresh_token() {
        given::<User>([registered(), opened(SessionKind::Cookie)])
            .when(rotate(after(1), 0))
            .rejected(UserRejection::NoSuchSession);
    }

    #[test]
    fn exchanges_are_counted_by_the_hour() {
        let mut history = bearer().at(after(60));
        for n in 0..MAX_ROTATIONS {
            let to = u8::try_from(n % 100).unwrap();
            history = history.at(after(60)).and([rotated(to, after(60) + SESSION_IDLE)]);
        }
        let current = u8::try_from((MAX_ROTATIONS - 1) % 100).unwrap();
        let state = history.state();
        let until = after(1) + ROTATION_WINDOW;
        let decide = |now| crate::Decider::decide(&state, &rotate(now, current));
        assert_eq!(decide(after(3600)), Err(UserRejection::TooManyRotations { until }));
        assert_eq!(decide(until), Ok(vec![rotated(current + 1, until + SESSION_IDLE)]));
    }
}
