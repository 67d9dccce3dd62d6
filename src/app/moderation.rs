//! What operators do about users and codes: end sessions, suspend, reinstate, disable and enable codes.
//!
//! Each is one append to the stream of the user, with the operator as its actor and their reason in it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{Position, ReferralCode, SessionId, StreamId, Timestamp, UserId};

use crate::app::App;
use crate::domain::name::Name;
use crate::domain::user::measure::{Act, Measure, Reason};
use crate::domain::user::{User, UserCommand, UserRejection, ended_sessions};
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::store::StoreError;

/// What an operator did about a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moderation {
    /// The user whom it is about.
    pub user_id: UserId,
    /// What was done.
    pub measure: MeasureKind,
    /// The code that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<ReferralCode>,
    /// Whether it changed anything: what was so already leaves no event.
    pub changed: bool,
    /// The sessions that it ended.
    pub sessions_ended: Vec<SessionId>,
    /// The position of its last event; 0 when nothing changed.
    pub position: Position,
}

/// The kinds of measures of operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeasureKind {
    /// Sessions of the user were ended.
    RevokeSessions,
    /// The user was suspended.
    Suspend,
    /// The user was reinstated.
    Reinstate,
    /// A code was disabled.
    DisableCode,
    /// A code was enabled again.
    EnableCode,
}

/// Why a measure was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ModerationError {
    /// There is no such user, or they are erased.
    #[error("there is no such user")]
    NoSuchUser,
    /// The user has no such session in use.
    #[error("the user has no such session in use")]
    NoSuchSession,
    /// The code belongs to no user.
    #[error("there is no such code")]
    NoSuchCode,
    /// The store did not answer; the same command may be tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a measure about a user, on behalf of the actor of the context.
pub async fn moderate(
    engine: &Engine,
    user_id: UserId,
    act: Act,
    reason: Reason,
    now: Timestamp,
    context: &Context,
) -> Result<Moderation, ModerationError> {
    let (measure, code) = match &act {
        Act::RevokeSessions { .. } => (MeasureKind::RevokeSessions, None),
        Act::Suspend => (MeasureKind::Suspend, None),
        Act::Reinstate => (MeasureKind::Reinstate, None),
        Act::BlockCode(code) => (MeasureKind::DisableCode, Some(code.clone())),
        Act::UnblockCode(code) => (MeasureKind::EnableCode, Some(code.clone())),
    };
    let stream = StreamId::User(user_id);
    let command = UserCommand::Measure(Measure { now, act, reason });
    let done = engine.handler.run::<User>(&stream, &command, context).await?;
    let code = code.map(|code| done.state.code(&code).map_or(code, |issued| issued.code.clone()));
    Ok(Moderation {
        user_id,
        measure,
        code,
        changed: !done.events.is_empty(),
        sessions_ended: ended_sessions(&done.events),
        position: done.position,
    })
}

/// Returns the user to whom a code belongs.
pub async fn code_owner(engine: &Engine, code: &ReferralCode) -> Result<UserId, ModerationError> {
    let name = engine.handler.load::<Name>(&StreamId::code(code)).await?.state;
    name.owner.ok_or(ModerationError::NoSuchCode)
}

impl App {
    /// Takes a measure about a user. Sessions that it ends are refused from here on.
    pub async fn moderate(
        &self,
        user_id: UserId,
        act: Act,
        reason: Reason,
        context: &Context,
    ) -> Result<Moderation, ModerationError> {
        let now = self.clock.now();
        let done = moderate(&self.engine, user_id, act, reason, now, context).await?;
        self.ended(&done.sessions_ended, done.position).await;
        Ok(done)
    }

    /// Refuses sessions that were ended from here on, also when the read models do not catch up in
    /// time.
    pub(crate) async fn ended(&self, sessions: &[SessionId], position: Position) {
        for session in sessions {
            self.sessions.mark_gone(*session);
        }
        self.progress.wait_for(position).await;
    }
}

impl From<HandleError<UserRejection>> for ModerationError {
    fn from(error: HandleError<UserRejection>) -> Self {
        match error {
            HandleError::Store(error) => Self::Store(error),
            HandleError::Rejected(UserRejection::NoSuchSession) => Self::NoSuchSession,
            HandleError::Rejected(UserRejection::NoSuchCode | UserRejection::CodeBlocked) => {
                Self::NoSuchCode
            }
            HandleError::Rejected(
                UserRejection::NotRegistered
                | UserRejection::Erased
                | UserRejection::Suspended
                | UserRejection::TooManyCodes { .. }
                | UserRejection::TooManyRotations { .. }
                | UserRejection::TooManyChanges { .. }
                | UserRejection::NoSuchChange
                | UserRejection::AddressLeft
                | UserRejection::ChangeOpen { .. }
                | UserRejection::Leaving
                | UserRejection::TooManyUpdates { .. }
                | UserRejection::TooManyHandles
                | UserRejection::NotAttributed(_),
            ) => Self::NoSuchUser,
        }
    }
}

/// Writes what was done in words.
impl fmt::Display for Moderation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user_id, sessions) = (self.user_id, self.sessions_ended.len());
        let code = self.code.as_ref().map_or("", |code| code.as_str());
        match (self.measure, self.changed) {
            (MeasureKind::RevokeSessions, true) => {
                write!(f, "User {user_id}: sessions ended: {sessions}.")
            }
            (MeasureKind::RevokeSessions, false) => {
                write!(f, "User {user_id} has no session in use.")
            }
            (MeasureKind::Suspend, true) => {
                write!(f, "User {user_id} is suspended; sessions ended: {sessions}.")
            }
            (MeasureKind::Suspend, false) => write!(f, "User {user_id} was suspended already."),
            (MeasureKind::Reinstate, true) => write!(f, "User {user_id} may log in again."),
            (MeasureKind::Reinstate, false) => write!(f, "User {user_id} is not suspended."),
            (MeasureKind::DisableCode, true) => {
                write!(f, "Code {code} of user {user_id} attributes nobody from now on.")
            }
            (MeasureKind::DisableCode, false) => {
                write!(f, "Code {code} of user {user_id} was disabled already.")
            }
            (MeasureKind::EnableCode, true) => {
                write!(f, "Code {code} of user {user_id} is in use again.")
            }
            (MeasureKind::EnableCode, false) => {
                write!(f, "Code {code} of user {user_id} was not disabled by an operator.")
            }
        }?;
        writeln!(f)
    }
}
