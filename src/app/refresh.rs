//! Exchanges refresh tokens: the stream of the user decides, on whatever node.

use std::sync::Arc;

use whence_events::{SessionId, StreamId, Timestamp, UserEvent};

use crate::app::App;
use crate::app::sessions::{Session, SessionError};
use crate::domain::user::refresh::RotateRefresh;
use crate::domain::user::{User, UserCommand, UserRejection};
use crate::engine::handler::{Context, HandleError};
use crate::infra::tokens::RefreshToken;
use crate::store::StoreError;

/// A session whose refresh token was exchanged.
pub(crate) struct Refreshed {
    /// The session.
    pub(crate) session: Arc<Session>,
    /// The token to use next.
    pub(crate) token: RefreshToken,
    /// When the session ends, unless it is extended.
    pub(crate) expires_at: Timestamp,
}

/// Why a refresh token was not exchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    /// The session of the token is over.
    #[error("the session of the token is over")]
    Invalid,
    /// The token had been exchanged before. The session is over now.
    #[error("the token had been exchanged before")]
    Reused,
    /// The tokens of the session were exchanged too often lately.
    #[error("exchanged too often; the next time at {until}")]
    TooOften {
        /// When the token may be exchanged again.
        until: Timestamp,
    },
    /// The session cannot be looked up.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The log does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Exchanges a refresh token for its successor.
    pub(crate) async fn refresh(
        &self,
        token: &RefreshToken,
        now: Timestamp,
        context: &Context,
    ) -> Result<Refreshed, RefreshError> {
        let session_id = token.session_id;
        let session = self.session_of(session_id, now).await?.ok_or(RefreshError::Invalid)?;
        let successors = token.successors(&self.engine.keys);
        let command = UserCommand::RotateRefresh(RotateRefresh {
            now,
            session_id,
            presented: token.hash(),
            successors: successors.iter().map(RefreshToken::hash).collect(),
        });
        let stream = StreamId::User(session.user.user_id);
        let done = match self.engine.handler.run::<User>(&stream, &command, context).await {
            Ok(done) => done,
            Err(HandleError::Store(error)) => return Err(error.into()),
            Err(HandleError::Rejected(UserRejection::TooManyRotations { until })) => {
                return Err(RefreshError::TooOften { until });
            }
            Err(HandleError::Rejected(_)) => return Err(RefreshError::Invalid),
        };
        if done.events.iter().any(|event| matches!(event, UserEvent::SessionRevoked(_))) {
            self.ended(&[session_id], done.position).await;
            return Err(RefreshError::Reused);
        }
        // The one that was just decided on, or was when this token was exchanged before.
        let (hash, expires_at) =
            done.state.refresh_token(session_id).ok_or(RefreshError::Invalid)?;
        let token = successors.into_iter().find(|next| next.hash().same_as(&hash));
        let token = token.ok_or(RefreshError::Invalid)?;
        // The read models say so a moment later.
        session.goes_on_until(expires_at);
        Ok(Refreshed { session, token, expires_at })
    }

    /// Returns the session of a token. One that is over is looked up again once the read models have
    /// what is in the log now: an exchange a moment ago may have extended it.
    async fn session_of(
        &self,
        session_id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, RefreshError> {
        if let Some(session) = self.sessions.find(session_id, now).await? {
            return Ok(Some(session));
        }
        let head = self.engine.store.head().await?;
        self.progress.wait_for(head).await;
        Ok(self.sessions.find(session_id, now).await?)
    }
}
