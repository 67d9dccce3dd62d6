//! An operator moves the account of a user who lost their mailbox.
//!
//! Nothing proves the new address but the operator's word: the sessions and known devices of the user
//! end, and the previous address can object as after any change.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{EmailAddress, Position, SessionId, StreamId, Timestamp, UserId};

use super::steps::{Claim, change_address, settle_mailboxes};
use crate::app::App;
use crate::domain::mailbox::{ClaimMailbox, Mailbox, MailboxCommand, MailboxRejection};
use crate::domain::user::address::OpenChange;
use crate::domain::user::measure::Reason;
use crate::domain::user::{User, UserRejection, ended_sessions};
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::store::StoreError;

/// What an operator did about the address of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AddressMove {
    /// The user whose account it is.
    pub(crate) user_id: UserId,
    /// Whether it changed anything: an account that an operator has just moved there stays.
    pub(crate) changed: bool,
    /// The sessions that it ended.
    pub(crate) sessions_ended: Vec<SessionId>,
    /// The time until which the previous address can object; missing when the account moved back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) objection_until: Option<Timestamp>,
    /// The position of its last event in the stream of the user; 0 when nothing changed.
    pub(crate) position: Position,
}

/// Why an operator did not move an account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    /// There is no such user, or they are erased.
    #[error("there is no such user")]
    NoSuchUser,
    /// The user is suspended.
    #[error("the user is suspended: reinstate them first")]
    Suspended,
    /// The user asked to be erased.
    #[error("the user asked to be erased: an account that ends does not move")]
    Leaving,
    /// The account has the address.
    #[error("the account has this address")]
    Unchanged,
    /// Another account has the address, or it is held for one.
    #[error("another account has this address")]
    Taken,
    /// The previous address can object to the last change.
    #[error(
        "the address was changed within the last 72 hours: while the previous one can object, the \
         account can only move back to it"
    )]
    ChangeOpen,
    /// The store did not answer; the same command may be tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an operator wants about the address of a user.
#[derive(Clone, Copy)]
pub(crate) struct WantedMove<'a> {
    /// The user.
    pub(crate) user_id: UserId,
    /// The address that the account is to have.
    pub(crate) email: &'a EmailAddress,
    /// The reason.
    pub(crate) reason: &'a Reason,
}

/// Moves an account on behalf of the operator of the context, in a log. The mail to the previous address
/// goes out when a service runs.
pub(crate) async fn move_address(
    engine: &Engine,
    wanted: WantedMove<'_>,
    now: Timestamp,
    context: &Context,
) -> Result<AddressMove, MoveError> {
    let done = take_steps(engine, wanted, now, context).await;
    if let Ok(_) | Err(MoveError::Unchanged) = &done {
        settle_mailboxes(engine, wanted.user_id, None, now, context).await?;
    }
    done
}

impl App {
    /// Moves an account on behalf of the operator of the context. Sessions that it ends are refused from
    /// here on.
    pub(crate) async fn move_address(
        &self,
        wanted: WantedMove<'_>,
        now: Timestamp,
        context: &Context,
    ) -> Result<AddressMove, MoveError> {
        let done = take_steps(&self.engine, wanted, now, context).await;
        if let Ok(done) = &done {
            self.ended(&done.sessions_ended, done.position).await;
        }
        if let Ok(_) | Err(MoveError::Unchanged) = &done {
            self.settle(wanted.user_id, None, now, context).await?;
        }
        done
    }
}

/// Takes steps 1 and 2. What is refused after step 1, because the account changed at the same moment,
/// leaves the address to the sweep, which releases it.
async fn take_steps(
    engine: &Engine,
    wanted: WantedMove<'_>,
    now: Timestamp,
    context: &Context,
) -> Result<AddressMove, MoveError> {
    let WantedMove { user_id, email, reason } = wanted;
    let email_key = engine.keys.email_key(email);
    let user = engine.handler.load::<User>(&StreamId::User(user_id)).await?.state;
    let account = user.account.as_ref().filter(|_| !user.erased);
    let account = account.ok_or(MoveError::NoSuchUser)?;
    if account.email_key == email_key {
        // An operator who got no answer asks again.
        let open = user.open_changes(now).last().filter(|change| change.by_operator);
        let open = open.ok_or(MoveError::Unchanged)?;
        return Ok(AddressMove::without_change(user_id, open));
    }
    let previous_key = account.email_key;
    user.may_be_moved(email_key, now).map_err(refused)?;
    let (email, reason) = (email.clone(), reason.clone());
    let claim = ClaimMailbox { user_id, email: email.clone(), reason: reason.as_str().to_owned() };
    let stream = StreamId::Mailbox(email_key);
    let claim = MailboxCommand::Claim(claim);
    match engine.handler.run::<Mailbox>(&stream, &claim, context).await {
        Ok(_) => {}
        Err(HandleError::Store(error)) => return Err(error.into()),
        Err(HandleError::Rejected(
            MailboxRejection::Taken
            | MailboxRejection::Moved
            | MailboxRejection::Throttled { .. }
            | MailboxRejection::UnknownRequest
            | MailboxRejection::Expired
            | MailboxRejection::Locked
            | MailboxRejection::AlreadyConsumed,
        )) => return Err(MoveError::Taken),
    }
    let claim = Claim { session_id: None, claimed_at: None, reason: Some(reason) };
    let done = change_address(engine, user_id, &email, claim, now, context).await;
    let done = done.map_err(|error| match error {
        HandleError::Store(error) => error.into(),
        HandleError::Rejected(rejection) => refused(rejection),
    })?;
    let mut open = done.state.open_changes(now);
    Ok(AddressMove {
        user_id,
        changed: !done.events.is_empty(),
        sessions_ended: ended_sessions(&done.events),
        objection_until: open.find(|it| it.previous_key == previous_key).map(|it| it.until),
        position: done.position,
    })
}

/// Returns why an account rejects a move.
fn refused(rejection: UserRejection) -> MoveError {
    match rejection {
        UserRejection::Suspended => MoveError::Suspended,
        UserRejection::Leaving => MoveError::Leaving,
        // The address was changed, or changed back, since the operator asked.
        UserRejection::ChangeOpen { .. }
        | UserRejection::NoSuchSession
        | UserRejection::AddressLeft
        | UserRejection::TooManyChanges { .. } => MoveError::ChangeOpen,
        UserRejection::NotRegistered
        | UserRejection::Erased
        | UserRejection::TooManyCodes { .. }
        | UserRejection::TooManyRotations { .. }
        | UserRejection::TooManyUpdates { .. }
        | UserRejection::TooManyHandles
        | UserRejection::NoSuchChange
        | UserRejection::NoSuchCode
        | UserRejection::CodeBlocked
        | UserRejection::NotAttributed(_) => MoveError::NoSuchUser,
    }
}

impl AddressMove {
    /// Returns the answer to an order that was carried out before.
    fn without_change(user_id: UserId, open: &OpenChange) -> Self {
        let objection_until = Some(open.until);
        Self { user_id, changed: false, sessions_ended: vec![], objection_until, position: 0 }
    }
}

/// Writes what was done in words.
impl fmt::Display for AddressMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user_id, sessions) = (self.user_id, self.sessions_ended.len());
        match (self.changed, self.objection_until) {
            (true, Some(_)) => {
                writeln!(f, "User {user_id} has another address; sessions ended: {sessions}.")?;
            }
            (true, None) => {
                writeln!(f, "User {user_id} has the earlier address; sessions ended: {sessions}.")?;
            }
            (false, _) => writeln!(f, "User {user_id} was moved to this address already.")?,
        }
        match self.objection_until {
            Some(until) => writeln!(
                f,
                "The previous address can object until {until}; the service mails it how."
            ),
            None => Ok(()),
        }
    }
}
