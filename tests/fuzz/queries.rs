//! The address of a page: whatever it holds, the cookies of the landing hold what was decided, and
//! what is kept of it is in the form in which it would be kept again.

use http::HeaderMap;
use http::header::COOKIE;
use whence::domain::text::{decode, label};
use whence::domain::touch::{
    FirstTouch, LandingRules, Navigation, PageRequest, RefCode, ReferrerDetail, Touch, Visitor,
    arrive,
};
use whence::http::landing::cookies::{
    FIRST_TOUCH, MAX_FIRST_TOUCH_BYTES, REF_CODE, encode_first_touch, encode_ref_code,
    read_landing_cookies,
};
use whence_events::{Consent, Timestamp, TouchId, is_invisible};

/// Reads a path, a query, a referring page and a fragment, one on each line.
pub fn run(data: &[u8]) {
    let Some(touch) = read(data) else { return };
    if let Some(first) = &touch.plant_first {
        assert_clean(first);
    }
    let key = &super::KEYS.cookie;
    let mut headers = HeaderMap::new();
    if let Some(first) = &touch.plant_first {
        let value = encode_first_touch(key, first);
        assert!(FIRST_TOUCH.len() + 1 + value.len() <= MAX_FIRST_TOUCH_BYTES);
        let line = format!("{FIRST_TOUCH}={value}");
        headers.append(COOKIE, line.parse().expect("a cookie is a header"));
    }
    if let Some(code) = &touch.plant_code {
        let line = format!("{REF_CODE}={}", encode_ref_code(key, code));
        headers.append(COOKIE, line.parse().expect("a cookie is a header"));
    }
    let read = read_landing_cookies(key, &headers);
    assert_eq!(read.ref_code, touch.plant_code.map(RefCode::Signed));
    let first = touch.plant_first.map(|first| (first.touch_id, first.touched_at, first.consent));
    assert_eq!(
        read.first_touch.map(|first| (first.touch_id, first.touched_at, first.consent)),
        first
    );
}

/// Returns whether the input is a landing with a referral code.
#[must_use]
pub fn accepts(data: &[u8]) -> bool {
    read(data).is_some_and(|touch| touch.plant_code.is_some())
}

/// Checks that nothing of a first touch is invisible, and that it is kept as it is.
fn assert_clean(first: &FirstTouch) {
    assert_eq!(first.clone().cleaned(ReferrerDetail::default()), *first);
    let utm = &first.utm;
    let fields = [&utm.source, &utm.medium, &utm.campaign, &utm.term, &utm.content];
    for value in fields.into_iter().flatten().chain(first.click_ids.values()) {
        assert_eq!(label(value, 255).as_ref(), Some(value));
        assert!(!value.chars().any(|c| c.is_control() || is_invisible(c)), "{value:?}");
        // By the reading of a link that spells it out it is itself.
        let escaped =
            value.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
        assert_eq!(decode(&escaped), *value);
    }
    assert!(first.landing_page.is_ascii());
    if let Some(url) = &first.referrer_url {
        assert!(!url.contains(['?', '#']), "{url}");
    }
}

fn read(data: &[u8]) -> Option<Touch> {
    let text = std::str::from_utf8(data).ok()?;
    let mut lines = text.split('\n');
    let (path, query) = (lines.next()?, lines.next()?);
    let request = PageRequest {
        navigation: Navigation {
            method: "GET",
            fetch_mode: None,
            fetch_dest: None,
            fetch_site: lines.next(),
            purposes: [None; 4],
        },
        path,
        query,
        fragment: text.split('\n').nth(4).unwrap_or(""),
        referrer: lines.next(),
        host: Some("www.example.com"),
        ref_code: None,
        first_touch: None,
        consent: Consent::Unknown,
        now: Timestamp::from_micros(1_790_000_000_000_000),
    };
    let arrival = arrive(&request, &LandingRules::default()).ok()?;
    Some(arrival.touch(TouchId(uuid_of_one()), Visitor::default()))
}

fn uuid_of_one() -> uuid::Uuid {
    uuid::Uuid::from_u128(1)
}
