//! Creators: users whose handle names a landing page of theirs.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{Handle, Position, StreamId, UserId};

use crate::app::App;
use crate::app::commands::{name_owner, reserve};
use crate::domain::handle::stand_in;
use crate::domain::name::{Name, NameTaken};
use crate::domain::user::{MAX_HANDLES, User, UserCommand, UserRejection};
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::store::StoreError;

/// The handles of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatorHandles {
    /// The user.
    pub user_id: UserId,
    /// Their handles, the newest last; each leads to them.
    pub handles: Vec<Handle>,
    /// The position of the event that a claim left; 0 when it left none.
    #[serde(skip)]
    pub position: Position,
}

/// Why a handle was not claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another user has the handle.
    #[error("another user has this handle")]
    Taken,
    /// Another user has a handle that looks like it.
    #[error("another user has a handle that looks like this one")]
    LooksTaken,
    /// The user has as many handles as one may have.
    #[error("the user has {MAX_HANDLES} handles already")]
    TooMany,
    /// There is no such user, or they are erased.
    #[error("there is no such user")]
    NoSuchUser,
    /// The store did not answer; the same command may be tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a user a handle: `/creators/{handle}` becomes a landing page of theirs. A handle keeps its owner
/// for good, and so does what looks like it.
pub async fn claim_handle(
    engine: &Engine,
    user_id: UserId,
    handle: Handle,
    context: &Context,
) -> Result<CreatorHandles, ClaimError> {
    let before = handles_of(engine, user_id).await?;
    if before.handles.contains(&handle) {
        return Ok(before);
    }
    // Names are never given back, so everything is asked first that would refuse.
    if before.handles.len() >= MAX_HANDLES {
        return Err(ClaimError::TooMany);
    }
    let own = StreamId::Handle(handle.clone());
    let alike = stand_in(&handle).map(StreamId::Handle);
    for (name, refusal) in names(&own, alike.as_ref()) {
        let owner = engine.handler.load::<Name>(name).await?.state.owner;
        if owner.is_some_and(|owner| owner != user_id) {
            return Err(refusal);
        }
    }
    for (name, refusal) in names(&own, alike.as_ref()) {
        match reserve(&engine.handler, name, user_id, context).await {
            Ok(()) => {}
            Err(HandleError::Rejected(NameTaken)) => return Err(refusal),
            Err(HandleError::Store(error)) => return Err(error.into()),
        }
    }
    let claim = UserCommand::ClaimHandle { handle };
    let done = engine.handler.run::<User>(&StreamId::User(user_id), &claim, context).await?;
    let handles = done.state.handles.clone();
    Ok(CreatorHandles { user_id, handles, position: done.position })
}

/// Returns the handles of a user who is not erased.
pub async fn handles_of(engine: &Engine, user_id: UserId) -> Result<CreatorHandles, ClaimError> {
    let user = engine.handler.load::<User>(&StreamId::User(user_id)).await?.state;
    if user.account.is_none() || user.erased {
        return Err(ClaimError::NoSuchUser);
    }
    Ok(CreatorHandles { user_id, handles: user.handles.clone(), position: 0 })
}

/// Returns the names that a handle needs, each with the reason why it cannot be had.
fn names<'a>(
    own: &'a StreamId,
    alike: Option<&'a StreamId>,
) -> impl Iterator<Item = (&'a StreamId, ClaimError)> {
    let alike = alike.map(|alike| (alike, ClaimError::LooksTaken));
    std::iter::once((own, ClaimError::Taken)).chain(alike)
}

impl App {
    /// Gives a user a handle, on behalf of the actor of the context.
    pub async fn claim_handle(
        &self,
        user_id: UserId,
        handle: Handle,
        context: &Context,
    ) -> Result<CreatorHandles, ClaimError> {
        let done = claim_handle(&self.engine, user_id, handle, context).await?;
        self.progress.wait_for(done.position).await;
        Ok(done)
    }

    /// Returns the link of a creator, which leads to the landing page.
    #[must_use]
    pub fn creator_link(&self, handle: &Handle) -> String {
        self.config.listening.page(&format!("creators/{handle}"))
    }

    /// Returns the creator with a handle. When the creator cannot be looked up now, it returns `None`:
    /// a first touch never fails a login.
    pub(crate) async fn creator(&self, handle: &Handle) -> Option<UserId> {
        let name = StreamId::Handle(handle.clone());
        let owner = name_owner(&self.engine.handler, &name).await.ok()??;
        let user = self.engine.handler.load::<User>(&StreamId::User(owner)).await.ok()?;
        (user.state.is_active() && user.state.handles.contains(handle)).then_some(owner)
    }
}

impl From<HandleError<UserRejection>> for ClaimError {
    fn from(error: HandleError<UserRejection>) -> Self {
        match error {
            HandleError::Store(error) => Self::Store(error),
            HandleError::Rejected(UserRejection::TooManyHandles) => Self::TooMany,
            HandleError::Rejected(
                UserRejection::NotRegistered
                | UserRejection::Erased
                | UserRejection::Suspended
                | UserRejection::NoSuchSession
                | UserRejection::NoSuchCode
                | UserRejection::CodeBlocked
                | UserRejection::TooManyCodes { .. }
                | UserRejection::TooManyRotations { .. }
                | UserRejection::TooManyChanges { .. }
                | UserRejection::NoSuchChange
                | UserRejection::AddressLeft
                | UserRejection::ChangeOpen { .. }
                | UserRejection::Leaving
                | UserRejection::TooManyUpdates { .. }
                | UserRejection::NotAttributed(_),
            ) => Self::NoSuchUser,
        }
    }
}

/// Writes the handles in words.
impl fmt::Display for CreatorHandles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handles: Vec<_> = self.handles.iter().map(Handle::as_str).collect();
        match handles.as_slice() {
            [] => writeln!(f, "User {} has no handle.", self.user_id),
            handles => writeln!(f, "User {} is the creator {}.", self.user_id, handles.join(", ")),
        }
    }
}
