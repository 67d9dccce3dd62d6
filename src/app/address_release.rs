//! Releases an address from its user: the key of its mailbox is destroyed, and anybody may sign up with
//! it.

use whence_events::{EmailKey, StreamId, UserId};

use crate::domain::mailbox::{Mailbox, MailboxCommand};
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::store::StoreError;

/// Releases an address that is a user's, or is held for them, and returns whether it was. One that is
/// another user's by now is left alone, with its key.
///
/// The key goes first: what a crash interrupts is found again, because the address is still the
/// user's. Another node may release it at the same moment, and somebody sign up: their key is a later
/// one than that which was there before it was known whose the address is, and stays.
pub(crate) async fn release_address(
    engine: &Engine,
    user_id: UserId,
    email_key: EmailKey,
    context: &Context,
) -> Result<bool, StoreError> {
    let stream = StreamId::Mailbox(email_key);
    let key = engine.store.read_key(&stream).await?;
    if !engine.mailbox(email_key).await?.is_kept_by(user_id) {
        return Ok(false);
    }
    if let Some(key) = key {
        engine.vault.destroy_up_to(&stream, key.generation).await?;
    }
    let release = MailboxCommand::Release { user_id };
    match engine.handler.run::<Mailbox>(&stream, &release, context).await {
        // A release is not rejected: that of another user's address changes nothing.
        Ok(_) | Err(HandleError::Rejected(_)) => Ok(true),
        Err(HandleError::Store(error)) => Err(error),
    }
}
