//! Erases a user, in steps each of which may be repeated: what a crash interrupts is completed by the
//! sweep of `own_erasure.rs`, or by the same command again.
//!
//! 1. The stream of the user: sessions end, `UserErased`. From here on no login reaches the account.
//! 2. The key of the user: address, name, devices.
//! 3. The key of the address, while it still belongs to the user; then the address is released. In
//!    this order, because a released address may belong to another user a moment later, with another
//!    key.
//! 4. The keys of the touches of the user: the pages that they came from. A touch without a key gets a
//!    destroyed one, by which a later visit with the same cookies is known to be of nobody.
//! 5. The stream of the user again: `ErasureCompleted`.
//!
//! Read models and caches follow the events. The bytes of the log stay as they are.

mod address;
mod outcome;
mod said;

use std::collections::BTreeSet;

use whence_events::{
    Actor, EmailKey, Event, Recorded, ReferralCode, RevokeReason, SessionId, StreamId, TouchId,
    UserErased, UserEvent, UserId,
};

pub use address::{AddressErasure, erase_address};
pub use outcome::{Erasure, Remains, Removed, Run};

use crate::app::address_release::release_address;
use crate::domain::user::{User, UserCommand, UserRejection};
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::store::StoreError;

/// The user to erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The id of the user.
    pub user_id: UserId,
    /// The address that led to the user, if one did.
    pub email_key: Option<EmailKey>,
}

/// Why a user was not erased, or not completely.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is no such user, and nothing changed.
    #[error("there is no such user")]
    NoSuchUser,
    /// The erasure stopped on the way; the same command again completes it.
    #[error("the erasure is not complete, run it again: {0}")]
    Interrupted(#[from] StoreError),
}

/// Erases a user, on behalf of the actor of the context.
pub async fn erase(
    engine: &Engine,
    subject: Subject,
    context: &Context,
) -> Result<Erasure, EraseError> {
    let user_id = subject.user_id;
    let mut run = end_account(engine, subject, context).await?;
    let mut destroyed = destroy(engine, &StreamId::User(user_id)).await?;
    let mut facts = ErasureFacts::of(&engine.stream(&StreamId::User(user_id)).await?);
    let found = subject.email_key.filter(|found| !facts.email_keys.contains(found));
    for email_key in facts.email_keys.clone().into_iter().chain(found) {
        let mailbox = engine.stream(&StreamId::Mailbox(email_key)).await?;
        facts.touches.extend(said::said_touches(&mailbox, user_id));
        destroyed |= release_address(engine, user_id, email_key, context).await?;
    }
    let touches = engine.touches_of_visitor(&facts.touches).await?;
    for touch in &touches {
        destroyed |= forget_touch(engine, *touch).await?;
    }
    complete(engine, user_id, touches.len(), context).await?;
    if run == Run::Already && destroyed {
        run = Run::Completed;
    }
    Ok(facts.into_erasure(user_id, run, touches.len()))
}

/// Takes step 1, and returns whether an earlier run did.
async fn end_account(
    engine: &Engine,
    subject: Subject,
    context: &Context,
) -> Result<Run, EraseError> {
    let erase = UserCommand::Erase { requested_by: name(&context.actor), mode: "request".into() };
    let stream = StreamId::User(subject.user_id);
    match engine.handler.run::<User>(&stream, &erase, context).await {
        Ok(_) => Ok(Run::Now),
        // Erased before, and perhaps not completely.
        Err(HandleError::Rejected(UserRejection::Erased)) => Ok(Run::Already),
        Err(HandleError::Store(error)) => Err(error.into()),
        Err(HandleError::Rejected(
            UserRejection::NotRegistered
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
            | UserRejection::TooManyHandles
            | UserRejection::NotAttributed(_),
        )) => never_registered(engine, subject).await,
    }
}

/// Returns whether there is an address to release of a user who never registered: a crash between
/// verifying an address and registering leaves one, which is released like any other.
async fn never_registered(engine: &Engine, subject: Subject) -> Result<Run, EraseError> {
    let Some(email_key) = subject.email_key else { return Err(EraseError::NoSuchUser) };
    let owner = engine.mailbox(email_key).await?.owner;
    if owner == Some(subject.user_id) { Ok(Run::Now) } else { Err(EraseError::NoSuchUser) }
}

/// Takes the last step: the log records that all others were taken, and no sweep comes back to them.
async fn complete(
    engine: &Engine,
    user_id: UserId,
    touches: usize,
    context: &Context,
) -> Result<(), StoreError> {
    let stream = StreamId::User(user_id);
    let complete = UserCommand::CompleteErasure { touches: touches as u64 };
    match engine.handler.run::<User>(&stream, &complete, context).await {
        // It is rejected of a user who never registered, of whom the log has no stream.
        Ok(_) | Err(HandleError::Rejected(_)) => Ok(()),
        Err(HandleError::Store(error)) => Err(error),
    }
}

/// Destroys a key, and returns whether it was there. A destroyed one is destroyed again all the same,
/// because a store may have been interrupted before the last copy of it was gone.
async fn destroy(engine: &Engine, subject: &StreamId) -> Result<bool, StoreError> {
    let Some(key) = engine.store.read_key(subject).await? else { return Ok(false) };
    engine.vault.destroy(subject).await?;
    Ok(key.wrapped.is_some())
}

/// Destroys the key of a touch, also where there is none, and returns whether it was there.
async fn forget_touch(engine: &Engine, touch: TouchId) -> Result<bool, StoreError> {
    let stream = StreamId::Touch(touch);
    let key = engine.store.read_key(&stream).await?;
    engine.vault.destroy(&stream).await?;
    Ok(key.is_some_and(|key| key.wrapped.is_some()))
}

/// Returns the name under which an erasure records who asked for it.
fn name(actor: &Actor) -> String {
    match actor {
        Actor::Operator(name) => name.clone(),
        Actor::Visitor | Actor::Owner | Actor::System | Actor::ApiKey(_) => actor.to_string(),
    }
}

/// The facts of a user's stream that an erasure needs: what is removed, and what stays.
#[derive(Default)]
struct ErasureFacts {
    /// All addresses that the user had.
    email_keys: Vec<EmailKey>,
    touches: BTreeSet<TouchId>,
    ended: Vec<SessionId>,
    codes: Vec<ReferralCode>,
    referred_by: Option<UserId>,
    erased: Option<(whence_events::Timestamp, UserErased)>,
    position: whence_events::Position,
}

impl ErasureFacts {
    /// Returns the facts of a stream.
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

    /// Adds the facts of one event.
    fn add(&mut self, event: &UserEvent, recorded: &Recorded) {
        match event {
            UserEvent::UserRegistered(registered) => self.email_keys.push(registered.email_key),
            UserEvent::EmailChanged(changed) => self.email_keys.push(changed.email_key),
            UserEvent::AttributionCapturedV1(_) | UserEvent::AttributionCaptured(_) => {
                self.touches.extend(event.snapshot().and_then(|snapshot| snapshot.touch_id));
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
            | UserEvent::ReferralCodeBlocked(_)
            | UserEvent::ReferralCodeUnblocked(_)
            | UserEvent::SessionsRevoked(_)
            | UserEvent::UserSuspended(_)
            | UserEvent::UserReinstated(_)
            | UserEvent::SubscriptionProvisioned(_)
            | UserEvent::WelcomeEmailSent(_)
            | UserEvent::WelcomeEmailFailed(_)
            | UserEvent::ProfileUpdated(_)
            | UserEvent::CreatorHandleClaimed(_)
            | UserEvent::EmailChangeUndone(_)
            | UserEvent::EmailChangeNoticed(_)
            | UserEvent::ErasureRequested(_)
            | UserEvent::ErasureCancelled(_)
            | UserEvent::ErasureCompleted(_)
            | UserEvent::BillingCustomerLinked(_) => {}
        }
    }

    /// Returns the report of an erasure.
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
