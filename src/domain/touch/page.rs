//! The facts in the address of a landing page.

use url::form_urlencoded;
use whence_events::{ClickIds, Handle, ReferralCode, Utm};

use super::RefParam;
use super::written_code::{Place, readings};

/// The number of further codes of one query that are kept as evidence.
pub const MAX_OTHER_CODES: usize = 4;

/// The number of click ids that are kept: more than any real link carries.
const MAX_CLICK_IDS: usize = 8;

/// The number of parameters of a query that are examined.
const MAX_PARAMETERS: usize = 256;

/// The maximum length of a value, in characters.
const MAX_VALUE: usize = 255;

/// The maximum length of an address, in characters.
const MAX_URL: usize = 2048;

/// The parameter names of click ids, in lower case. They are matched in any case, because some
/// advertisers use several spellings (`ScCid`).
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

/// The facts found in path and query.
#[derive(Clone, Debug)]
pub(super) struct PageFacts {
    pub(super) referral: RefParam,
    /// What else the parameter can mean, when its text is not clearly one code.
    pub(super) other_readings: Vec<ReferralCode>,
    pub(super) other_codes: Vec<ReferralCode>,
    pub(super) utm: Utm,
    pub(super) click_ids: ClickIds,
    pub(super) creator: Option<Handle>,
}

impl PageFacts {
    /// Returns whether anything distinguishes this visit from a direct one.
    pub(super) fn says_something(&self) -> bool {
        self.referral != RefParam::Absent
            || self.utm != Utm::default()
            || !self.click_ids.is_empty()
            || self.creator.is_some()
    }
}

pub(super) fn find(path: &str, query: &str) -> PageFacts {
    let mut found = PageFacts {
        referral: RefParam::Absent,
        other_readings: Vec::new(),
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
            "creator" if found.creator.is_none() => found.creator = handle_of(&value),
            _ => found.add_click_id(&name, &value),
        }
    }
    found
}

impl PageFacts {
    fn add_ref(&mut self, value: &str) {
        let mut codes = readings(value, Place::Parameter).into_iter();
        let code = codes.next();
        if self.referral == RefParam::Absent {
            self.referral = code.map_or(RefParam::Malformed, RefParam::Code);
            self.other_readings = codes.collect();
        } else if let Some(code) = code {
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

/// Returns the handle of a path `/creators/{handle}`; `None` for pages below it and all others.
pub(super) fn creator_of(path: &str) -> Option<Handle> {
    let rest = path.strip_prefix("/creators/")?;
    handle_of(rest)
}

/// Returns the handle in a text, without what ends a sentence or a path behind it, which ends no handle.
fn handle_of(text: &str) -> Option<Handle> {
    let end = |c: char| c.is_ascii_punctuation() || c.is_whitespace();
    text.trim_start().trim_end_matches(end).parse().ok()
}

/// Returns the value without control characters, trimmed, and cut to 255 characters.
pub(super) fn clean(value: &str) -> Option<String> {
    clean_to(value, MAX_VALUE)
}

/// Returns the address without control characters, trimmed, and cut to 2048 characters.
pub(super) fn clean_url(value: &str) -> Option<String> {
    clean_to(value, MAX_URL)
}

fn clean_to(value: &str, longest: usize) -> Option<String> {
    // Control characters first: one of them may separate the value from the space around it.
    let visible: String = value.chars().filter(|c| !c.is_control()).collect();
    let cut: String = visible.trim().chars().take(longest).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}
