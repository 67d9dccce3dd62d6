//! Links users to customers of the billing system.

use whence_events::{StreamId, UserId};

use crate::app::App;
use crate::domain::billing::BillingCustomerId;
use crate::domain::user::{User, UserCommand, UserRejection};
use crate::engine::handler::{Context, HandleError};

impl App {
    /// Links a user to a customer of the billing system, or to none, and returns whether that changed
    /// anything.
    pub(crate) async fn link_billing(
        &self,
        user_id: UserId,
        customer: Option<BillingCustomerId>,
        context: &Context,
    ) -> Result<bool, HandleError<UserRejection>> {
        let command = UserCommand::LinkBilling { customer };
        let stream = StreamId::User(user_id);
        let done = self.engine.handler.run::<User>(&stream, &command, context).await?;
        self.progress.wait_for(done.position).await;
        Ok(!done.events.is_empty())
    }
}
