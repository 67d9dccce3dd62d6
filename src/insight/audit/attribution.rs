//! The attribution of a user: where they came from, who referred them and why, and what was done
//! about it since.

use serde::{Deserialize, Serialize};
use whence_events::{
    Event, Position, Recorded, ReferralCode, StreamId, Timestamp, TouchId, UserEvent, UserId,
};

use super::decision::{Decision, Explained};
use super::line::EventLine;
use super::personal::Show;
use super::sentences;
use super::touch::TouchStory;
use crate::engine::Engine;
use crate::store::StoreError;

/// Where a user came from, who referred them, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributionStory {
    /// The attribution snapshot, frozen when they registered.
    pub origin: Option<SnapshotStory>,
    /// The decisions about who referred them, in order; at most one attributes.
    pub decisions: Vec<Explained>,
    /// Every landing of theirs on record, and why it counted or did not.
    pub touches: Vec<TouchStory>,
    /// Later acts that bear on the decision.
    pub later: Vec<EventLine>,
}

/// An attribution snapshot, with its personal data as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStory {
    /// The position of its event in the log.
    pub position: Position,
    /// The first touch.
    pub touch_id: Option<TouchId>,
    /// The time of the first touch.
    pub touched_at: Option<Timestamp>,
    /// The site that the first touch came from.
    pub referrer_domain: Option<String>,
    /// The creator whose page the first touch was on.
    pub creator_id: Option<UserId>,
    /// The snapshot in words.
    pub text: String,
}

impl AttributionStory {
    /// Returns the decision that counts: the one that attributed, else the last that did not.
    #[must_use]
    pub fn decision(&self) -> Option<&Explained> {
        let attributed = |explained: &&Explained| explained.decision.referrer_id.is_some();
        self.decisions.iter().find(attributed).or(self.decisions.last())
    }

    pub(super) async fn tell(
        engine: &Engine,
        events: &[Recorded],
        touches: &[Recorded],
        show: Show,
    ) -> Result<Self, StoreError> {
        let mut decisions = vec![];
        for decision in events.iter().filter_map(Decision::of) {
            let rules = engine.stream(&StreamId::Rules(decision.rules_digest)).await?;
            decisions.push(Explained::of(engine, decision, &rules).await?);
        }
        let mut story = Self { origin: None, decisions, touches: vec![], later: vec![] };
        let verdict = story.decision().map(Explained::standing_decision);
        let touch = |touch| TouchStory::of(touch, verdict.as_ref());
        story.touches = touches.iter().filter_map(touch).collect();
        for recorded in events {
            story.origin = story.origin.or(origin(engine, recorded, show).await?);
        }
        story.later = story.later_acts(engine, events, show).await?;
        Ok(story)
    }

    /// Returns what was done to the user, to the code and to its owner after the decision.
    async fn later_acts(
        &self,
        engine: &Engine,
        events: &[Recorded],
        show: Show,
    ) -> Result<Vec<EventLine>, StoreError> {
        let Some(standing) = self.decision() else { return Ok(vec![]) };
        let after = standing.decision.position;
        let own = events.iter().filter(|event| event.position > after && is_act(event));
        let mut acts: Vec<_> = own.cloned().collect();
        if let Some(then) = &standing.code_then
            && let Some(owner) = then.owner
            && owner != standing.decision.user_id
        {
            let theirs = engine.stream(&StreamId::User(owner)).await?;
            let about_it = |event: &Recorded| event.position > after && is_end(event, &then.code);
            acts.extend(theirs.into_iter().filter(about_it));
        }
        EventLine::all(engine, &acts, show).await
    }
}

async fn origin(
    engine: &Engine,
    recorded: &Recorded,
    show: Show,
) -> Result<Option<SnapshotStory>, StoreError> {
    let Event::User(event) = &recorded.event else { return Ok(None) };
    let Some(origin) = event.snapshot() else { return Ok(None) };
    let mut opened = recorded.event.clone();
    engine.vault.open_event(&recorded.stream, recorded.version, &mut opened).await?;
    Ok(Some(SnapshotStory {
        position: recorded.position,
        touch_id: origin.touch_id,
        touched_at: origin.touched_at,
        referrer_domain: origin.referrer_domain.clone(),
        creator_id: origin.acquired_via_creator_id,
        text: sentences::event(&opened, show),
    }))
}

/// Returns whether an event did something to the account, rather than use it.
fn is_act(recorded: &Recorded) -> bool {
    let Event::User(event) = &recorded.event else { return true };
    match event.as_ref() {
        UserEvent::ReferralRefused(_)
        | UserEvent::ReferralAttributed(_)
        | UserEvent::SessionRevoked(_)
        | UserEvent::ReferralCodeDisabled(_)
        | UserEvent::ReferralCodeBlocked(_)
        | UserEvent::ReferralCodeUnblocked(_)
        | UserEvent::SessionsRevoked(_)
        | UserEvent::UserSuspended(_)
        | UserEvent::UserReinstated(_)
        | UserEvent::ProfileUpdated(_)
        | UserEvent::BillingCustomerLinked(_)
        | UserEvent::EmailChanged(_)
        | UserEvent::EmailChangeUndone(_)
        | UserEvent::EmailChangeNoticed(_)
        | UserEvent::ErasureRequested(_)
        | UserEvent::ErasureCancelled(_)
        | UserEvent::UserErased(_) => true,
        UserEvent::UserRegistered(_)
        | UserEvent::AttributionCapturedV1(_)
        | UserEvent::AttributionCaptured(_)
        | UserEvent::SessionOpened(_)
        | UserEvent::SessionExtended(_)
        | UserEvent::RefreshRotated(_)
        | UserEvent::ReferralCodeIssued(_)
        | UserEvent::SubscriptionProvisioned(_)
        | UserEvent::WelcomeEmailSent(_)
        | UserEvent::WelcomeEmailFailed(_)
        | UserEvent::ErasureCompleted(_)
        | UserEvent::CreatorHandleClaimed(_) => false,
    }
}

/// Returns whether an event of the referrer ended the use of their code, be it for a time.
fn is_end(recorded: &Recorded, code: &ReferralCode) -> bool {
    let Event::User(event) = &recorded.event else { return false };
    if let UserEvent::ReferralCodeDisabled(disabled) = event.as_ref() {
        return disabled.code.folded() == code.folded();
    }
    if let UserEvent::ReferralCodeBlocked(blocked) = event.as_ref() {
        return blocked.code.folded() == code.folded();
    }
    matches!(event.as_ref(), UserEvent::UserErased(_) | UserEvent::UserSuspended(_))
}
