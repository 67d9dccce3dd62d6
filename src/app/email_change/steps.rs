//! The steps of a change of address that need no more than the log: the mailboxes and the account.

use std::sync::Arc;
use std::time::Duration;

use whence_events::{
    Actor, EmailAddress, EmailKey, Event, MailboxEvent, SessionId, StreamId, Timestamp, UserId,
};

use crate::app::address_release::release_address;
use crate::domain::mailbox::{LeaveMailbox, Mailbox, MailboxCommand, MailboxRejection};
use crate::domain::user::address::{ChangeEmail, OBJECTION_TIME};
use crate::domain::user::measure::Reason;
use crate::domain::user::{User, UserCommand, UserRejection};
use crate::engine::Engine;
use crate::engine::handler::{Context, Decided, HandleError};
use crate::infra::tokens::ObjectionToken;
use crate::store::StoreError;

/// How long an address is left alone that a change has just claimed.
const CLAIM_TIME: Duration = Duration::from_mins(1);

/// Who asks for a change whose address is claimed.
#[derive(Clone)]
pub(super) struct Claim {
    /// The session of the user who asks.
    pub(super) session_id: Option<SessionId>,
    /// The time at which the address was claimed, when an interrupted change is completed.
    pub(super) claimed_at: Option<Timestamp>,
    /// The reason of the operator who asks.
    pub(super) reason: Option<Reason>,
}

/// A change that was interrupted after its address was claimed.
struct Interrupted {
    email: EmailAddress,
    claim: Claim,
    /// The operator who wants it.
    operator: Option<Actor>,
}

/// How often a change is decided anew when another one of the same account was faster.
const TRIES: usize = 4;

/// Takes step 2.
pub(super) async fn change_address(
    engine: &Engine,
    user_id: UserId,
    email: &EmailAddress,
    claim: Claim,
    now: Timestamp,
    context: &Context,
) -> Result<Decided<User>, HandleError<UserRejection>> {
    let mut tries = 1;
    loop {
        let done = try_to_change(engine, user_id, email, &claim, now, context).await;
        let was_late = matches!(done, Err(HandleError::Rejected(UserRejection::AddressLeft)));
        if !was_late || tries == TRIES {
            return done;
        }
        tries += 1;
    }
}

/// Takes step 2 from the address that the account has. The token of an objection is of that address, and
/// of no other that the account gets at the same moment.
async fn try_to_change(
    engine: &Engine,
    user_id: UserId,
    email: &EmailAddress,
    claim: &Claim,
    now: Timestamp,
    context: &Context,
) -> Result<Decided<User>, HandleError<UserRejection>> {
    let stream = StreamId::User(user_id);
    let user = engine.handler.load::<User>(&stream).await.map_err(HandleError::Store)?;
    let account = user.state.account.as_ref();
    let account = account.ok_or(HandleError::Rejected(UserRejection::NotRegistered))?;
    let objection_until = now + OBJECTION_TIME;
    let keys = &engine.keys;
    let token = ObjectionToken::of(user_id, account.email_key, objection_until, keys);
    let command = UserCommand::ChangeEmail(ChangeEmail {
        now,
        session_id: claim.session_id,
        claimed_at: claim.claimed_at,
        previous_key: account.email_key,
        email: email.clone(),
        email_key: keys.email_key(email),
        objection_until,
        objection_hash: token.hash(),
        reason: claim.reason.clone(),
    });
    engine.handler.run::<User>(&stream, &command, context).await
}

/// Returns the address of a mailbox, as its last login wrote it, or the operator who moved an account
/// to it.
pub(super) async fn address_in(
    engine: &Engine,
    email_key: EmailKey,
) -> Result<Option<EmailAddress>, StoreError> {
    let stream = StreamId::Mailbox(email_key);
    let mailbox = engine.mailbox(email_key).await?;
    let Some((email, version)) = &mailbox.email else { return Ok(None) };
    engine.vault.open(&stream, *version, "email", email).await
}

/// Brings every address of a user into the state that their stream asks for, the one of `found` among
/// them. Returns the user.
pub(crate) async fn settle_mailboxes(
    engine: &Engine,
    user_id: UserId,
    found: Option<EmailKey>,
    now: Timestamp,
    context: &Context,
) -> Result<Arc<User>, StoreError> {
    let stream = StreamId::User(user_id);
    let mut user = engine.handler.load::<User>(&stream).await?.state;
    if let Some(email_key) = found
        && let Some(change) = interrupted(engine, &user, user_id, email_key, now).await?
    {
        let actor = change.operator.unwrap_or_else(|| context.actor.clone());
        let context = Context { actor, ..context.clone() };
        let Interrupted { email, claim, .. } = change;
        match change_address(engine, user_id, &email, claim, now, &context).await {
            Ok(done) => user = done.state,
            // Erased, or too many by now: the address is released below.
            Err(HandleError::Rejected(_)) => {}
            Err(HandleError::Store(error)) => return Err(error),
        }
    }
    let current = user.account.as_ref().filter(|_| !user.erased).map(|it| it.email_key);
    let account = user.account.as_ref().map(|account| account.email_key);
    let former = user.former_keys.iter().map(|(key, _)| *key);
    let mut keys: Vec<_> = former.chain(account).chain(found).collect();
    keys.sort_unstable_by_key(|key| key.0);
    keys.dedup();
    for email_key in keys {
        let held = user.open_changes(now).find(|change| change.previous_key == email_key);
        if current == Some(email_key) {
            let reclaim = MailboxCommand::Reclaim { user_id };
            run_mailbox(engine, email_key, &reclaim, context).await?;
        } else if let Some(change) = held.filter(|_| !user.erased) {
            let (held_until, forget_devices) = (change.until, change.by_operator);
            let leave = LeaveMailbox { user_id, held_until, forget_devices };
            run_mailbox(engine, email_key, &MailboxCommand::Move(leave), context).await?;
        } else {
            release(engine, user_id, email_key, user.left_at(email_key), now, context).await?;
        }
    }
    Ok(user)
}

/// Returns the change of a user that was interrupted after step 1.
async fn interrupted(
    engine: &Engine,
    user: &User,
    user_id: UserId,
    email_key: EmailKey,
    now: Timestamp,
) -> Result<Option<Interrupted>, StoreError> {
    let mailbox = engine.mailbox(email_key).await?;
    let Some(claimed_at) = mailbox.moved_here_at else { return Ok(None) };
    let is_late = now.since(claimed_at) >= CLAIM_TIME / 2;
    let is_known = user.left_at(email_key) >= mailbox.moved_here_at
        || user.account.as_ref().is_none_or(|account| account.email_key == email_key);
    if mailbox.owner != Some(user_id) || !is_late || is_known || user.erased {
        return Ok(None);
    }
    let Some(email) = address_in(engine, email_key).await? else { return Ok(None) };
    let claim = Claim { session_id: None, claimed_at: Some(claimed_at), reason: None };
    let Some((reason, version)) = &mailbox.moved_because else {
        return Ok(Some(Interrupted { email, claim, operator: None }));
    };
    let stream = StreamId::Mailbox(email_key);
    let reason = engine.vault.open(&stream, *version, "reason", reason).await?;
    let Some(reason) = reason.and_then(|text| Reason::parse(&text).ok()) else { return Ok(None) };
    let operator = claimed_by(engine, &stream).await?;
    Ok(Some(Interrupted { email, claim: Claim { reason: Some(reason), ..claim }, operator }))
}

/// Returns on whose behalf an address got its owner.
async fn claimed_by(engine: &Engine, stream: &StreamId) -> Result<Option<Actor>, StoreError> {
    let events = engine.stream(stream).await?;
    let claim = events
        .into_iter()
        .rev()
        .find(|recorded| matches!(recorded.event, Event::Mailbox(MailboxEvent::MailboxClaimed(_))));
    Ok(claim.map(|claim| claim.metadata.actor))
}

/// Takes step 5: nobody has the address from now on. One that a request has just claimed, which is about
/// to take step 2, is left alone.
async fn release(
    engine: &Engine,
    user_id: UserId,
    email_key: EmailKey,
    left_at: Option<Timestamp>,
    now: Timestamp,
    context: &Context,
) -> Result<(), StoreError> {
    let mailbox = engine.mailbox(email_key).await?;
    let is_claimed = mailbox.owner == Some(user_id)
        && mailbox.moved_here_at > left_at
        && mailbox.moved_here_at.is_some_and(|at| now.since(at) < CLAIM_TIME);
    if !is_claimed {
        release_address(engine, user_id, email_key, context).await?;
    }
    Ok(())
}

/// Runs a command that no mailbox rejects.
async fn run_mailbox(
    engine: &Engine,
    email_key: EmailKey,
    command: &MailboxCommand,
    context: &Context,
) -> Result<(), StoreError> {
    let stream = StreamId::Mailbox(email_key);
    match engine.handler.run::<Mailbox>(&stream, command, context).await {
        Ok(_) | Err(HandleError::<MailboxRejection>::Rejected(_)) => Ok(()),
        Err(HandleError::Store(error)) => Err(error),
    }
}
