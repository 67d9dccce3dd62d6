//! One referral code: its owner, what became of it, and the users who were credited to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{Event, ReferralCode, StreamId, Timestamp, UserEvent, UserId};

use super::decision::CodeThen;
use super::error::AuditError;
use super::evidence::EventPlace;
use super::line::EventLine;
use super::personal::Show;
use crate::engine::Engine;

/// How many users a story lists at most.
const MAX_CREDITED_USERS: u64 = 1000;

/// The story of a referral code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CodeStory {
    /// The code as it is now.
    #[serde(flatten)]
    pub code: CodeThen,
    /// Whether its owner can be credited.
    pub owner_active: bool,
    /// The users who were credited to it, the newest first.
    pub brought: Vec<CreditedUser>,
    /// What happened to it, in order.
    pub timeline: Vec<EventLine>,
}

/// A user who was credited to a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreditedUser {
    /// The user who came.
    pub user_id: UserId,
    /// The time of the decision.
    pub at: Timestamp,
}

impl CodeStory {
    /// Returns the places of the events that the story is told from: a proof of it has to hold
    /// these.
    #[must_use]
    pub fn places(&self) -> Vec<EventPlace> {
        self.timeline.iter().filter_map(EventLine::place).collect()
    }

    pub(super) async fn tell(
        engine: &Engine,
        code: &ReferralCode,
        now: Timestamp,
        show: Show,
    ) -> Result<Self, AuditError> {
        let then = CodeThen::of(engine, code, now, now).await?;
        let Some(owner) = then.owner else { return Err(AuditError::NoSuchCode) };
        let mut related = engine.stream(&StreamId::code(code)).await?;
        let mut owner_active = true;
        for recorded in engine.stream(&StreamId::User(owner)).await? {
            let Event::User(event) = &recorded.event else { continue };
            let ends =
                matches!(event.as_ref(), UserEvent::UserErased(_) | UserEvent::UserSuspended(_));
            let begins = matches!(event.as_ref(), UserEvent::UserReinstated(_));
            let about_owner = (ends || begins).then_some(begins);
            owner_active = about_owner.unwrap_or(owner_active);
            if about_owner.is_some() || is_about(event, code) {
                related.push(recorded);
            }
        }
        let users = engine.read_db.credited_by(owner, &then.code, MAX_CREDITED_USERS).await?;
        let brought = users.into_iter().map(|(user_id, at)| CreditedUser { user_id, at }).collect();
        let timeline = EventLine::all(engine, &related, show).await?;
        Ok(Self { code: then, owner_active, brought, timeline })
    }
}

fn is_about(event: &UserEvent, code: &ReferralCode) -> bool {
    let is_it = |of: &ReferralCode| of.folded() == code.folded();
    if let UserEvent::ReferralCodeIssued(issued) = event {
        is_it(&issued.code)
    } else if let UserEvent::ReferralCodeDisabled(disabled) = event {
        is_it(&disabled.code)
    } else if let UserEvent::ReferralCodeBlocked(blocked) = event {
        is_it(&blocked.code)
    } else if let UserEvent::ReferralCodeUnblocked(unblocked) = event {
        is_it(&unblocked.code)
    } else {
        false
    }
}
