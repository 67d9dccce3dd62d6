//! A referral decision, with all that it was decided on.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use whence_events::{
    CodeKind, Event, Mac, NameEvent, Position, Recorded, ReferralCode, Refusal, RuleSettings,
    RulesEvent, Signal, StreamId, Timestamp, TouchId, UserEvent, UserId, Via,
};

use super::sentences;
use super::touch::Verdict;
use crate::engine::Engine;
use crate::store::StoreError;

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Where it stands in the log.
    pub position: Position,
    /// When it was made.
    pub at: Timestamp,
    /// On whose behalf.
    pub actor: String,
    /// About whom.
    pub user_id: UserId,
    /// Who referred them, when it was decided so.
    pub referrer_id: Option<UserId>,
    /// Why nobody did, when it was decided so.
    pub refused: Option<Refusal>,
    /// The code that came.
    pub code: Option<ReferralCode>,
    /// Where it was made.
    pub via: Via,
    /// The landing that it was decided on, when the cookie says which.
    pub touch_id: Option<TouchId>,
    /// When the code was picked up, when the cookie says so.
    pub touched_at: Option<Timestamp>,
    /// What was noticed.
    pub signals: Vec<Signal>,
    /// The version of the rules.
    pub rules_version: u16,
    /// What names their settings.
    pub rules_digest: Mac,
    /// In words.
    pub text: String,
}

impl Decision {
    /// The decision that an event is; `None`: it is something else.
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
            text: sentences::event(&recorded.event, super::Show::Masked),
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
    /// The code at that time.
    pub code_then: Option<CodeThen>,
    /// The settings of the rules that were in force.
    pub rules: Option<RuleSettings>,
}

impl Explained {
    /// `rules` being the stream that the decision names.
    pub(super) async fn of(
        engine: &Engine,
        decision: Decision,
        rules: &[Recorded],
    ) -> Result<Self, StoreError> {
        let moment = decision.touched_at.unwrap_or(decision.at);
        let code_then = match &decision.code {
            Some(code) => Some(CodeThen::of(engine, code, moment).await?),
            None => None,
        };
        let rules = rules.iter().find_map(|recorded| match &recorded.event {
            Event::Rules(RulesEvent::RulesAdopted(adopted)) => Some(adopted.settings.clone()),
            Event::Mailbox(_)
            | Event::User(_)
            | Event::Name(_)
            | Event::Touch(_)
            | Event::Audit(_)
            | Event::Unknown { .. } => None,
        });
        Ok(Self { decision, code_then, rules })
    }

    pub(super) fn verdict(&self) -> Verdict {
        let decision = &self.decision;
        Verdict {
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
    /// As it was issued, or as it came when it never was.
    pub code: ReferralCode,
    /// Its owner; none: it was never issued.
    pub owner: Option<UserId>,
    /// Its kind.
    pub kind: Option<CodeKind>,
    /// When it was issued.
    pub issued_at: Option<Timestamp>,
    /// When it was disabled, if ever.
    pub disabled_at: Option<Timestamp>,
    /// Whether it was in use at that time.
    pub active: bool,
}

impl CodeThen {
    pub(super) async fn of(
        engine: &Engine,
        code: &ReferralCode,
        moment: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut then = Self {
            code: code.clone(),
            owner: owner(engine, code).await?,
            kind: None,
            issued_at: None,
            disabled_at: None,
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
        }
        let issued = then.issued_at.is_some_and(|at| at <= moment);
        then.active = issued && then.disabled_at.is_none_or(|at| at > moment);
        Ok(then)
    }
}

/// Who has a code.
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
        | Event::Unknown { .. } => None,
    }))
}
