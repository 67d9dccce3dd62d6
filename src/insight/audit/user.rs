//! One user: who they were, who referred them and why, and everything that happened.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use whence_events::{
    EmailKey, Event, MailboxEvent, Recorded, ReferralCode, StreamId, Timestamp, TouchId, UserEvent,
    UserId,
};

use super::attribution::AttributionStory;
use super::error::AuditError;
use super::evidence::EventPlace;
use super::line::EventLine;
use super::personal::Show;
use crate::engine::Engine;
use crate::store::StoreError;

/// The story of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserStory {
    /// The user's id.
    pub user_id: UserId,
    /// The time at which they registered.
    pub registered_at: Timestamp,
    /// Their address, as far as it is shown and can be read.
    pub email: Option<String>,
    /// The time at which they were erased.
    pub erased_at: Option<Timestamp>,
    /// The time since when they are suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
    /// The time at which they are erased, as they asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure_due_at: Option<Timestamp>,
    /// What other programs than whence wrote into the streams of the user, or cut from them: one
    /// sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history_cut: Vec<String>,
    /// Where they came from and who referred them.
    pub attribution: AttributionStory,
    /// Everything that happened, in order.
    pub timeline: Vec<EventLine>,
}

impl UserStory {
    /// Returns the places of the events that the story is told from: a proof of it has to hold
    /// these.
    #[must_use]
    pub fn places(&self) -> Vec<EventPlace> {
        let shown =
            self.timeline.iter().chain(&self.attribution.later).filter_map(EventLine::place);
        let decisions = self.attribution.decisions.iter().filter(|made| made.rules.is_some());
        let rules = decisions.map(|made| (StreamId::Rules(made.decision.rules_digest), 0));
        // Some events are in both lists; each is proved once.
        let mut seen = HashSet::new();
        shown.chain(rules).filter(|place| seen.insert(place.clone())).collect()
    }

    pub(super) async fn tell(
        engine: &Engine,
        user_id: UserId,
        show: Show,
    ) -> Result<Self, AuditError> {
        let stream = StreamId::User(user_id);
        let events = engine.stream(&stream).await?;
        let Some(first) = events.first() else {
            let foreign = engine.store.foreign_in(&stream);
            return Err(foreign.map_or(AuditError::NoSuchUser, AuditError::HistoryGone));
        };
        let registered_at = first.metadata.occurred_at;
        let known = RelatedStreams::of(&events);
        let touches = touches(engine, &known.touches).await?;
        let attribution = AttributionStory::tell(engine, &events, &touches, show).await?;
        let mut related = touches;
        let mut streams = vec![stream];
        streams.extend(known.email_keys.iter().copied().map(StreamId::Mailbox));
        streams.extend(known.codes.iter().map(StreamId::code));
        for email_key in &known.email_keys {
            let mailbox = engine.stream(&StreamId::Mailbox(*email_key)).await?;
            related.extend(theirs(mailbox, user_id));
        }
        for code in &known.codes {
            related.extend(engine.stream(&StreamId::code(code)).await?);
        }
        let email = match events.iter().rfind(|event| names_address(event)) {
            Some(registered) => email(engine, registered, show).await?,
            None => None,
        };
        related.extend(events);
        let timeline = EventLine::all(engine, &related, show).await?;
        let erased_at = known.erased_at;
        // Asked last: reading a stream shows what was done to it.
        let cut = streams.iter().filter_map(|stream| engine.store.foreign_in(stream));
        let history_cut = cut.map(|foreign| foreign.to_string()).collect();
        Ok(Self {
            user_id,
            registered_at,
            email,
            erased_at,
            suspended_at: known.suspended_at,
            erasure_due_at: known.erasure_due_at,
            history_cut,
            attribution,
            timeline,
        })
    }
}

/// The other streams that a user's stream leads to, and when the user was erased.
#[derive(Default)]
struct RelatedStreams {
    email_keys: Vec<EmailKey>,
    touches: BTreeSet<TouchId>,
    codes: Vec<ReferralCode>,
    erased_at: Option<Timestamp>,
    suspended_at: Option<Timestamp>,
    erasure_due_at: Option<Timestamp>,
}

impl RelatedStreams {
    fn of(events: &[Recorded]) -> Self {
        let mut known = Self::default();
        for recorded in events {
            let Event::User(event) = &recorded.event else { continue };
            known.touches.extend(touch_of(event));
            if let UserEvent::UserRegistered(registered) = event.as_ref() {
                known.email_keys.push(registered.email_key);
            }
            if let UserEvent::EmailChanged(changed) = event.as_ref()
                && !known.email_keys.contains(&changed.email_key)
            {
                known.email_keys.push(changed.email_key);
            }
            if let UserEvent::ReferralCodeIssued(issued) = event.as_ref() {
                known.codes.push(issued.code.clone());
            }
            if let UserEvent::UserErased(_) = event.as_ref() {
                known.erased_at = Some(recorded.metadata.occurred_at);
                known.erasure_due_at = None;
            }
            if let UserEvent::ErasureRequested(requested) = event.as_ref() {
                known.erasure_due_at = Some(requested.due_at);
            }
            if let UserEvent::ErasureCancelled(_) = event.as_ref() {
                known.erasure_due_at = None;
            }
            if let UserEvent::UserSuspended(_) = event.as_ref() {
                known.suspended_at = Some(recorded.metadata.occurred_at);
            }
            if let UserEvent::UserReinstated(_) = event.as_ref() {
                known.suspended_at = None;
            }
        }
        known
    }
}

/// Returns the touch that an event of a user names.
fn touch_of(event: &UserEvent) -> Option<TouchId> {
    if let UserEvent::ReferralAttributed(referral) = event {
        return referral.touch_id;
    }
    if let UserEvent::ReferralRefused(refused) = event {
        return refused.evidence.touch_id;
    }
    event.snapshot().and_then(|origin| origin.touch_id)
}

/// Returns every recorded touch of the visitor who made these.
pub(super) async fn touches(
    engine: &Engine,
    named: &BTreeSet<TouchId>,
) -> Result<Vec<Recorded>, StoreError> {
    let mut touches = vec![];
    for touch in engine.touches_of_visitor(named).await? {
        touches.extend(engine.stream(&StreamId::Touch(touch)).await?);
    }
    touches.sort_by_key(|touch| touch.position);
    Ok(touches)
}

/// Returns the part of an address's history in which it was this user's: from the release before to
/// theirs.
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

/// Returns whether an event says which address the user has.
fn names_address(recorded: &Recorded) -> bool {
    matches!(&recorded.event, Event::User(event) if matches!(event.as_ref(),
        UserEvent::UserRegistered(_) | UserEvent::EmailChanged(_) | UserEvent::EmailChangeUndone(_)))
}

async fn email(
    engine: &Engine,
    recorded: &Recorded,
    show: Show,
) -> Result<Option<String>, StoreError> {
    let mut event = recorded.event.clone();
    engine.vault.open_event(&recorded.stream, recorded.version, &mut event).await?;
    let Event::User(event) = event else { return Ok(None) };
    if let UserEvent::EmailChanged(changed) = event.as_ref() {
        return Ok(Some(show.email(&changed.email)));
    }
    if let UserEvent::EmailChangeUndone(undone) = event.as_ref() {
        return Ok(Some(show.email(&undone.email)));
    }
    let UserEvent::UserRegistered(registered) = *event else { return Ok(None) };
    Ok(Some(show.email(&registered.email)))
}
