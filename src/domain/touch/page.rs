//! What the address of a landing page says.

use url::form_urlencoded;
use whence_events::{ClickIds, Handle, ReferralCode, Utm};

use super::RefParam;

/// How many further codes of one query are kept as evidence.
pub const MAX_OTHER_CODES: usize = 4;

/// How many click ids are kept: more than any real link carries.
const MAX_CLICK_IDS: usize = 8;

/// How many parameters of a query are looked at.
const MAX_PARAMETERS: usize = 256;

/// Longest value, in characters.
const MAX_VALUE: usize = 255;

/// Longest address, in characters.
const MAX_URL: usize = 2048;

/// Click ids by the names that advertisers gave them, in lower case. They are looked for in any
/// case, for some spell their own in several (`ScCid`).
const CLICK_IDS: [&str; 19] = [
    "gclid",     // Google Ads
    "gbraid",    // Google Ads, iOS web to app
    "wbraid",    // Google Ads, iOS app to web
    "dclid",     // Google Display and Video
    "fbclid",    // Meta
    "msclkid",   // Microsoft
    "ttclid",    // TikTok
    "twclid",    // X
    "li_fat_id", // LinkedIn
    "epik",      // Pinterest
    "rdt_cid",   // Reddit
    "sccid",     // Snapchat
    "yclid",     // Yandex
    "qclid",     // Quora
    "tblci",     // Taboola
    "dicbo",     // Outbrain
    "irclickid", // Impact
    "cjevent",   // Commission Junction
    "awc",       // Awin
];

/// What was found in path and query.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) referral: RefParam,
    pub(super) other_codes: Vec<ReferralCode>,
    pub(super) utm: Utm,
    pub(super) click_ids: ClickIds,
    pub(super) creator: Option<Handle>,
}

impl Found {
    /// Whether anything at all tells this visit from a direct one.
    pub(super) fn says_something(&self) -> bool {
        self.referral != RefParam::Absent
            || self.utm != Utm::default()
            || !self.click_ids.is_empty()
            || self.creator.is_some()
    }
}

pub(super) fn find(path: &str, query: &str) -> Found {
    let mut found = Found {
        referral: RefParam::Absent,
        other_codes: Vec::new(),
        utm: Utm::default(),
        click_ids: ClickIds::new(),
        creator: creator_of(path),
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()).take(MAX_PARAMETERS) {
        match &*name {
            "ref" => found.add_ref(&value),
            "utm_source" => keep_first(&mut found.utm.source, &value),
            "utm_medium" => keep_first(&mut found.utm.medium, &value),
            "utm_campaign" => keep_first(&mut found.utm.campaign, &value),
            "utm_term" => keep_first(&mut found.utm.term, &value),
            "utm_content" => keep_first(&mut found.utm.content, &value),
            "creator" if found.creator.is_none() => found.creator = value.trim().parse().ok(),
            _ => found.add_click_id(&name, &value),
        }
    }
    found
}

impl Found {
    fn add_ref(&mut self, value: &str) {
        let code = value.trim().parse::<ReferralCode>();
        if self.referral == RefParam::Absent {
            self.referral = code.map_or(RefParam::Malformed, RefParam::Code);
        } else if let Ok(code) = code {
            // Only codes: a malformed one may be anything, an e-mail address for instance.
            if self.other_codes.len() < MAX_OTHER_CODES {
                self.other_codes.push(code);
            }
        }
    }

    fn add_click_id(&mut self, name: &str, value: &str) {
        let known = CLICK_IDS.iter().find(|id| id.eq_ignore_ascii_case(name));
        let (Some(name), Some(value)) = (known, clean(value)) else {
            return;
        };
        if self.click_ids.len() < MAX_CLICK_IDS {
            self.click_ids.entry((*name).to_owned()).or_insert(value);
        }
    }
}

fn keep_first(slot: &mut Option<String>, value: &str) {
    if slot.is_none() {
        *slot = clean(value);
    }
}

/// `/creators/{handle}`, and nothing below it.
fn creator_of(path: &str) -> Option<Handle> {
    let rest = path.strip_prefix("/creators/")?;
    rest.strip_suffix('/').unwrap_or(rest).parse().ok()
}

/// A value fit to keep: without control characters, trimmed, at most 255 characters.
pub(super) fn clean(value: &str) -> Option<String> {
    clean_to(value, MAX_VALUE)
}

/// The same for an address: at most 2048 characters.
pub(super) fn clean_url(value: &str) -> Option<String> {
    clean_to(value, MAX_URL)
}

fn clean_to(value: &str, longest: usize) -> Option<String> {
    // Controls first: one of them may stand between the value and the space around it.
    let visible: String = value.chars().filter(|c| !c.is_control()).collect();
    let cut: String = visible.trim().chars().take(longest).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}
