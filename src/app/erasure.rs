//! Forgets who somebody was, in steps each of which may be repeated: what a crash interrupts is
//! completed by the same command again.
//!
//! 1. The user's stream: sessions end, `UserErased`. From here on nobody logs in as them.
//! 2. The user's key: address, name, devices.
//! 3. The key of their address, while it is still theirs; then the address is released. In this
//!    order, because a released address may be somebody else's a moment later, with a key of theirs.
//! 4. The keys of their touches: the pages that they came from.
//!
//! Tables and caches follow the events. The bytes of the log stay as they are.

mod outcome;

use std::collections::BTreeSet;

use whence_events::{
    Actor, EmailKey, Event, Recorded, ReferralCode, RevokeReason, SessionId, StreamId, TouchId,
    UserErased, UserEvent, UserId,
};

pub use outcome::{Erasure, Remains, Removed, Run};

use crate::domain::mailbox::{Mailbox, MailboxCommand};
use crate::domain::user::{User, UserCommand, UserRejection};
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::store::StoreError;

/// Whom to erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user.
    pub user_id: UserId,
    /// The address that led to them, if one did.
    pub email_key: Option<EmailKey>,
}

/// Why nobody was erased, or not completely.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is nobody to erase.
    #[error("there is no such user")]
    NoSuchUser,
    /// What was done is done; the same command again completes it.
    #[error("the erasure is not complete, run it again: {0}")]
    Interrupted(#[from] StoreError),
}

/// Erases a user, on behalf of whom the context names.
///
/// # Errors
/// [`EraseError::NoSuchUser`]: nothing changed. [`EraseError::Interrupted`]: run it again.
pub async fn erase(
    engine: &Engine,
    subject: Subject,
    context: &Context,
) -> Result<Erasure, EraseError> {
    let user_id = subject.user_id;
    let mut run = end_account(engine, subject, context).await?;
    let mut destroyed = destroy(engine, &StreamId::User(user_id)).await?;
    let facts = ErasureFacts::of(&engine.stream(&StreamId::User(user_id)).await?);
    if let Some(email_key) = facts.email_key.or(subject.email_key) {
        destroyed |= release(engine, user_id, email_key, context).await?;
    }
    let touches = engine.touches_of_visitor(&facts.touches).await?;
    for touch in &touches {
        destroyed |= destroy(engine, &StreamId::Touch(*touch)).await?;
    }
    if run == Run::Already && destroyed {
        run = Run::Completed;
    }
    Ok(facts.into_erasure(user_id, run, touches.len()))
}

/// Step 1.
async fn end_account(
    engine: &Engine,
    subject: Subject,
    context: &Context,
) -> Result<Run, EraseError> {
    let erase = UserCommand::Erase { requested_by: name(&context.actor), mode: "request".into() };
    let stream = StreamId::User(subject.user_id);
    match engine.handler.run::<User>(&stream, &erase, context).await {
        Ok(_) => Ok(Run::Now),
        // Before, and perhaps not completely.
        Err(HandleError::Rejected(UserRejection::Erased)) => Ok(Run::Already),
        Err(HandleError::Store(error)) => Err(error.into()),
        Err(HandleError::Rejected(
            UserRejection::NotRegistered
            | UserRejection::NoSuchSession
            | UserRejection::NoSuchCode
            | UserRejection::TooManyCodes { .. }
            | UserRejection::NotAttributed(_),
        )) => never_registered(engine, subject).await,
    }
}

/// A crash between proving an address and registering leaves one that belongs to a user who never
/// was. It is released like any other.
async fn never_registered(engine: &Engine, subject: Subject) -> Result<Run, EraseError> {
    let Some(email_key) = subject.email_key else { return Err(EraseError::NoSuchUser) };
    let owner = engine.mailbox(email_key).await?.owner;
    if owner == Some(subject.user_id) { Ok(Run::Now) } else { Err(EraseError::NoSuchUser) }
}

/// Step 3. Whether there was anything left to do. An address that is not theirs any more is left
/// alone: its key is somebody else's.
async fn release(
    engine: &Engine,
    user_id: UserId,
    email_key: EmailKey,
    context: &Context,
) -> Result<bool, StoreError> {
    if engine.mailbox(email_key).await?.owner != Some(user_id) {
        return Ok(false);
    }
    let stream = StreamId::Mailbox(email_key);
    destroy(engine, &stream).await?;
    let release = MailboxCommand::Release { user_id };
    match engine.handler.run::<Mailbox>(&stream, &release, context).await {
        // Nothing is rejected: what is not theirs is not released.
        Ok(_) | Err(HandleError::Rejected(_)) => Ok(true),
        Err(HandleError::Store(error)) => Err(error),
    }
}

/// Destroys a key. Whether there was one; it is destroyed again all the same, for a store may have
/// been interrupted before the last copy of it was gone.
async fn destroy(engine: &Engine, subject: &StreamId) -> Result<bool, StoreError> {
    let Some(key) = engine.store.read_key(subject).await? else { return Ok(false) };
    engine.vault.destroy(subject).await?;
    Ok(key.wrapped.is_some())
}

/// How an erasure calls whoever asked for it.
fn name(actor: &Actor) -> String {
    match actor {
        Actor::Operator(name) => name.clone(),
        Actor::Visitor | Actor::Owner | Actor::System => actor.to_string(),
    }
}

/// What a user's stream says about what is to go, and about what stays.
#[derive(Default)]
struct ErasureFacts {
    email_key: Option<EmailKey>,
    touches: BTreeSet<TouchId>,
    ended: Vec<SessionId>,
    codes: Vec<ReferralCode>,
    referred_by: Option<UserId>,
    erased: Option<(whence_events::Timestamp, UserErased)>,
    position: whence_events::Position,
}

impl ErasureFacts {
    fn of(events: &[Recorded]) -> Self {
        let mut facts = Self::default();
        for recorded in events {
            facts.position = recorded.position;
            if let Event::User(event) = &recorded.event {
                facts.add(event, recorded);
            }
        }
        facts
    }

    fn add(&mut self, event: &UserEvent, recorded: &Recorded) {
        match event {
            UserEvent::UserRegistered(registered) => self.email_key = Some(registered.email_key),
            UserEvent::AttributionCapturedV1(_) | UserEvent::AttributionCaptured(_) => {
                self.touches.extend(event.snapshot().and_then(|origin| origin.touch_id));
            }
            UserEvent::ReferralAttributed(referral) => {
                self.touches.extend(referral.touch_id);
                self.referred_by = Some(referral.referrer_id);
            }
            UserEvent::ReferralRefused(refused) => self.touches.extend(refused.evidence.touch_id),
            UserEvent::SessionRevoked(revoked) if revoked.reason == RevokeReason::Erased => {
                self.ended.push(revoked.session_id);
            }
            UserEvent::ReferralCodeIssued(issued) => self.codes.push(issued.code.clone()),
            UserEvent::UserErased(erased) => {
                self.erased = Some((recorded.metadata.occurred_at, erased.clone()));
            }
            UserEvent::SessionRevoked(_)
            | UserEvent::SessionOpened(_)
            | UserEvent::SessionExtended(_)
            | UserEvent::RefreshRotated(_)
            | UserEvent::ReferralCodeDisabled(_)
            | UserEvent::SubscriptionProvisioned(_)
            | UserEvent::WelcomeEmailSent(_)
            | UserEvent::WelcomeEmailFailed(_)
            | UserEvent::ProfileUpdated(_)
            | UserEvent::CreatorHandleClaimed(_)
            | UserEvent::BillingCustomerLinked(_) => {}
        }
    }

    fn into_erasure(self, user_id: UserId, run: Run, touches: usize) -> Erasure {
        let (erased_at, erased_by) =
            self.erased.map(|(at, erased)| (at, erased.requested_by)).unzip();
        Erasure {
            user_id,
            run,
            erased_at,
            erased_by,
            removed: Removed { sessions: self.ended, touches },
            remains: Remains { codes: self.codes, referred_by: self.referred_by },
            position: self.position,
        }
    }
}
