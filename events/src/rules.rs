//! The events of a set of rule settings, which decisions name by digest: stream `rules-{digest}`.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{Country, Mac};

stream_family! {
    /// The events of a rules stream.
    RulesEvent {
        RulesAdopted = "RulesAdopted.v1" [],
    }
}

/// A set of rule settings was adopted. It is recorded before the first decision with its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RulesAdopted {
    /// The first half of the SHA-256 over the JSON of the settings.
    pub digest: Mac,
    /// The settings that were adopted.
    pub settings: RuleSettings,
}

/// The settings that the referral decision depends on, besides the facts of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleSettings {
    /// The version of the rules in the program.
    pub rules_version: u16,
    /// The time after its touch in which a code still counts, in seconds.
    pub window_seconds: u64,
    /// The time after registration in which an account still counts as new, in seconds.
    pub grace_seconds: u64,
    /// Whether strict mode is on, in which attempts can be refused as `blocked_by_policy`.
    pub strict: bool,
    /// The number of attributions of one referrer in 24 hours from which strict mode refuses.
    pub velocity_cap: u32,
    /// The countries that strict mode refuses, sorted.
    pub blocked_countries: Vec<Country>,
    /// The first half of the SHA-256 over the list of disposable mail domains; `null`: no list.
    pub disposable_domains: Option<Mac>,
}
