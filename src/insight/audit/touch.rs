//! The landings of one visitor, and why each of them counted or did not.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use whence_events::{
    CodeStatus, Event, Position, Recorded, ReferralCode, Refusal, StreamId, Timestamp, TouchId,
    UserId,
};

use super::sentences;

/// A recorded landing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchStory {
    /// The id of the touch.
    pub touch_id: TouchId,
    /// The position of its event in the log.
    pub position: Position,
    /// The time of the landing.
    pub at: Timestamp,
    /// The code of the link.
    pub code: Option<ReferralCode>,
    /// What that code was.
    pub code_status: CodeStatus,
    /// The owner of that code.
    pub owner: Option<UserId>,
    /// The landing page.
    pub landing_page: String,
    /// The site that the visitor came from.
    pub referrer_domain: Option<String>,
    /// Whether a bot made it.
    pub bot: bool,
    /// Whether it was counted together with an earlier one.
    pub deduplicated: bool,
    /// The campaign parameters, in words.
    pub campaign: String,
    /// Whether it is the landing that was decided on.
    pub decided_on: bool,
    /// Why it counted or did not, in words.
    pub why: String,
}

/// The decision that touches are compared with.
#[derive(Clone, Debug, Default)]
pub(super) struct StandingDecision {
    pub(super) refused: Option<Refusal>,
    pub(super) touch_id: Option<TouchId>,
    pub(super) touched_at: Option<Timestamp>,
    pub(super) code: Option<ReferralCode>,
    pub(super) decided_at: Timestamp,
    pub(super) window: Option<Duration>,
}

impl TouchStory {
    /// Returns the story of a recorded touch; `None`: it is another kind of event.
    pub(super) fn of(recorded: &Recorded, verdict: Option<&StandingDecision>) -> Option<Self> {
        let (StreamId::Touch(touch_id), Event::Touch(event)) = (&recorded.stream, &recorded.event)
        else {
            return None;
        };
        let touch = event.touch();
        let mut story = Self {
            touch_id: *touch_id,
            position: recorded.position,
            at: recorded.metadata.occurred_at,
            code: touch.code.clone(),
            code_status: touch.code_status,
            owner: touch.owner,
            landing_page: touch.landing_page.clone(),
            referrer_domain: touch.referrer_domain.clone(),
            bot: touch.bot,
            deduplicated: touch.deduplicated,
            campaign: sentences::campaign(&touch.utm),
            decided_on: verdict.is_some_and(|verdict| verdict.touch_id == Some(*touch_id)),
            why: String::new(),
        };
        story.why =
            verdict.map_or_else(|| story.without_decision(), |verdict| story.against(verdict));
        if touch.said_by_client {
            story.why += "; nobody but the client saw it";
        }
        if story.bot {
            story.why += "; a bot made it, which is noted and refuses nothing";
        }
        Some(story)
    }

    fn without_decision(&self) -> String {
        match self.code_status {
            CodeStatus::None => "it had no referral code".into(),
            CodeStatus::Known
            | CodeStatus::Inactive
            | CodeStatus::Unknown
            | CodeStatus::Malformed => "no referral was decided for this user".into(),
        }
    }

    /// Returns why this touch counted or did not, given the decision.
    fn against(&self, verdict: &StandingDecision) -> String {
        let code = match (self.code_status, &self.code) {
            (CodeStatus::Malformed, _) => {
                return "what stood in its link is no referral code".into();
            }
            (CodeStatus::None, _) | (_, None) => {
                return "it had no referral code: it can tell where they came from, not who sent \
                        them"
                    .into();
            }
            (CodeStatus::Known | CodeStatus::Inactive | CodeStatus::Unknown, Some(code)) => code,
        };
        if self.decided_on {
            return match verdict.refused {
                None => "it won: its code is the one that was credited".into(),
                Some(reason) => {
                    format!("it was decided on, and refused: {}", sentences::refusal(reason))
                }
            };
        }
        if self.at > verdict.decided_at {
            return "it came after the decision".into();
        }
        match self.code_status {
            CodeStatus::Unknown => return "its code was never issued".into(),
            CodeStatus::Inactive => return "its code was not in use any more".into(),
            CodeStatus::None | CodeStatus::Known | CodeStatus::Malformed => {}
        }
        let same = verdict.code.as_ref().is_some_and(|won| won.folded() == code.folded());
        match (same, verdict.touched_at) {
            (true, _) if self.deduplicated => {
                "the same code within the hour: counted with the earlier one".into()
            }
            (true, _) => "the same code: a later landing with it began its window anew".into(),
            (false, Some(won)) if self.at < won => self.before(won, verdict),
            (false, Some(_)) => {
                "the visitor carried the code that was decided on by then, and the \
                                 first one counts while its window is open"
                    .into()
            }
            (false, None) => {
                "the browser brought another code, which does not say since when".into()
            }
        }
    }

    /// Returns why an earlier touch with another code did not count.
    fn before(&self, won: Timestamp, verdict: &StandingDecision) -> String {
        match verdict.window {
            Some(window) if won.since(self.at) > window => {
                "its window was over when the visitor came with the code that was decided on".into()
            }
            Some(_) | None => "the browser did not bring its code any more: a later link replaced \
                               it (--referral-model last), or its cookie was gone"
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_767_225_600_000_000 + seconds * 1_000_000)
    }

    fn id(n: u128) -> TouchId {
        TouchId(uuid::Uuid::from_u128(n))
    }

    fn touch(n: u128, seconds: i64, code: &str) -> TouchStory {
        TouchStory {
            touch_id: id(n),
            position: 1,
            at: at(seconds),
            code: code.parse().ok(),
            code_status: if code.is_empty() { CodeStatus::None } else { CodeStatus::Known },
            owner: None,
            landing_page: "/".into(),
            referrer_domain: None,
            bot: false,
            deduplicated: false,
            campaign: String::new(),
            decided_on: n == 1,
            why: String::new(),
        }
    }

    fn verdict() -> StandingDecision {
        StandingDecision {
            refused: None,
            touch_id: Some(id(1)),
            touched_at: Some(at(1000)),
            code: "WINNER".parse().ok(),
            decided_at: at(2000),
            window: Some(Duration::from_secs(500)),
        }
    }

    #[test]
    fn each_touch_has_the_reason_that_is_its_own() {
        let why = |touch: TouchStory| touch.against(&verdict());
        assert!(why(touch(1, 1000, "WINNER")).starts_with("it won"));
        assert!(why(touch(2, 1500, "other")).contains("the first one counts"));
        assert!(why(touch(2, 499, "other")).contains("window was over"));
        assert!(why(touch(2, 500, "other")).contains("did not bring its code any more"));
        assert!(why(touch(2, 900, "winner")).contains("began its window anew"));
        assert!(why(touch(2, 2001, "other")).contains("after the decision"));
        assert!(why(touch(2, 900, "")).contains("no referral code"));
        let deduplicated = TouchStory { deduplicated: true, ..touch(2, 1100, "WINNER") };
        assert!(why(deduplicated).contains("within the hour"));
        let unknown = TouchStory { code_status: CodeStatus::Unknown, ..touch(2, 900, "typo") };
        assert!(why(unknown).contains("never issued"));
        let inactive = TouchStory { code_status: CodeStatus::Inactive, ..touch(2, 900, "old") };
        assert!(why(inactive).contains("not in use any more"));
        let malformed = TouchStory { code_status: CodeStatus::Malformed, ..touch(2, 900, "") };
        assert!(why(malformed).contains("no referral code"));
    }

    #[test]
    fn of_a_refusal_the_touch_that_was_decided_on_has_its_reason() {
        for reason in Refusal::ALL {
            let verdict = StandingDecision { refused: Some(*reason), ..verdict() };
            let why = touch(1, 1000, "WINNER").against(&verdict);
            assert!(why.ends_with(sentences::refusal(*reason)), "{why}");
        }
    }

    #[test]
    fn an_unsigned_cookie_says_nothing_of_its_touch() {
        let verdict = StandingDecision { touch_id: None, touched_at: None, ..verdict() };
        let why = touch(2, 900, "other").against(&verdict);
        assert!(why.contains("does not say since when"), "{why}");
    }
}
