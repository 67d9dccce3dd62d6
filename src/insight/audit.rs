//! Audits: what the log says about a user or a code in words, why this referrer and not another,
//! and who did what.
//!
//! A story is told from the events themselves, so that it is as true as they are. Each reader is
//! recorded in the log before the story is shown.

mod attribution;
mod code;
mod decision;
mod error;
mod events;
mod evidence;
mod line;
mod own_data;
mod personal;
mod referrals;
mod sentences;
pub(crate) mod text;
mod touch;
mod user;

use whence_events::{
    ApiKeyId, AuditRead, AuditSubject, Position, ReferralCode, StreamId, Timestamp, UserId,
};

pub use attribution::{AttributionStory, SnapshotStory};
pub use code::{CodeStory, CreditedUser};
pub use decision::{CodeThen, Decision, Explained};
pub use error::AuditError;
pub use events::{EventPage, EventQuery, StoredEvent};
pub use evidence::{EventPlace, bundle};
pub use line::EventLine;
pub use own_data::{OwnData, OwnEvent, OwnLanding, OwnSession};
pub use personal::Show;
pub use referrals::{Decisions, TimeRange, time_range};
pub(crate) use sentences::refusal;
pub use touch::TouchStory;
pub use user::UserStory;

use crate::domain::audit::Audit;
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError, Handler};
use crate::store::StoreError;

/// Records that the context's actor is about to be shown something. A reader who cannot be recorded
/// is shown nothing.
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

/// Returns the story of a user.
pub async fn user(
    engine: &Engine,
    user_id: UserId,
    show: Show,
    context: &Context,
) -> Result<UserStory, AuditError> {
    let story = UserStory::tell(engine, user_id, show).await?;
    let read = AuditRead { user_id: Some(user_id), ..audit_read(AuditSubject::User, show) };
    record(&engine.handler, read, context).await?;
    Ok(story)
}

/// Returns everything about a user, for that user.
pub async fn own_data(
    engine: &Engine,
    user_id: UserId,
    site: &str,
    now: Timestamp,
    context: &Context,
) -> Result<OwnData, AuditError> {
    let data = OwnData::of(engine, user_id, site, now).await?;
    let read =
        AuditRead { user_id: Some(user_id), ..audit_read(AuditSubject::OwnData, Show::Open) };
    record(&engine.handler, read, context).await?;
    Ok(data)
}

/// Returns the story of a code.
pub async fn code(
    engine: &Engine,
    code: &ReferralCode,
    now: Timestamp,
    show: Show,
    context: &Context,
) -> Result<CodeStory, AuditError> {
    let story = CodeStory::tell(engine, code, now, show).await?;
    let read = AuditRead { code: Some(code.clone()), ..audit_read(AuditSubject::Code, show) };
    record(&engine.handler, read, context).await?;
    Ok(story)
}

/// Returns the events of an API key, in order; none when there is no such key.
pub async fn api_key(
    engine: &Engine,
    id: ApiKeyId,
    show: Show,
    context: &Context,
) -> Result<Vec<EventLine>, AuditError> {
    let events = engine.stream(&StreamId::ApiKey(id)).await?;
    let lines = EventLine::all(engine, &events, show).await?;
    record(&engine.handler, audit_read(AuditSubject::Events, show), context).await?;
    Ok(lines)
}

/// Returns a page of the referral decisions of a time, after a position.
pub async fn referrals(
    engine: &Engine,
    range: TimeRange,
    after: Position,
    context: &Context,
) -> Result<Decisions, AuditError> {
    check_position(engine, after).await?;
    let decisions = Decisions::of(engine, range, after).await?;
    record(&engine.handler, audit_read(AuditSubject::Referrals, Show::Masked), context).await?;
    Ok(decisions)
}

/// Returns a page of events as they are in the log.
pub async fn events(
    engine: &Engine,
    wanted: &EventQuery,
    show: Show,
    context: &Context,
) -> Result<EventPage, AuditError> {
    check_position(engine, wanted.after).await?;
    let events = EventPage::of(engine, wanted, show).await?;
    record(&engine.handler, audit_read(AuditSubject::Events, show), context).await?;
    Ok(events)
}

/// Returns the user with an address, also when they are erased.
pub async fn find(
    engine: &Engine,
    email: &whence_events::EmailAddress,
    context: &Context,
) -> Result<UserId, AuditError> {
    let user_id = engine.user_of(email).await?.ok_or(AuditError::NoSuchUser)?;
    let read = AuditRead { user_id: Some(user_id), ..audit_read(AuditSubject::User, Show::Masked) };
    record(&engine.handler, read, context).await?;
    Ok(user_id)
}

/// Refuses a position to continue from at which there is no event: a log can be read from its
/// beginning, or from after an event.
async fn check_position(engine: &Engine, after: Position) -> Result<(), AuditError> {
    if after > 0 && engine.store.event_at(after).await?.is_none() {
        return Err(AuditError::NoSuchPosition);
    }
    Ok(())
}

fn audit_read(subject: AuditSubject, show: Show) -> AuditRead {
    AuditRead { subject, user_id: None, code: None, personal_data: show.is_open() }
}
