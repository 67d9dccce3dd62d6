//! One user: who they were, who brought them and why, and all that happened.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use whence_events::{
    EmailKey, Event, MailboxEvent, Recorded, ReferralCode, StreamId, Timestamp, TouchId, UserEvent,
    UserId,
};

use super::AuditError;
use super::attribution::Attribution;
use super::evidence::Place;
use super::line::Line;
use super::personal::Show;
use crate::engine::Engine;
use crate::store::StoreError;

/// A user's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserStory {
    /// Who.
    pub user_id: UserId,
    /// When they registered.
    pub registered_at: Timestamp,
    /// Their address, as far as it may and can be read.
    pub email: Option<String>,
    /// When they were erased.
    pub erased_at: Option<Timestamp>,
    /// Whence they came and who brought them.
    pub attribution: Attribution,
    /// All that happened, in order.
    pub timeline: Vec<Line>,
}

impl UserStory {
    /// The events that it is told from: what a proof of it has to hold.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let told = self.timeline.iter().chain(&self.attribution.later).filter_map(Line::place);
        let decisions = self.attribution.decisions.iter().filter(|made| made.rules.is_some());
        let rules = decisions.map(|made| (StreamId::Rules(made.decision.rules_digest), 0));
        // Some of it is in both lists; each is proved once.
        let mut seen = HashSet::new();
        told.chain(rules).filter(|place| seen.insert(place.clone())).collect()
    }

    pub(super) async fn tell(
        engine: &Engine,
        user_id: UserId,
        show: Show,
    ) -> Result<Self, AuditError> {
        let events = engine.stream(&StreamId::User(user_id)).await?;
        let Some(first) = events.first() else { return Err(AuditError::NoSuchUser) };
        let registered_at = first.metadata.occurred_at;
        let known = Known::of(&events);
        let touches = touches(engine, &known.touches).await?;
        let attribution = Attribution::tell(engine, &events, &touches, show).await?;
        let mut told = touches;
        if let Some(email_key) = known.email_key {
            let mailbox = engine.stream(&StreamId::Mailbox(email_key)).await?;
            told.extend(theirs(mailbox, user_id));
        }
        for code in &known.codes {
            told.extend(engine.stream(&StreamId::code(code)).await?);
        }
        let email = match events.iter().find(|event| is_registration(event)) {
            Some(registered) => email(engine, registered, show).await?,
            None => None,
        };
        told.extend(events);
        let timeline = Line::all(engine, &told, show).await?;
        let erased_at = known.erased_at;
        Ok(Self { user_id, registered_at, email, erased_at, attribution, timeline })
    }
}

/// What a user's stream says about where else to look.
#[derive(Default)]
struct Known {
    email_key: Option<EmailKey>,
    touches: BTreeSet<TouchId>,
    codes: Vec<ReferralCode>,
    erased_at: Option<Timestamp>,
}

impl Known {
    fn of(events: &[Recorded]) -> Self {
        let mut known = Self::default();
        for recorded in events {
            let Event::User(event) = &recorded.event else { continue };
            known.touches.extend(touch_of(event));
            if let UserEvent::UserRegistered(registered) = event.as_ref() {
                known.email_key = Some(registered.email_key);
            }
            if let UserEvent::ReferralCodeIssued(issued) = event.as_ref() {
                known.codes.push(issued.code.clone());
            }
            if let UserEvent::UserErased(_) = event.as_ref() {
                known.erased_at = Some(recorded.metadata.occurred_at);
            }
        }
        known
    }
}

/// The touch that an event of a user names.
fn touch_of(event: &UserEvent) -> Option<TouchId> {
    if let UserEvent::ReferralAttributed(referral) = event {
        return referral.touch_id;
    }
    if let UserEvent::ReferralRefused(refused) = event {
        return refused.evidence.touch_id;
    }
    event.snapshot().and_then(|origin| origin.touch_id)
}

/// Every recorded touch of the visitor who made these.
async fn touches(engine: &Engine, named: &BTreeSet<TouchId>) -> Result<Vec<Recorded>, StoreError> {
    let mut touches = vec![];
    for touch in engine.touches_of_visitor(named).await? {
        touches.extend(engine.stream(&StreamId::Touch(touch)).await?);
    }
    touches.sort_by_key(|touch| touch.position);
    Ok(touches)
}

/// The part of an address's history in which it was this user's: from the release before to theirs.
fn theirs(mailbox: Vec<Recorded>, user_id: UserId) -> Vec<Recorded> {
    let mut part = vec![];
    let mut claimed = false;
    for recorded in mailbox {
        let released = matches!(
            &recorded.event,
            Event::Mailbox(MailboxEvent::MailboxReleased(_) | MailboxEvent::MailboxForgotten(_))
        );
        claimed |= matches!(&recorded.event,
            Event::Mailbox(MailboxEvent::MailboxClaimed(claim)) if claim.user_id == user_id);
        part.push(recorded);
        if released && claimed {
            return part;
        }
        if released {
            part.clear();
        }
    }
    part
}

fn is_registration(recorded: &Recorded) -> bool {
    matches!(&recorded.event, Event::User(event)
        if matches!(event.as_ref(), UserEvent::UserRegistered(_)))
}

async fn email(
    engine: &Engine,
    recorded: &Recorded,
    show: Show,
) -> Result<Option<String>, StoreError> {
    let mut event = recorded.event.clone();
    engine.vault.open_event(&recorded.stream, recorded.version, &mut event).await?;
    let Event::User(event) = event else { return Ok(None) };
    let UserEvent::UserRegistered(registered) = *event else { return Ok(None) };
    Ok(Some(show.email(&registered.email)))
}
