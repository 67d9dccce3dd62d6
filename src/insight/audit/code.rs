//! One referral code: whose it is, what became of it, whom it brought.

use serde::{Deserialize, Serialize};
use whence_events::{Event, ReferralCode, StreamId, Timestamp, UserEvent, UserId};

use super::AuditError;
use super::decision::CodeThen;
use super::evidence::Place;
use super::line::Line;
use super::personal::Show;
use crate::engine::Engine;

/// Whom a code brought, at most this many of them.
const MAX_BROUGHT: u64 = 1000;

/// A code's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeStory {
    /// The code as it is now.
    #[serde(flatten)]
    pub code: CodeThen,
    /// Whether its owner can be credited.
    pub owner_active: bool,
    /// Who was credited to it, the newest first.
    pub brought: Vec<Brought>,
    /// What happened to it, in order.
    pub timeline: Vec<Line>,
}

/// Somebody whom a code brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// Who.
    pub user_id: UserId,
    /// When that was decided.
    pub at: Timestamp,
}

impl CodeStory {
    /// The events that it is told from: what a proof of it has to hold.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        self.timeline.iter().filter_map(Line::place).collect()
    }

    pub(super) async fn tell(
        engine: &Engine,
        code: &ReferralCode,
        now: Timestamp,
        show: Show,
    ) -> Result<Self, AuditError> {
        let then = CodeThen::of(engine, code, now).await?;
        let Some(owner) = then.owner else { return Err(AuditError::NoSuchCode) };
        let mut told = engine.stream(&StreamId::code(code)).await?;
        let mut owner_active = true;
        for recorded in engine.stream(&StreamId::User(owner)).await? {
            let Event::User(event) = &recorded.event else { continue };
            let erased = matches!(event.as_ref(), UserEvent::UserErased(_));
            owner_active &= !erased;
            if erased || is_about(event, code) {
                told.push(recorded);
            }
        }
        let brought = engine.read_db.credited_by(owner, &then.code, MAX_BROUGHT).await?;
        let brought = brought.into_iter().map(|(user_id, at)| Brought { user_id, at }).collect();
        let timeline = Line::all(engine, &told, show).await?;
        Ok(Self { code: then, owner_active, brought, timeline })
    }
}

fn is_about(event: &UserEvent, code: &ReferralCode) -> bool {
    if let UserEvent::ReferralCodeIssued(issued) = event {
        return issued.code.folded() == code.folded();
    }
    matches!(event, UserEvent::ReferralCodeDisabled(disabled)
        if disabled.code.folded() == code.folded())
}
