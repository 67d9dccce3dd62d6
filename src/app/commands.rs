//! Runs the commands that several parts of a service share.

use whence_events::{StreamId, UserId};

use crate::app::App;
use crate::domain::name::{Name, NameTaken, ReserveName};
use crate::domain::user::{User, UserCommand, UserRejection};
use crate::engine::handler::{Context, HandleError, Handler};
use crate::store::StoreError;

/// Reserves a name for a user.
pub(crate) async fn reserve(
    handler: &Handler,
    name: &StreamId,
    owner: UserId,
    context: &Context,
) -> Result<(), HandleError<NameTaken>> {
    handler.run::<Name>(name, &ReserveName { owner }, context).await.map(drop)
}

/// Returns the owner of a name, who never changes.
pub(crate) async fn name_owner(
    handler: &Handler,
    name: &StreamId,
) -> Result<Option<UserId>, StoreError> {
    let has_owner = |name: &Name| name.owner.is_some();
    Ok(handler.settled(name, has_owner).await?.owner)
}

impl App {
    /// Runs a command on a user and returns whether it changed anything.
    pub(crate) async fn run_user(
        &self,
        user_id: UserId,
        command: &UserCommand,
        context: &Context,
    ) -> Result<bool, HandleError<UserRejection>> {
        let decided =
            self.engine.handler.run::<User>(&StreamId::User(user_id), command, context).await?;
        Ok(!decided.events.is_empty())
    }
}
