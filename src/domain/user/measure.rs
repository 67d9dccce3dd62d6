//! What operators do about a user, each time with a reason that goes on record.

use whence_events::{
    Pii, ReferralCode, ReferralCodeBlocked, ReferralCodeUnblocked, RevokeReason, SessionId,
    SessionsRevoked, Timestamp, UserEvent, UserReinstated, UserSuspended,
};

use super::{User, UserRejection};

/// What an operator does about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The current time.
    pub now: Timestamp,
    /// What is done.
    pub act: Act,
    /// The reason for it.
    pub reason: Reason,
}

/// The acts of operators about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Ends one session of the user, or all.
    RevokeSessions {
        /// The session to end; all when there is none.
        only: Option<SessionId>,
    },
    /// Ends all sessions, and refuses logins and credits from now on.
    Suspend,
    /// Ends a suspension.
    Reinstate,
    /// Disables a code of the user.
    BlockCode(ReferralCode),
    /// Enables a code of the user that an operator disabled.
    UnblockCode(ReferralCode),
}

/// The reason that an operator gives: some text without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// The text is not a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is 1 to 500 characters without control characters")]
pub struct InvalidReason;

impl Reason {
    /// The length of a reason at most, in characters.
    pub const MAX_CHARS: usize = 500;

    /// Parses a reason, with white space around it removed.
    pub fn parse(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= Self::MAX_CHARS;
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidReason)
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn sealable(&self) -> Pii<String> {
        Pii::Clear(self.0.clone())
    }
}

impl User {
    /// Decides a measure. One that changes nothing leaves no event.
    pub(super) fn take_measure(&self, measure: &Measure) -> Result<Vec<UserEvent>, UserRejection> {
        let reason = measure.reason.sealable();
        match &measure.act {
            Act::RevokeSessions { only } => self.revoke_sessions(*only, reason, measure.now),
            Act::Suspend if self.suspended_at.is_some() => Ok(vec![]),
            Act::Suspend => {
                let mut events = vec![UserSuspended { reason }.into()];
                events.extend(
                    self.live_sessions(measure.now).map(|s| s.revoked(RevokeReason::Admin)),
                );
                Ok(events)
            }
            Act::Reinstate if self.suspended_at.is_none() => Ok(vec![]),
            Act::Reinstate => Ok(vec![UserReinstated { reason }.into()]),
            Act::BlockCode(code) => {
                let code = self.issued_code(code)?;
                let blocked = self.is_blocked(&code);
                Ok(if blocked { vec![] } else { vec![ReferralCodeBlocked { code, reason }.into()] })
            }
            Act::UnblockCode(code) => {
                let code = self.issued_code(code)?;
                let blocked = self.is_blocked(&code);
                Ok(if blocked {
                    vec![ReferralCodeUnblocked { code, reason }.into()]
                } else {
                    vec![]
                })
            }
        }
    }

    fn revoke_sessions(
        &self,
        only: Option<SessionId>,
        reason: Pii<String>,
        now: Timestamp,
    ) -> Result<Vec<UserEvent>, UserRejection> {
        let wanted = self.live_sessions(now).filter(|s| only.is_none_or(|id| s.id == id));
        let ended: Vec<_> = wanted.map(|session| session.revoked(RevokeReason::Admin)).collect();
        match (ended.len() as u64, only) {
            (0, Some(_)) => Err(UserRejection::NoSuchSession),
            (0, None) => Ok(vec![]),
            (count, _) => {
                let mut events = vec![SessionsRevoked { count, reason }.into()];
                events.extend(ended);
                Ok(events)
            }
        }
    }

    fn issued_code(&self, code: &ReferralCode) -> Result<ReferralCode, UserRejection> {
        self.code(code).map(|issued| issued.code.clone()).ok_or(UserRejection::NoSuchCode)
    }
}

#[cfg(test)]
mod tests {
    use whence_events::{
        Client, CodeKind, EmailAddress, EmailKey, Hash, Provider, ReferralCodeIssued, SessionKind,
        SessionOpened, SessionRevoked, UserRegistered,
    };

    use super::*;
    use crate::spec::{START, after, given, session};
    use crate::user::UserCommand;

    fn user() -> Vec<UserEvent> {
        let registered = UserRegistered {
            email: Pii::Clear(EmailAddress::parse("ada@example.com").unwrap()),
            email_key: EmailKey([1; 16]),
            display_name: None,
            provider: Provider::Email,
        };
        let opened = |n: u8, expires_at| SessionOpened {
            session_id: session(n),
            token_hash: Hash([n; 32]),
            kind: SessionKind::Cookie,
            expires_at,
            absolute_expires_at: expires_at,
            device: Pii::Clear(Client::default()),
            device_class: None,
            country: None,
        };
        let issued = ReferralCodeIssued { code: code(), kind: CodeKind::Custom };
        // The first session is over when the others are opened, and the last one when it is looked at.
        vec![
            registered.into(),
            opened(1, START).into(),
            opened(2, after(9000)).into(),
            opened(3, after(9000)).into(),
            opened(4, after(100)).into(),
            issued.into(),
        ]
    }

    fn code() -> ReferralCode {
        "ada-1".parse().unwrap()
    }

    fn take(act: Act) -> UserCommand {
        let reason = Reason::parse("a stolen laptop").unwrap();
        UserCommand::Measure(Measure { now: after(1000), act, reason })
    }

    fn reason() -> Pii<String> {
        Pii::Clear("a stolen laptop".to_owned())
    }

    fn ended(n: u8) -> UserEvent {
        SessionRevoked { session_id: session(n), reason: RevokeReason::Admin }.into()
    }

    #[test]
    fn a_reason_is_bounded_plain_text() {
        assert_eq!(Reason::parse("  too many bots ").unwrap().as_str(), "too many bots");
        for wrong in ["", "  ", "a\nb", "\u{1b}[2J", &"x".repeat(501)] {
            assert_eq!(Reason::parse(wrong), Err(InvalidReason), "{wrong:?}");
        }
        assert!(Reason::parse(&"ü".repeat(500)).is_ok());
    }

    #[test]
    fn operators_end_one_session_or_all_that_are_in_use() {
        let all = take(Act::RevokeSessions { only: None });
        let noted = |count| UserEvent::from(SessionsRevoked { count, reason: reason() });
        given::<User>(user()).when(all.clone()).then([noted(2), ended(2), ended(3)]);
        given::<User>(user()).and([ended(2), ended(3)]).when(all).then([]);
        let one = |n| take(Act::RevokeSessions { only: Some(session(n)) });
        given::<User>(user()).when(one(3)).then([noted(1), ended(3)]);
        for n in [1, 4, 5] {
            given::<User>(user()).when(one(n)).rejected(UserRejection::NoSuchSession);
        }
    }

    #[test]
    fn a_suspension_ends_sessions_and_credits_until_it_ends_itself() {
        let suspended = || UserEvent::from(UserSuspended { reason: reason() });
        let reinstated = || UserEvent::from(UserReinstated { reason: reason() });
        given::<User>(user()).when(take(Act::Suspend)).then([suspended(), ended(2), ended(3)]);
        given::<User>(user()).when(take(Act::Reinstate)).then([]);
        let history = || given::<User>(user()).and([suspended()]);
        history().when(take(Act::Suspend)).then([]);
        history().when(take(Act::Reinstate)).then([reinstated()]);
        assert!(!history().state().is_active());
        assert!(history().and([reinstated()]).state().is_active());
    }

    #[test]
    fn a_code_that_an_operator_disabled_is_not_the_owners_to_enable() {
        let block = || take(Act::BlockCode("ADA-1".parse().unwrap()));
        let unblock = || take(Act::UnblockCode(code()));
        let blocked = || UserEvent::from(ReferralCodeBlocked { code: code(), reason: reason() });
        let unblocked =
            || UserEvent::from(ReferralCodeUnblocked { code: code(), reason: reason() });
        given::<User>(user()).when(block()).then([blocked()]);
        given::<User>(user()).when(unblock()).then([]);
        let history = || given::<User>(user()).and([blocked()]);
        history().when(block()).then([]);
        history().when(unblock()).then([unblocked()]);
        let again = || UserCommand::IssueReferralCode {
            now: after(1000),
            code: "Ada-1".parse().unwrap(),
            kind: CodeKind::Custom,
        };
        history().when(again()).rejected(UserRejection::CodeBlocked);
        assert_eq!(history().state().current_code(CodeKind::Custom), None);
        let state = history().and([unblocked()]).state();
        assert_eq!(state.current_code(CodeKind::Custom).map(|code| &code.code), Some(&code()));
        let unknown = take(Act::BlockCode("nobodys".parse().unwrap()));
        given::<User>(user()).when(unknown).rejected(UserRejection::NoSuchCode);
    }
}
