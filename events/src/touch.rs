//! A recorded landing: stream `touch-{touch_id}`, one event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{
    CodeStatus, Consent, Country, DeviceClass, FetchSite, Pii, ReferralCode, ReferrerKind, TouchId,
    UserId,
};

stream_family! {
    /// Facts about one landing.
    TouchEvent {
        TouchRecordedV1 = "TouchRecorded.v1" [referrer_url?],
        TouchRecorded = "TouchRecorded.v2" [referrer_url?],
    }
}

/// The five campaign parameters of a landing, as they stood in its query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Utm {
    /// `utm_source`
    pub source: Option<String>,
    /// `utm_medium`
    pub medium: Option<String>,
    /// `utm_campaign`
    pub campaign: Option<String>,
    /// `utm_term`
    pub term: Option<String>,
    /// `utm_content`
    pub content: Option<String>,
}

/// Advertisers' click ids by parameter name (`gclid`, `fbclid`, ...).
pub type ClickIds = BTreeMap<String, String>;

/// A visitor landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TouchRecorded {
    /// The code of `?ref=`, when well-formed.
    pub code: Option<ReferralCode>,
    /// What that code was.
    pub code_status: CodeStatus,
    /// The code's owner, when it is known.
    pub owner: Option<UserId>,
    /// Evidence: further well-formed codes of the same query, which count for nothing; at most 4.
    pub other_codes: Vec<ReferralCode>,
    /// Path of the page.
    pub landing_page: String,
    /// The `Referer`, when it is another site's.
    pub referrer_url: Option<Pii<String>>,
    /// Registrable domain of that address, by the public suffix list; of an app, its name.
    pub referrer_domain: Option<String>,
    /// What the `Referer` was: why the address is, or is not, here.
    pub referrer_kind: ReferrerKind,
    /// The visitor's first touch, this one or an earlier: what ties the touches of one visitor together.
    pub first_touch_id: Option<TouchId>,
    /// Campaign parameters.
    pub utm: Utm,
    /// Advertisers' click ids.
    pub click_ids: ClickIds,
    /// The creator whose page it was, when known.
    pub creator_id: Option<UserId>,
    /// Kind of device.
    pub device_class: Option<DeviceClass>,
    /// Country of the address.
    pub country: Option<Country>,
    /// Whether it was a bot.
    pub bot: bool,
    /// Rules that said so; 0: no bot rules were in force.
    pub bot_rules_version: u16,
    /// What the visitor agreed to.
    pub consent: Consent,
    /// Same code, address and user agent within the hour: not counted as another click.
    pub deduplicated: bool,
    /// `Sec-Fetch-Site` of the request.
    pub fetch_site: Option<FetchSite>,
}

/// A visitor landed, as the first version wrote it. It is read as the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "TouchRecorded"))]
pub struct TouchRecordedV1 {
    /// The code of `?ref=`, when well-formed.
    pub code: Option<ReferralCode>,
    /// What that code was.
    pub code_status: CodeStatus,
    /// The code's owner, when it is known.
    pub owner: Option<UserId>,
    /// Evidence: further well-formed codes of the same query, which count for nothing; at most 4.
    pub other_codes: Vec<ReferralCode>,
    /// Path of the page.
    pub landing_page: String,
    /// The `Referer`, when it is another site's.
    pub referrer_url: Option<Pii<String>>,
    /// What the `Referer` was: why the address is, or is not, here.
    pub referrer_kind: ReferrerKind,
    /// Campaign parameters.
    pub utm: Utm,
    /// Advertisers' click ids.
    pub click_ids: ClickIds,
    /// The creator whose page it was, when known.
    pub creator_id: Option<UserId>,
    /// Kind of device.
    pub device_class: Option<DeviceClass>,
    /// Country of the address.
    pub country: Option<Country>,
    /// Whether it was a bot.
    pub bot: bool,
    /// Rules that said so; 0: no bot rules were in force.
    pub bot_rules_version: u16,
    /// What the visitor agreed to.
    pub consent: Consent,
    /// Same code, address and user agent within the hour: not counted as another click.
    pub deduplicated: bool,
    /// `Sec-Fetch-Site` of the request.
    pub fetch_site: Option<FetchSite>,
}
