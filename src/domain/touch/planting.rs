//! Which of two codes a visitor carries on: the one that they have, or the one of the link that they
//! opened.

use whence_events::{CodeStatus, ReferralCode, Timestamp};

use super::{Arrival, LandingRules, Model, PageRequest, RefCode, RefParam};

/// A code that a visitor carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCode {
    /// The code.
    pub code: ReferralCode,
    /// The time of its touch; of a cookie that does not say so, the current time.
    pub touched_at: Timestamp,
}

/// Two codes of which a visitor keeps one.
#[derive(Clone, Copy, Debug)]
pub struct Contest<'a> {
    /// The code that the visitor carries.
    pub held: &'a HeldCode,
    /// The code of the link.
    pub brought: &'a ReferralCode,
}

/// What is on record of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeRecord {
    /// It could not be looked up in time.
    Unavailable,
    /// The code was never issued.
    Nobodys,
    /// The code was issued.
    Issued {
        /// The time at which its owner gave it up.
        disabled_at: Option<Timestamp>,
        /// Whether it credits nobody at all: an operator disabled it, or its owner was erased.
        blocked: bool,
    },
}

impl CodeRecord {
    /// Returns the status of the code for a touch at a time. What cannot be looked up is unknown.
    #[must_use]
    pub fn status_at(self, touched_at: Timestamp) -> CodeStatus {
        match self {
            Self::Unavailable | Self::Nobodys => CodeStatus::Unknown,
            Self::Issued { disabled_at, blocked } => {
                let disabled = disabled_at.is_some_and(|at| at <= touched_at);
                if disabled || blocked { CodeStatus::Inactive } else { CodeStatus::Known }
            }
        }
    }

    /// Returns whether a touch at a time can credit somebody. A code that could not be looked up can:
    /// a store that is slow must not cost a referrer the credit.
    fn can_credit(self, touched_at: Timestamp) -> bool {
        self == Self::Unavailable || self.status_at(touched_at) == CodeStatus::Known
    }
}

impl Contest<'_> {
    /// Returns whether the code of the link is planted, by the model among codes that can credit
    /// somebody.
    ///
    /// A code that cannot never takes the place of one that can. One that cannot gives way: to any code
    /// by the model `last`, and to one that can by the model `first`.
    pub(super) fn brought_wins(
        &self,
        model: Model,
        now: Timestamp,
        held: CodeRecord,
        brought: CodeRecord,
    ) -> bool {
        let held = held.can_credit(self.held.touched_at);
        let brought = brought.can_credit(now);
        match model {
            Model::First => !held && brought,
            Model::Last => brought || !held,
        }
    }
}

impl Arrival {
    /// Returns the codes that the link can mean, the most literal one first.
    pub fn readings(&self) -> impl Iterator<Item = &ReferralCode> {
        self.code().into_iter().chain(&self.found.other_readings)
    }

    /// Takes the link for one with this code, which is one of its readings.
    pub fn read_as(&mut self, code: ReferralCode) {
        self.found.referral = RefParam::Code(code);
        self.found.other_readings.clear();
    }

    /// Returns the two codes of which one has to give way; `None` when the link has none, or the visitor
    /// carries no other.
    #[must_use]
    pub fn contest(&self) -> Option<Contest<'_>> {
        let (held, brought) = (self.held.as_ref()?, self.code()?);
        (held.code.folded() != brought.folded()).then_some(Contest { held, brought })
    }

    /// Decides a contest by what is on record of both codes.
    pub fn settle(&mut self, held: CodeRecord, brought: CodeRecord) {
        let plants =
            self.contest().map(|contest| contest.brought_wins(self.model, self.now, held, brought));
        self.settled = plants;
    }

    /// Returns whether the code is planted: unless it would replace another one that counts.
    pub(super) fn plants_code(&self) -> bool {
        // What is not on record, as in a program without a log, counts as somebody's.
        let by_model = || self.contest().is_none() || self.model == Model::Last;
        self.settled.unwrap_or_else(by_model)
    }
}

/// Returns the code that the visitor carries, when its window is open.
pub(super) fn held_code(request: &PageRequest<'_>, rules: &LandingRules) -> Option<HeldCode> {
    match request.ref_code.as_ref()? {
        RefCode::Signed(held) => {
            let live = rules.window.holds(held.touched_at, request.now);
            live.then(|| HeldCode { code: held.code.clone(), touched_at: held.touched_at })
        }
        // It does not say when it was planted; the browser drops it when its window is over.
        RefCode::Bare(code) => Some(HeldCode { code: code.clone(), touched_at: request.now }),
        RefCode::Invalid => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOUCHED: Timestamp = Timestamp::from_micros(1_000);
    const NOW: Timestamp = Timestamp::from_micros(2_000);

    const UNKNOWN: CodeRecord = CodeRecord::Nobodys;
    const LATE: CodeRecord = CodeRecord::Unavailable;
    const GOOD: CodeRecord = CodeRecord::Issued { disabled_at: None, blocked: false };
    const BLOCKED: CodeRecord = CodeRecord::Issued { disabled_at: None, blocked: true };

    fn given_up(at: Timestamp) -> CodeRecord {
        CodeRecord::Issued { disabled_at: Some(at), blocked: false }
    }

    fn brought_wins(model: Model, held: CodeRecord, brought: CodeRecord) -> bool {
        let carried = HeldCode { code: "held".parse().unwrap(), touched_at: TOUCHED };
        let contest = Contest { held: &carried, brought: &"brought".parse().unwrap() };
        contest.brought_wins(model, NOW, held, brought)
    }

    #[test]
    fn the_first_code_that_can_credit_somebody_stays() {
        let wins = |held, brought| brought_wins(Model::First, held, brought);
        for void in [UNKNOWN, BLOCKED, given_up(TOUCHED)] {
            assert!(wins(void, GOOD), "{void:?}");
            assert!(wins(void, LATE), "{void:?}: nothing is lost");
            assert!(!wins(void, UNKNOWN), "{void:?}");
            assert!(!wins(GOOD, void), "{void:?}");
        }
        assert!(!wins(GOOD, GOOD) && !wins(LATE, GOOD) && !wins(LATE, LATE));
        let since = given_up(Timestamp::from_micros(1_001));
        assert!(!wins(since, GOOD), "what was given up after its touch counts");
        assert!(wins(UNKNOWN, GOOD) && !wins(UNKNOWN, given_up(NOW)));
    }

    #[test]
    fn the_last_code_that_can_credit_somebody_wins() {
        let wins = |held, brought| brought_wins(Model::Last, held, brought);
        for void in [UNKNOWN, BLOCKED, given_up(TOUCHED)] {
            assert!(wins(void, GOOD) && wins(void, LATE) && wins(void, UNKNOWN), "{void:?}");
            assert!(!wins(GOOD, void), "{void:?}");
            assert!(!wins(LATE, void), "{void:?}: what is held may be somebody's");
        }
        assert!(wins(GOOD, GOOD) && wins(GOOD, LATE) && wins(LATE, LATE));
    }

    #[test]
    fn the_status_of_a_code_is_that_at_its_touch() {
        assert_eq!(UNKNOWN.status_at(NOW), CodeStatus::Unknown);
        assert_eq!(LATE.status_at(NOW), CodeStatus::Unknown);
        assert_eq!(GOOD.status_at(NOW), CodeStatus::Known);
        assert_eq!(BLOCKED.status_at(NOW), CodeStatus::Inactive);
        assert_eq!(given_up(NOW).status_at(NOW), CodeStatus::Inactive);
        assert_eq!(given_up(NOW).status_at(TOUCHED), CodeStatus::Known);
    }
}
