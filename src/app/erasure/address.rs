//! Erases what an address leads to: its user, and the address itself where nobody verified it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use whence_events::{EmailAddress, EmailKey, StreamId, Timestamp, UserId};

use super::{EraseError, Erasure, Subject, erase};
use crate::domain::mailbox::{ForgetMailbox, Mailbox, MailboxCommand};
use crate::domain::user::User;
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::store::StoreError;

/// What the erasure by an address did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressErasure {
    /// The erasure of the user; missing when the address never belonged to one.
    #[serde(flatten)]
    pub user: Option<Erasure>,
    /// Whether the address itself was forgotten, which somebody had typed in and nobody verified.
    pub address_forgotten: bool,
}

/// Erases the user of an address, and forgets the address where it has no owner.
pub async fn erase_address(
    engine: &Engine,
    email: &EmailAddress,
    now: Timestamp,
    context: &Context,
) -> Result<AddressErasure, EraseError> {
    let email_key = engine.keys.email_key(email);
    let owner = engine.mailbox(email_key).await?.owner;
    let user = match engine.user_of(email).await? {
        // An account that moved to another address is not that of this one any more.
        Some(user_id) if owner != Some(user_id) && !is_erased(engine, user_id).await? => None,
        Some(user_id) => {
            let subject = Subject { user_id, email_key: Some(email_key) };
            Some(Box::pin(erase(engine, subject, context)).await?)
        }
        None => None,
    };
    let address_forgotten = forget(engine, email_key, now, context).await?;
    if user.is_none() && !address_forgotten {
        return Err(EraseError::NoSuchUser);
    }
    Ok(AddressErasure { user, address_forgotten })
}

async fn is_erased(engine: &Engine, user_id: UserId) -> Result<bool, StoreError> {
    Ok(engine.handler.load::<User>(&StreamId::User(user_id)).await?.state.erased)
}

/// Forgets an address without an owner, and returns whether there was one to forget.
async fn forget(
    engine: &Engine,
    email_key: EmailKey,
    now: Timestamp,
    context: &Context,
) -> Result<bool, StoreError> {
    let command = ForgetMailbox { now, keep: Duration::ZERO };
    if engine.mailbox(email_key).await?.forgettable(&command).is_none() {
        return Ok(false);
    }
    let stream = StreamId::Mailbox(email_key);
    // In this order: what a crash interrupts is found again by the same command.
    engine.vault.destroy(&stream).await?;
    let forget = MailboxCommand::Forget(command);
    match engine.handler.run::<Mailbox>(&stream, &forget, context).await {
        // It is not rejected: an address that got an owner meanwhile stays as it is.
        Ok(_) | Err(HandleError::Rejected(_)) => Ok(true),
        Err(HandleError::Store(error)) => Err(error),
    }
}

/// Writes what was done in words.
impl fmt::Display for AddressErasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}")?;
        }
        if self.address_forgotten {
            writeln!(
                f,
                "The address was typed in and never verified: it is forgotten, its key destroyed."
            )?;
        }
        Ok(())
    }
}
