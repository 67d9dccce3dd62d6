//! A first touch as compact JSON in base64url.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use whence_events::{Consent, Country, Handle, Timestamp, TouchId, Utm};

use crate::domain::touch::FirstTouch;

/// A first touch in JSON. The names are short, because the cookie is sent with every request.
#[derive(Serialize, Deserialize)]
struct Compact<'a> {
    #[serde(rename = "i")]
    touch_id: TouchId,
    /// The time of the touch, in microseconds since 1970.
    #[serde(rename = "t")]
    touched_at: i64,
    #[serde(rename = "p", borrow)]
    landing_page: Cow<'a, str>,
    #[serde(rename = "r", borrow, default, skip_serializing_if = "Option::is_none")]
    referrer_url: Option<Cow<'a, str>>,
    /// `utm_source`, `utm_medium`, `utm_campaign`, `utm_term` and `utm_content`.
    #[serde(rename = "u", borrow, default, skip_serializing_if = "no_utm")]
    utm: [Option<Cow<'a, str>>; 5],
    #[serde(rename = "k", borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    click_ids: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    creator: Option<Handle>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    country: Option<Country>,
    #[serde(rename = "c")]
    consent: Consent,
}

/// Returns whether no UTM parameter has a value.
fn no_utm(utm: &[Option<Cow<'_, str>>; 5]) -> bool {
    utm.iter().all(Option::is_none)
}

/// Encodes a first touch in at most `longest` characters. Values are cut to one common length, the
/// greatest that fits, so that only the longest ones are cut.
pub(super) fn encode(touch: &FirstTouch, longest: usize) -> String {
    // Four characters carry three bytes.
    let room = longest * 3 / 4;
    let whole = json(touch, usize::MAX);
    let json = if whole.len() <= room {
        whole
    } else {
        let (mut fits, mut over) = (0, room);
        while fits + 1 < over {
            let middle = usize::midpoint(fits, over);
            if json(touch, middle).len() <= room {
                fits = middle;
            } else {
                over = middle;
            }
        }
        json(touch, fits)
    };
    URL_SAFE_NO_PAD.encode(json)
}

/// Returns the JSON of a first touch, with each value cut to `longest_value` bytes.
fn json(touch: &FirstTouch, longest_value: usize) -> Vec<u8> {
    let cut = |value: &'_ str| value[..value.floor_char_boundary(longest_value)].to_owned();
    let utm = &touch.utm;
    let utm = [&utm.source, &utm.medium, &utm.campaign, &utm.term, &utm.content];
    let compact = Compact {
        touch_id: touch.touch_id,
        touched_at: touch.touched_at.as_micros(),
        landing_page: cut(&touch.landing_page).into(),
        referrer_url: touch.referrer_url.as_deref().map(|url| cut(url).into()),
        utm: utm.map(|value| value.as_deref().map(|value| cut(value).into())),
        click_ids: touch
            .click_ids
            .iter()
            .map(|(name, id)| (name.as_str().into(), cut(id).into()))
            .collect(),
        creator: touch.creator.clone(),
        country: touch.country,
        consent: touch.consent,
    };
    serde_json::to_vec(&compact).unwrap_or_default()
}

/// Decodes a payload of [`encode`]; `None` when it is no first touch.
pub(super) fn decode(payload: &str) -> Option<FirstTouch> {
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let compact: Compact<'_> = serde_json::from_slice(&json).ok()?;
    let [source, medium, campaign, term, content] =
        compact.utm.map(|value| value.map(Cow::into_owned));
    Some(FirstTouch {
        touch_id: compact.touch_id,
        touched_at: Timestamp::from_micros(compact.touched_at),
        landing_page: compact.landing_page.into_owned(),
        referrer_url: compact.referrer_url.map(Cow::into_owned),
        utm: Utm { source, medium, campaign, term, content },
        click_ids: compact
            .click_ids
            .into_iter()
            .map(|(name, id)| (name.into_owned(), id.into_owned()))
            .collect(),
        creator: compact.creator,
        country: compact.country,
        consent: compact.consent,
    })
}
