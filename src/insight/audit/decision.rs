//! A referral decision, with everything that it was decided on.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use whence_events::{
    CodeKind, Event, Mac, NameEvent, Position, Recorded, ReferralCode, Refusal, RuleSettings,
    RulesEvent, Signal, StreamId, Timestamp, TouchId, UserEvent, UserId, Via,
};

use super::personal::Show;
use super::sentences;
use super::touch::StandingDecision;
use crate::engine::Engine;
use crate::store::StoreError;

/// A referral decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The position of its event in the log.
    pub position: Position,
    /// The time at which it was made.
    pub at: Timestamp,
    /// The actor on whose behalf it was made.
    pub actor: String,
    /// The user whom it is about.
    pub user_id: UserId,
    /// The referrer, when it attributed.
    pub referrer_id: Option<UserId>,
    /// The reason of the refusal, when it did not.
    pub refused: Option<Refusal>,
    /// The code that the browser sent.
    pub code: Option<ReferralCode>,
    /// The call that led to it.
    pub via: Via,
    /// The landing that it was decided on, when the cookie says which.
    pub touch_id: Option<TouchId>,
    /// The time at which the code was picked up, when the cookie says so.
    pub touched_at: Option<Timestamp>,
    /// The signals that were noted.
    pub signals: Vec<Signal>,
    /// The version of the rules.
    pub rules_version: u16,
    /// The digest of the settings of the rules, which names their stream.
    pub rules_digest: Mac,
    /// The decision in words.
    pub text: String,
}

impl Decision {
    /// Returns the decision that an event is; `None`: it is another kind of event.
    pub(super) fn of(recorded: &Recorded) -> Option<Self> {
        let (StreamId::User(user_id), Event::User(event)) = (&recorded.stream, &recorded.event)
        else {
            return None;
        };
        let base = Self {
            position: recorded.position,
            at: recorded.metadata.occurred_at,
            actor: recorded.metadata.actor.to_string(),
            user_id: *user_id,
            referrer_id: None,
            refused: None,
            code: None,
            via: Via::Verify,
            touch_id: None,
            touched_at: None,
            signals: vec![],
            rules_version: 0,
            rules_digest: Mac([0; 16]),
            text: sentences::event(&recorded.event, Show::Masked),
        };
        if let UserEvent::ReferralAttributed(done) = event.as_ref() {
            return Some(Self {
                referrer_id: Some(done.referrer_id),
                code: Some(done.code.clone()),
                via: done.via,
                touch_id: done.touch_id,
                touched_at: done.touched_at,
                signals: done.signals.clone(),
                rules_version: done.rules_version,
                rules_digest: done.rules_digest,
                ..base
            });
        }
        let UserEvent::ReferralRefused(refused) = event.as_ref() else { return None };
        Some(Self {
            refused: Some(refused.reason),
            code: refused.code.clone(),
            via: refused.via,
            touch_id: refused.evidence.touch_id,
            touched_at: refused.evidence.touched_at,
            signals: refused.signals.clone(),
            rules_version: refused.rules_version,
            rules_digest: refused.rules_digest,
            ..base
        })
    }
}

/// A decision with what the log knows about its code and its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
    /// The code as it was at that time.
    pub code_then: Option<CodeThen>,
    /// The settings of the rules that were in force.
    pub rules: Option<RuleSettings>,
}

impl Explained {
    /// Explains a decision; `rules` is the stream that it names.
    pub(super) async fn of(
        engine: &Engine,
        decision: Decision,
        rules: &[Recorded],
    ) -> Result<Self, StoreError> {
        let moment = decision.touched_at.unwrap_or(decision.at);
        let code_then = match &decision.code {
            Some(code) => Some(CodeThen::of(engine, code, moment, decision.at).await?),
            None => None,
        };
        let rules = rules.iter().find_map(|recorded| match &recorded.event {
            Event::Rules(RulesEvent::RulesAdopted(adopted)) => Some(adopted.settings.clone()),
            Event::Mailbox(_)
            | Event::User(_)
            | Event::Name(_)
            | Event::Touch(_)
            | Event::Audit(_)
            | Event::ApiKey(_)
            | Event::Unknown { .. } => None,
        });
        Ok(Self { decision, code_then, rules })
    }

    pub(super) fn standing_decision(&self) -> StandingDecision {
        let decision = &self.decision;
        StandingDecision {
            refused: decision.refused,
            touch_id: decision.touch_id,
            touched_at: decision.touched_at,
            code: decision.code.clone(),
            decided_at: decision.at,
            window: self.rules.as_ref().map(|rules| Duration::from_secs(rules.window_seconds)),
        }
    }
}

/// A code as it was at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeThen {
    /// The code as it was issued, or as it was sent when it never was.
    pub code: ReferralCode,
    /// Its owner; `None`: it was never issued.
    pub owner: Option<UserId>,
    /// Its kind.
    pub kind: Option<CodeKind>,
    /// The time at which it was issued.
    pub issued_at: Option<Timestamp>,
    /// The time at which it was disabled, if it was.
    pub disabled_at: Option<Timestamp>,
    /// The time since when an operator had it disabled, when the decision was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_at: Option<Timestamp>,
    /// Whether it was in use at that time.
    pub active: bool,
}

impl CodeThen {
    /// Returns a code as it was at some moment, for a decision that was made at another.
    pub(super) async fn of(
        engine: &Engine,
        code: &ReferralCode,
        moment: Timestamp,
        decided_at: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut then = Self {
            code: code.clone(),
            owner: owner(engine, code).await?,
            kind: None,
            issued_at: None,
            disabled_at: None,
            blocked_at: None,
            active: false,
        };
        let Some(owner) = then.owner else { return Ok(then) };
        for recorded in engine.stream(&StreamId::User(owner)).await? {
            let (at, Event::User(event)) = (recorded.metadata.occurred_at, &recorded.event) else {
                continue;
            };
            if let UserEvent::ReferralCodeIssued(issued) = event.as_ref()
                && issued.code.folded() == code.folded()
                && (then.issued_at.is_none() || at <= moment)
            {
                (then.code, then.kind) = (issued.code.clone(), Some(issued.kind));
                (then.issued_at, then.disabled_at) = (Some(at), None);
            }
            if let UserEvent::ReferralCodeDisabled(disabled) = event.as_ref()
                && disabled.code.folded() == code.folded()
            {
                then.disabled_at = then.disabled_at.or(Some(at));
            }
            if let UserEvent::ReferralCodeBlocked(blocked) = event.as_ref()
                && blocked.code.folded() == code.folded()
                && at <= decided_at
            {
                then.blocked_at = Some(at);
            }
            if let UserEvent::ReferralCodeUnblocked(unblocked) = event.as_ref()
                && unblocked.code.folded() == code.folded()
                && at <= decided_at
            {
                then.blocked_at = None;
            }
        }
        let issued = then.issued_at.is_some_and(|at| at <= moment);
        let given_up = then.disabled_at.is_some_and(|at| at <= moment);
        then.active = issued && !given_up && then.blocked_at.is_none();
        Ok(then)
    }
}

/// Returns the owner of a code.
pub(super) async fn owner(
    engine: &Engine,
    code: &ReferralCode,
) -> Result<Option<UserId>, StoreError> {
    let events = engine.stream(&StreamId::code(code)).await?;
    Ok(events.iter().find_map(|recorded| match &recorded.event {
        Event::Name(NameEvent::NameReserved(reserved)) => Some(reserved.owner),
        Event::Mailbox(_)
        | Event::User(_)
        | Event::Touch(_)
        | Event::Rules(_)
        | Event::Audit(_)
        | Event::ApiKey(_)
        | Event::Unknown { .. } => None,
    }))
}
