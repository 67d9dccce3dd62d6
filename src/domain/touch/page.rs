//! The facts in the address of a landing page.

pub(super) mod address;
mod parameters;

use whence_events::{ClickIds, Handle, ReferralCode, Utm, is_invisible};

use self::address::{ReferrerDetail, landing_path, referring_page};
use self::parameters::{ParameterName, UtmField, query_of_fragment};
use super::written_code::{Place, readings};
use super::{FirstTouch, RefParam};
use crate::text::label;

pub use self::parameters::{KEPT, is_called, segments};

/// The number of further codes of one query that are kept as evidence.
pub const MAX_OTHER_CODES: usize = 4;

/// The number of ids that are kept: more than any real link carries.
const MAX_CLICK_IDS: usize = 16;

/// The maximum length of a value, in characters.
const MAX_VALUE: usize = 255;

/// The facts found in path, query and fragment.
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

/// Returns the facts in the address of a page. Of several values the first counts that is not
/// empty, those of the query before those of the fragment.
pub(super) fn find(path: &str, query: &str, fragment: &str) -> PageFacts {
    let mut found = PageFacts {
        referral: RefParam::Absent,
        other_readings: Vec::new(),
        other_codes: Vec::new(),
        utm: Utm::default(),
        click_ids: ClickIds::new(),
        creator: creator_of(path),
    };
    let mut matomo = Utm::default();
    let mut empty_ref = false;
    for part in [query, query_of_fragment(fragment)] {
        for (name, value) in parameters::parameters(part) {
            match name {
                ParameterName::Ref => empty_ref |= !found.add_ref(&value),
                ParameterName::Creator if found.creator.is_none() => {
                    found.creator = label(&value, MAX_VALUE).and_then(|text| handle_of(&text));
                }
                ParameterName::Creator => {}
                ParameterName::Utm(field) => keep_first(&mut found.utm, field, &value),
                ParameterName::Matomo(field) => keep_first(&mut matomo, field, &value),
                ParameterName::Kept(name) => found.add_click_id(name, &value),
            }
        }
    }
    if empty_ref && found.referral == RefParam::Absent {
        found.referral = RefParam::Malformed;
    }
    // The fields belong together: they are not mixed out of two systems.
    if found.utm == Utm::default() {
        found.utm = matomo;
    }
    found
}

impl PageFacts {
    /// Adds a `ref`; returns whether there was anything in it.
    fn add_ref(&mut self, value: &str) -> bool {
        if value.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
            return false;
        }
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
        true
    }

    fn add_click_id(&mut self, name: &str, value: &str) {
        let Some(value) = label(value, MAX_VALUE) else { return };
        if self.click_ids.len() < MAX_CLICK_IDS {
            self.click_ids.entry(name.to_owned()).or_insert(value);
        }
    }
}

/// Sets a field of a campaign that is not set yet.
fn keep_first(utm: &mut Utm, field: UtmField, value: &str) {
    let slot = match field {
        UtmField::Source => &mut utm.source,
        UtmField::Medium => &mut utm.medium,
        UtmField::Campaign => &mut utm.campaign,
        UtmField::Term => &mut utm.term,
        UtmField::Content => &mut utm.content,
    };
    if slot.is_none() {
        *slot = label(value, MAX_VALUE);
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

impl FirstTouch {
    /// Returns the touch with values as a landing of today keeps them: a cookie may be older than
    /// the rules and the setting.
    #[must_use]
    pub fn cleaned(self, detail: ReferrerDetail) -> Self {
        let clean = |value: Option<String>| value.and_then(|value| label(&value, MAX_VALUE));
        let ids = self.click_ids.into_iter();
        let ids = ids.filter_map(|(name, id)| Some((name, label(&id, MAX_VALUE)?)));
        Self {
            landing_page: landing_path(&self.landing_page),
            referrer_url: self.referrer_url.and_then(|url| referring_page(&url, detail)),
            utm: Utm {
                source: clean(self.utm.source),
                medium: clean(self.utm.medium),
                campaign: clean(self.utm.campaign),
                term: clean(self.utm.term),
                content: clean(self.utm.content),
            },
            click_ids: ids.collect(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
