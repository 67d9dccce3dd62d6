//! What the log says about a user or a code, in words: why this referrer and not another, and who did what.
//!
//! A story is told from the events themselves, so that it is as true as they are. Whoever reads one
//! is put on record before they see it.

mod attribution;
mod code;
mod decision;
mod events;
mod evidence;
mod line;
mod personal;
mod referrals;
mod sentences;
pub(crate) mod show;
mod touch;
mod user;

use whence_events::{AuditRead, AuditSubject, Position, ReferralCode, StreamId, Timestamp, UserId};
use whence_projections::QueryError;

pub use attribution::{Attribution, Origin};
pub use code::{Brought, CodeStory};
pub use decision::{CodeThen, Decision, Explained};
pub use events::{Events, Stored, Wanted};
pub use evidence::{Place, bundle};
pub use line::Line;
pub use personal::Show;
pub use referrals::{Decisions, Range, range};
pub(crate) use sentences::refusal;
pub use touch::TouchStory;
pub use user::UserStory;

use crate::domain::audit::Audit;
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError, Handler};
use crate::store::StoreError;

/// Why there is no story.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Nobody registered under this id.
    #[error("there is no such user")]
    NoSuchUser,
    /// Nobody has this code.
    #[error("there is no such code")]
    NoSuchCode,
    /// Nothing stands at the position to go on from.
    #[error("there is no event at this position")]
    NoSuchPosition,
    /// The log does not answer, or could not take who asks.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tables do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Puts on record that the context's actor is about to be shown something. Whoever cannot be put on
/// record is shown nothing.
///
/// # Errors
/// When the store does not take it.
pub async fn record(
    handler: &Handler,
    read: AuditRead,
    context: &Context,
) -> Result<Position, StoreError> {
    match handler.run::<Audit>(&StreamId::Audit, &read, context).await {
        Ok(done) => Ok(done.position),
        Err(HandleError::Store(error)) => Err(error),
        Err(HandleError::Rejected(never)) => match never {},
    }
}

/// The story of a user.
///
/// # Errors
/// [`AuditError`]; then nothing is shown.
pub async fn user(
    engine: &Engine,
    user_id: UserId,
    show: Show,
    context: &Context,
) -> Result<UserStory, AuditError> {
    let story = UserStory::tell(engine, user_id, show).await?;
    let read = AuditRead { user_id: Some(user_id), ..look(AuditSubject::User, show) };
    record(&engine.handler, read, context).await?;
    Ok(story)
}

/// The story of a code.
///
/// # Errors
/// [`AuditError`]; then nothing is shown.
pub async fn code(
    engine: &Engine,
    code: &ReferralCode,
    now: Timestamp,
    show: Show,
    context: &Context,
) -> Result<CodeStory, AuditError> {
    let story = CodeStory::tell(engine, code, now, show).await?;
    let read = AuditRead { code: Some(code.clone()), ..look(AuditSubject::Code, show) };
    record(&engine.handler, read, context).await?;
    Ok(story)
}

/// Every referral decision of a time, after a position.
///
/// # Errors
/// [`AuditError`]; then nothing is shown.
pub async fn referrals(
    engine: &Engine,
    range: Range,
    after: Position,
    context: &Context,
) -> Result<Decisions, AuditError> {
    check_position(engine, after).await?;
    let decisions = Decisions::of(engine, range, after).await?;
    record(&engine.handler, look(AuditSubject::Referrals, Show::Masked), context).await?;
    Ok(decisions)
}

/// Events as they stand in the log.
///
/// # Errors
/// [`AuditError`]; then nothing is shown.
pub async fn events(
    engine: &Engine,
    wanted: &Wanted,
    show: Show,
    context: &Context,
) -> Result<Events, AuditError> {
    check_position(engine, wanted.after).await?;
    let events = Events::of(engine, wanted, show).await?;
    record(&engine.handler, look(AuditSubject::Events, show), context).await?;
    Ok(events)
}

/// The user behind an address, also when they are erased.
///
/// # Errors
/// [`AuditError`]; then nothing is told.
pub async fn find(
    engine: &Engine,
    email: &whence_events::EmailAddress,
    context: &Context,
) -> Result<UserId, AuditError> {
    let user_id = engine.user_of(email).await?.ok_or(AuditError::NoSuchUser)?;
    let read = AuditRead { user_id: Some(user_id), ..look(AuditSubject::User, Show::Masked) };
    record(&engine.handler, read, context).await?;
    Ok(user_id)
}

/// A log can be read from its beginning, or from behind an event.
async fn check_position(engine: &Engine, after: Position) -> Result<(), AuditError> {
    if after > 0 && engine.store.event_at(after).await?.is_none() {
        return Err(AuditError::NoSuchPosition);
    }
    Ok(())
}

fn look(subject: AuditSubject, show: Show) -> AuditRead {
    AuditRead { subject, user_id: None, code: None, personal_data: show.is_open() }
}
