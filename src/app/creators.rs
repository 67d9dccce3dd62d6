//! Creators: users whose handle names a landing page of theirs.

use whence_events::{Actor, Handle, StreamId, UserId};

use crate::app::App;
use crate::domain::user::{User, UserCommand};
use crate::engine::handler::Context;
use crate::infra::random::new_correlation_id;

impl App {
    /// Gives a user a creator handle: `/creators/{handle}` becomes a landing page of theirs.
    ///
    /// No route calls this yet; tests and programs that embed whence do.
    /// The cause of an error is [`crate::domain::name::NameTaken`] when another user has the handle.
    pub async fn claim_handle(&self, user_id: UserId, handle: Handle) -> anyhow::Result<()> {
        let context = Context::of_request(new_correlation_id(), Actor::System);
        self.reserve(&StreamId::Handle(handle.clone()), user_id, &context).await?;
        self.run_user(user_id, &UserCommand::ClaimHandle { handle }, &context).await?;
        Ok(())
    }

    /// Returns the creator with a handle. When the creator cannot be looked up now, it returns `None`:
    /// a first touch never fails a login.
    pub(crate) async fn creator(&self, handle: &Handle) -> Option<UserId> {
        let owner = self.name_owner(&StreamId::Handle(handle.clone())).await.ok()??;
        let user = self.engine.handler.load::<User>(&StreamId::User(owner)).await.ok()?;
        (user.state.is_active() && user.state.handles.contains(handle)).then_some(owner)
    }
}
