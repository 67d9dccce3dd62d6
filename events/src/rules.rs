//! The rule settings that decisions name by digest: stream `rules-{digest}`.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{Country, Mac};

stream_family! {
    /// Facts about one set of rule settings.
    RulesEvent {
        RulesAdopted = "RulesAdopted.v1" [],
    }
}

/// Decisions with this digest were made by these settings; written before the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RulesAdopted {
    /// The first half of SHA-256 over the settings' JSON.
    pub digest: Mac,
    /// The settings.
    pub settings: RuleSettings,
}

/// All that the referral decision depends on besides the facts of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuleSettings {
    /// Version of the rules in the code.
    pub rules_version: u16,
    /// How long after its touch a code still counts.
    pub window_seconds: u64,
    /// How long after registration an account still counts as new.
    pub grace_seconds: u64,
    /// Whether `blocked_by_policy` exists.
    pub strict: bool,
    /// Strict: the most attributions of one referrer in 24 hours.
    pub velocity_cap: u32,
    /// Strict: countries that are refused, sorted.
    pub blocked_countries: Vec<Country>,
    /// Half of SHA-256 over the list of disposable mail domains; `null`: no list.
    pub disposable_domains: Option<Mac>,
}
