use proptest::prelude::*;
use whence_events::{ClickIds, Consent, Country, TouchId, Utm};

use super::*;

const AT: Timestamp = Timestamp::from_micros(1_790_000_000_123_456);
const ID: TouchId = TouchId(uuid::Uuid::from_u128(7));

fn planted(code: &str) -> PlantedCode {
    PlantedCode { code: code.parse().unwrap(), touched_at: AT, touch_id: ID }
}

/// A first touch with every field filled by `value`.
fn full(value: &str) -> FirstTouch {
    let some = Some(value.to_owned());
    FirstTouch {
        touch_id: ID,
        touched_at: AT,
        landing_page: value.to_owned(),
        referrer_url: some.clone(),
        utm: Utm {
            source: some.clone(),
            medium: some.clone(),
            campaign: some.clone(),
            term: some.clone(),
            content: some,
        },
        click_ids: [
            "gclid",
            "fbclid",
            "li_fat_id",
            "msclkid",
            "ttclid",
            "twclid",
            "epik",
            "rdt_cid",
        ]
        .map(|name| (name.to_owned(), value.to_owned()))
        .into(),
        creator: "a".repeat(32).parse().ok(),
        country: Country::parse("de"),
        consent: Consent::Granted,
    }
}

fn direct() -> FirstTouch {
    FirstTouch {
        referrer_url: None,
        utm: Utm::default(),
        click_ids: ClickIds::new(),
        creator: None,
        country: None,
        ..full("/")
    }
}

#[test]
fn a_code_comes_back_as_it_was_planted() {
    let key = MacKey::generate();
    let planted = planted("AbC-1");
    let text = encode_ref_code(&key, &planted);
    let shown = "v1.AbC-1.1790000000123456.00000000-0000-0000-0000-000000000007.";
    assert!(text.starts_with(shown), "{text}");
    assert_eq!(text.len(), shown.len() + 22);
    assert_eq!(decode_ref_code(&key, text.as_bytes()), RefCode::Signed(planted));
}

#[test]
fn a_bare_code_is_believed_as_such() {
    let key = MacKey::generate();
    for code in ["ab", "AbC-1", "v1", &"x".repeat(32)] {
        let bare = RefCode::Bare(code.parse().unwrap());
        assert_eq!(decode_ref_code(&key, code.as_bytes()), bare);
    }
}

#[test]
fn any_other_ref_code_is_invalid() {
    let key = MacKey::generate();
    let good = encode_ref_code(&key, &planted("abc"));
    let elsewhere = encode_ref_code(&MacKey::generate(), &planted("abc"));
    let other_purpose = signed(&key, FIRST_TOUCH, format!("v1.abc.1.{ID}"));
    let more = signed(&key, REF_CODE, format!("v1.abc.1.{ID}.x"));
    let newer = signed(&key, REF_CODE, format!("v2.abc.1.{ID}"));
    for bad in [
        "",
        "a",
        "a b",
        "-ab",
        &"x".repeat(33),
        "v1.abc",
        "v1....",
        &good.replace("abc", "abd"),
        &good.replace("v1.", "v2."),
        &good.replace("179", "189"),
        &good[..good.len() - 1],
        &format!("{good}A"),
        &format!(" {good}"),
        &elsewhere,
        &other_purpose,
        &more,
        &newer,
        &"v1.".repeat(10_000),
    ] {
        assert_eq!(decode_ref_code(&key, bad.as_bytes()), RefCode::Invalid, "{bad}");
    }
    for bad in [&b"ab\xff"[..], b"ab\0", b"ab\n", b"\xf0\x9f"] {
        assert_eq!(decode_ref_code(&key, bad), RefCode::Invalid);
    }
}

#[test]
fn a_first_touch_comes_back_whole() {
    let key = MacKey::generate();
    for touch in [full("/creators/Ада?\"x\\"), direct()] {
        let text = encode_first_touch(&key, &touch);
        assert_eq!(decode_first_touch(&key, text.as_bytes()), Some(touch));
    }
    let text = encode_first_touch(&key, &direct());
    assert!(text.len() < 200, "a direct visit costs {} bytes", text.len());
}

#[test]
fn a_forged_first_touch_is_none() {
    let key = MacKey::generate();
    let good = encode_first_touch(&key, &direct());
    let no_json = signed(&key, FIRST_TOUCH, "v1.AAAA".to_owned());
    let other_purpose = good.rsplit_once('.').map(|(text, _)| signed(&key, REF_CODE, text.into()));
    for bad in
        ["", "v1", "v1..", &good[1..], &good[..good.len() - 1], &no_json, &other_purpose.unwrap()]
    {
        assert_eq!(decode_first_touch(&key, bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(decode_first_touch(&MacKey::generate(), good.as_bytes()), None);
    assert_eq!(decode_first_touch(&key, b"v1.\xff.x"), None);
}

#[test]
fn the_longest_value_of_a_first_touch_gives_first() {
    let key = MacKey::generate();
    let touch = FirstTouch {
        referrer_url: Some("https://news.example/".to_owned() + &"é".repeat(2000)),
        ..direct()
    };
    let text = encode_first_touch(&key, &touch);
    let whole = FIRST_TOUCH.len() + 1 + text.len();
    assert!((MAX_FIRST_TOUCH_BYTES - 3..=MAX_FIRST_TOUCH_BYTES).contains(&whole), "{whole}");
    let back = decode_first_touch(&key, text.as_bytes()).unwrap();
    let kept = back.referrer_url.clone().unwrap();
    assert!(touch.referrer_url.clone().unwrap().starts_with(&kept));
    assert_eq!(back, FirstTouch { referrer_url: Some(kept), ..touch });
}

#[test]
fn both_cookies_have_the_attributes_they_need() {
    let key = MacKey::generate();
    let attributes = |line: HeaderValue| {
        let line = line.to_str().unwrap();
        line.split_once("; ").unwrap().1.to_owned()
    };
    let settings = CookieSettings::default();
    let plain = attributes(set_ref_code(&key, &planted("abc"), &settings, false));
    assert_eq!(plain, "HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000");
    let settings = CookieSettings {
        window: crate::domain::touch::Window::from_days(400).unwrap(),
        domain: CookieDomain::parse(".Example.com"),
    };
    let secure = attributes(set_first_touch(&key, &direct(), &settings, true));
    let expected = "HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; Max-Age=34560000";
    assert_eq!(secure, expected);
    let cleared = clear_ref_code(&settings, true);
    assert_eq!(
        cleared.to_str().unwrap(),
        "ref_code=; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; Max-Age=0; \
         Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    );
}

#[test]
fn a_domain_cannot_smuggle_attributes() {
    for bad in ["", ".", "a..b", "a; Secure", "a b", "a\r\nb", "é.de", &"a".repeat(64)] {
        assert_eq!(CookieDomain::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn cookies_are_read_from_headers() {
    let key = MacKey::generate();
    let mut headers = HeaderMap::new();
    assert_eq!(read_ref_code(&key, &headers), None);
    let line = format!("x=1; ref_code=abc; whence_touch={}", encode_first_touch(&key, &direct()));
    headers.insert("cookie", line.parse().unwrap());
    let bare = RefCode::Bare("abc".parse().unwrap());
    assert_eq!(read_ref_code(&key, &headers), Some(bare.clone()));
    assert_eq!(read_first_touch(&key, &headers), Some(direct()));
    let both = read_landing_cookies(&key, &headers);
    assert_eq!((both.ref_code, both.first_touch), (Some(bare), Some(direct())));
}

proptest! {
    #[test]
    fn decoding_is_total(value in prop::collection::vec(any::<u8>(), 0..300)) {
        let key = MacKey::generate();
        let _ = decode_ref_code(&key, &value);
        let _ = decode_first_touch(&key, &value);
    }

    #[test]
    fn even_signed_nonsense_is_decoded_without_panic(text in "\\PC{0,80}|[a-z]{2}\\.[0-9-]{0,25}\\.\\PC{0,40}") {
        let key = MacKey::generate();
        for name in [REF_CODE, FIRST_TOUCH] {
            let value = signed(&key, name, format!("v1.{text}"));
            let _ = decode_ref_code(&key, value.as_bytes());
            let _ = decode_first_touch(&key, value.as_bytes());
        }
        let payload = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &text);
        let _ = first_touch::decode(&payload);
    }

    #[test]
    fn a_first_touch_always_fits(value in "[\\PC\"\\\\]{0,2048}") {
        let key = MacKey::generate();
        let text = encode_first_touch(&key, &full(&value));
        prop_assert!(FIRST_TOUCH.len() + 1 + text.len() <= MAX_FIRST_TOUCH_BYTES);
        prop_assert!(decode_first_touch(&key, text.as_bytes()).is_some());
    }
}

fn sent(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let line = HeaderValue::from_str(&format!("{REF_CODE}={value}")).unwrap();
        headers.append(http::header::COOKIE, line);
    }
    headers
}

#[test]
fn of_several_codes_the_signed_one_counts_and_of_two_signed_ones_none() {
    let key = MacKey::generate();
    let [own, other] = ["own", "other"].map(|code| encode_ref_code(&key, &planted(code)));
    let read = |values: &[&str]| read_ref_code(&key, &sent(values));
    let signed = Some(RefCode::Signed(planted("own")));
    assert_eq!(read(&["bare", &own]), signed);
    assert_eq!(read(&[&own, "v1.forged"]), signed);
    assert_eq!(read(&[&own, &own]), signed);
    assert_eq!(read(&[&own, &other]), Some(RefCode::Invalid));
    assert_eq!(read(&["bare", "other"]), Some(RefCode::Bare("bare".parse().unwrap())));
    assert_eq!(read(&[]), None);
}
