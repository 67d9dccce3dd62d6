//! The rule settings in force: every decision names them by digest, and the log keeps their
//! content.

use whence_events::{Event, Mac, RuleSettings, RulesAdopted, RulesEvent};

use super::{Decider, EventContext};

/// The version of the rules in `referral.rs`. Since 2 the rules of mail providers tell who is one person.
pub const RULES_VERSION: u16 = 2;

/// Rule settings, and the digest that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The settings that the digest names.
    pub settings: RuleSettings,
    /// The first half of the SHA-256 over their JSON.
    pub digest: Mac,
}

/// The state of a rules stream: whether the settings are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdoptedRules {
    adopted: bool,
}

/// The command that records settings.
#[derive(Clone, Debug)]
pub struct AdoptRules(pub Rules);

/// The rejection of commands that are never rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeverRejected {}

impl Decider for AdoptedRules {
    type Command = AdoptRules;
    type Event = RulesEvent;
    type Rejection = NeverRejected;

    fn event(event: &Event) -> Option<&RulesEvent> {
        if let Event::Rules(event) = event { Some(event) } else { None }
    }

    fn evolve(self, event: &RulesEvent, _: EventContext) -> Self {
        match event {
            RulesEvent::RulesAdopted(_) => Self { adopted: true },
        }
    }

    fn decide(&self, AdoptRules(rules): &AdoptRules) -> Result<Vec<RulesEvent>, NeverRejected> {
        if self.adopted {
            return Ok(vec![]);
        }
        let (digest, settings) = (rules.digest, rules.settings.clone());
        Ok(vec![RulesAdopted { digest, settings }.into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;

    #[test]
    fn settings_are_recorded_once() {
        let settings = RuleSettings {
            rules_version: RULES_VERSION,
            window_seconds: 1,
            grace_seconds: 2,
            strict: false,
            velocity_cap: 3,
            blocked_countries: vec![],
            disposable_domains: None,
        };
        let rules = Rules { settings: settings.clone(), digest: Mac([1; 16]) };
        let event = || RulesAdopted { digest: Mac([1; 16]), settings: settings.clone() }.into();
        given::<AdoptedRules>([]).when(AdoptRules(rules.clone())).then([event()]);
        given::<AdoptedRules>([event()]).when(AdoptRules(rules)).then([]);
    }
}
