//! The event of a touch: stream `touch-{touch_id}`, which holds one event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{
    CodeStatus, Consent, Country, DeviceClass, FetchSite, Pii, ReferralCode, ReferrerKind, TouchId,
    UserId,
};

stream_family! {
    /// The events of a touch stream.
    TouchEvent {
        TouchRecordedV1 = "TouchRecorded.v1" [referrer_url?],
        TouchRecorded = "TouchRecorded.v2" [referrer_url?, agent?],
    }
}

/// The five campaign parameters of a landing, as given in its query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Utm {
    /// The parameter `utm_source`.
    pub source: Option<String>,
    /// The parameter `utm_medium`.
    pub medium: Option<String>,
    /// The parameter `utm_campaign`.
    pub campaign: Option<String>,
    /// The parameter `utm_term`.
    pub term: Option<String>,
    /// The parameter `utm_content`.
    pub content: Option<String>,
}

/// The ids of clicks and campaigns of advertisers, by parameter name in lower case (`gclid`,
/// `utm_id`, ...).
pub type ClickIds = BTreeMap<String, String>;

/// A touch was recorded: a visitor landed on a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TouchRecorded {
    /// The code of the `?ref=` parameter, when it is well-formed.
    pub code: Option<ReferralCode>,
    /// The status of the `?ref=` parameter.
    pub code_status: CodeStatus,
    /// The owner of the code, when the code was issued.
    pub owner: Option<UserId>,
    /// Further well-formed codes of the same query, at most 4, kept as evidence without effect.
    pub other_codes: Vec<ReferralCode>,
    /// The path of the page.
    pub landing_page: String,
    /// The referring page, when it is of another site: without its query, unless a setting keeps it.
    pub referrer_url: Option<Pii<String>>,
    /// The registrable domain of the referrer, by the public suffix list; the name of an app.
    pub referrer_domain: Option<String>,
    /// The kind of the `Referer`, which explains why its address is or is not recorded.
    pub referrer_kind: ReferrerKind,
    /// The visitor's first touch, this one or an earlier one, which all touches of a visitor share.
    pub first_touch_id: Option<TouchId>,
    /// The campaign parameters.
    pub utm: Utm,
    /// The ids of clicks and campaigns of advertisers.
    pub click_ids: ClickIds,
    /// The creator whose page it was, when the handle is claimed.
    pub creator_id: Option<UserId>,
    /// The kind of device.
    pub device_class: Option<DeviceClass>,
    /// The country of the IP address.
    pub country: Option<Country>,
    /// Whether the visitor was a bot, by the rules of that day.
    pub bot: bool,
    /// The version of these rules; 0: there were none.
    pub bot_rules_version: u16,
    /// The consent of the visitor.
    pub consent: Consent,
    /// Whether it repeats a touch of the last hour, of the same visitor by the same code or campaign,
    /// and is therefore not counted as a click. A visitor is known by the landing cookie, without one
    /// by address and user agent. Before, only touches with a code were repeats, by the latter two.
    pub deduplicated: bool,
    /// The `Sec-Fetch-Site` header of the request.
    pub fetch_site: Option<FetchSite>,
    /// The entry of the source list that the host of the referrer falls under; none: no entry, or a
    /// log of before there were entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_site: Option<String>,
    /// The `User-Agent` header, at most 512 bytes, so that a later rule about bots can judge again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Pii<String>>,
    /// Whether a native app said it at the start of a login, and no landing was seen here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub said_by_client: bool,
}

/// A touch was recorded, in the first version of the event. It is read as the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "TouchRecorded"))]
pub struct TouchRecordedV1 {
    /// The code of the `?ref=` parameter, when it is well-formed.
    pub code: Option<ReferralCode>,
    /// The status of the `?ref=` parameter.
    pub code_status: CodeStatus,
    /// The owner of the code, when the code was issued.
    pub owner: Option<UserId>,
    /// Further well-formed codes of the same query, at most 4, kept as evidence without effect.
    pub other_codes: Vec<ReferralCode>,
    /// The path of the page.
    pub landing_page: String,
    /// The `Referer` header, when it names another site.
    pub referrer_url: Option<Pii<String>>,
    /// The kind of the `Referer`, which explains why its address is or is not recorded.
    pub referrer_kind: ReferrerKind,
    /// The campaign parameters.
    pub utm: Utm,
    /// The click ids of advertisers.
    pub click_ids: ClickIds,
    /// The creator whose page it was, when the handle is claimed.
    pub creator_id: Option<UserId>,
    /// The kind of device.
    pub device_class: Option<DeviceClass>,
    /// The country of the IP address.
    pub country: Option<Country>,
    /// Whether the visitor was a bot; always `false`, because there were no rules about bots.
    pub bot: bool,
    /// The version of the bot rules; always 0.
    pub bot_rules_version: u16,
    /// The consent of the visitor.
    pub consent: Consent,
    /// Whether it repeats a touch of the last hour with the same code, address and user agent, and
    /// is therefore not counted as a click.
    pub deduplicated: bool,
    /// The `Sec-Fetch-Site` header of the request.
    pub fetch_site: Option<FetchSite>,
}
