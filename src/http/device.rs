//! The device class of a request, by its client hints, the CDN in front of the service, or its user
//! agent.

mod user_agent;

use http::HeaderMap;
use whence_events::DeviceClass;

use crate::app::config::Cdn;

/// Returns the class of the device that sent these headers, or `None` when they say nothing about
/// it.
///
/// The first of these that has an answer decides: `Sec-CH-UA-Form-Factors`, `Sec-CH-UA-Mobile`, the
/// headers of `cdn` (the one in front of the service, which overwrites them; without one the client
/// can set them), the user agent.
///
/// An iPad whose Safari asks for desktop pages sends the headers of a Mac, and is a desktop here.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::USER_AGENT};
/// use whence_events::DeviceClass;
///
/// let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15";
/// let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(safari))]);
/// assert_eq!(whence::http::device::classify(&headers, None), Some(DeviceClass::Mobile));
/// ```
#[must_use]
pub fn classify(headers: &HeaderMap, cdn: Option<Cdn>) -> Option<DeviceClass> {
    form_factors(headers)
        .or_else(|| mobile_hint(headers))
        .or_else(|| by_cdn(headers, cdn?))
        .or_else(|| user_agent::classify(headers.get(http::header::USER_AGENT)?.as_bytes()))
}

/// Reads `Sec-CH-UA-Form-Factors` (User-Agent Client Hints, section 3.3), a list of quoted words.
/// The first word with a class of its own decides, because a folding phone may list two; the other
/// words (`Automotive`, `XR`, `EInk`, `Watch`) decide only where no such word is in the list.
fn form_factors(headers: &HeaderMap) -> Option<DeviceClass> {
    let listed = text(headers, "sec-ch-ua-form-factors")?;
    let classes = || listed.split(',').filter_map(|item| form_factor(item.trim()));
    classes().find(|class| *class != DeviceClass::Other).or_else(|| classes().next())
}

/// Returns the class that one word of the list names.
fn form_factor(item: &str) -> Option<DeviceClass> {
    const CLASSES: [(&str, DeviceClass); 7] = [
        ("mobile", DeviceClass::Mobile),
        ("tablet", DeviceClass::Tablet),
        ("desktop", DeviceClass::Desktop),
        ("automotive", DeviceClass::Other),
        ("xr", DeviceClass::Other),
        ("eink", DeviceClass::Other),
        ("watch", DeviceClass::Other),
    ];
    let word = item.trim_matches('"');
    CLASSES.into_iter().find_map(|(name, class)| word.eq_ignore_ascii_case(name).then_some(class))
}

/// Reads `Sec-CH-UA-Mobile`. `?1` is a phone. `?0` is a tablet, a television or a desktop: the user
/// agent has to tell them apart, and without it there is no answer, because the recorded field is
/// never corrected later and a null is better there than a guess.
fn mobile_hint(headers: &HeaderMap) -> Option<DeviceClass> {
    (text(headers, "sec-ch-ua-mobile")?.trim() == "?1").then_some(DeviceClass::Mobile)
}

/// Returns the class that a CDN found.
fn by_cdn(headers: &HeaderMap, cdn: Cdn) -> Option<DeviceClass> {
    match cdn {
        Cdn::CloudFront => cloudfront(headers),
        Cdn::Cloudflare => {
            let class = text(headers, "cf-device-type")?.trim().to_lowercase();
            // Cloudflare sends three words; another one is not from Cloudflare.
            DeviceClass::parse(&class).filter(|class| {
                matches!(class, DeviceClass::Mobile | DeviceClass::Tablet | DeviceClass::Desktop)
            })
        }
    }
}

/// Returns the class that CloudFront found. It may set several headers to `true` (a tablet is often a
/// mobile viewer too), so the narrower ones are read first.
fn cloudfront(headers: &HeaderMap) -> Option<DeviceClass> {
    const HEADERS: [(&str, DeviceClass); 4] = [
        ("cloudfront-is-smarttv-viewer", DeviceClass::Tv),
        ("cloudfront-is-tablet-viewer", DeviceClass::Tablet),
        ("cloudfront-is-mobile-viewer", DeviceClass::Mobile),
        ("cloudfront-is-desktop-viewer", DeviceClass::Desktop),
    ];
    HEADERS.into_iter().find_map(|(name, class)| {
        text(headers, name)?.trim().eq_ignore_ascii_case("true").then_some(class)
    })
}

/// Returns a header as text; `None` when it is missing or no text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const IPHONE: (&str, &str) =
        ("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148");
    const WINDOWS: (&str, &str) =
        ("user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0.0.0 Safari/537.36");

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().expect("a header name");
                (name, HeaderValue::from_str(value).expect("a header value"))
            })
            .collect()
    }

    /// The class without a CDN, and with one, whose headers are of `pairs` or not.
    #[track_caller]
    fn both(pairs: &[(&str, &str)]) -> [Option<&'static str>; 2] {
        let cloudflare = pairs.iter().any(|(name, _)| name.starts_with("cf-"));
        let cdn = if cloudflare { Cdn::Cloudflare } else { Cdn::CloudFront };
        let headers = headers(pairs);
        [None, Some(cdn)].map(|cdn| classify(&headers, cdn).map(DeviceClass::as_str))
    }

    #[test]
    fn form_factors_come_first() {
        let hint = |value| {
            both(&[("sec-ch-ua-form-factors", value), ("sec-ch-ua-mobile", "?1"), WINDOWS])[0]
        };
        assert_eq!(hint(r#""Tablet""#), Some("tablet"));
        assert_eq!(hint(r#""Desktop""#), Some("desktop"));
        assert_eq!(hint(r#""XR""#), Some("other"));
        assert_eq!(hint(r#""Automotive", "Tablet""#), Some("tablet"));
        assert_eq!(hint(r#""EInk" , "Watch""#), Some("other"));
        // Nothing known in the list: the next header is asked.
        assert_eq!(hint(r#""Toaster""#), Some("mobile"));
        assert_eq!(hint(""), Some("mobile"));
    }

    #[test]
    fn the_mobile_hint_decides_only_when_set() {
        assert_eq!(both(&[("sec-ch-ua-mobile", "?1"), WINDOWS])[0], Some("mobile"));
        assert_eq!(both(&[("sec-ch-ua-mobile", "?0"), WINDOWS])[0], Some("desktop"));
        assert_eq!(both(&[("sec-ch-ua-mobile", "?0"), IPHONE])[0], Some("mobile"));
        assert_eq!(both(&[("sec-ch-ua-mobile", "?0")])[0], None);
    }

    #[test]
    fn a_cdn_is_believed_only_when_trusted() {
        let tv = ("cloudfront-is-smarttv-viewer", "true");
        assert_eq!(both(&[tv, WINDOWS]), [Some("desktop"), Some("tv")]);
        let cloudflare = ("cf-device-type", "tablet");
        assert_eq!(both(&[cloudflare, WINDOWS]), [Some("desktop"), Some("tablet")]);
        assert_eq!(both(&[cloudflare]), [None, Some("tablet")]);
        assert_eq!(both(&[("cf-device-type", "tv"), IPHONE]), [Some("mobile"); 2]);
        // Only the headers of the CDN that is there.
        let headers = headers(&[tv, WINDOWS]);
        let class = classify(&headers, Some(Cdn::Cloudflare)).map(DeviceClass::as_str);
        assert_eq!(class, Some("desktop"));
        // Client hints are the browser's own word, and stay first.
        assert_eq!(both(&[tv, ("sec-ch-ua-mobile", "?1")]), [Some("mobile"); 2]);
    }

    #[test]
    fn a_tablet_that_cloudfront_calls_mobile_too_is_a_tablet() {
        let said = [
            ("cloudfront-is-desktop-viewer", "false"),
            ("cloudfront-is-mobile-viewer", "true"),
            ("cloudfront-is-smarttv-viewer", "false"),
            ("cloudfront-is-tablet-viewer", "true"),
        ];
        assert_eq!(both(&said)[1], Some("tablet"));
    }

    #[test]
    fn nothing_known_is_no_class() {
        for user_agent in ["", " ", "Mozilla/5.0", "\u{0}x", "(((", "ÿþ", "a a a a", "-"] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(user_agent.as_bytes()) {
                headers.insert("user-agent", value);
            }
            assert_eq!(classify(&headers, Some(Cdn::Cloudflare)), None, "{user_agent:?}");
        }
        assert_eq!(classify(&HeaderMap::new(), Some(Cdn::CloudFront)), None);
    }

    #[test]
    fn only_the_first_512_bytes_of_a_user_agent_count() {
        // The cut falls inside a two-byte character.
        let long = "é".repeat(300) + " iPhone";
        assert_eq!(both(&[("user-agent", &long)])[0], None);
        let early = "iPhone ".to_owned() + &"é ".repeat(20_000);
        assert_eq!(both(&[("user-agent", &early)])[0], Some("mobile"));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 4),
        ) {
            let names =
                ["sec-ch-ua-form-factors", "sec-ch-ua-mobile", "cf-device-type", "user-agent"];
            let headers = names
                .into_iter()
                .zip(values)
                .filter_map(|(name, value)| {
                    Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(&value).ok()?))
                })
                .collect();
            let _ = classify(&headers, Some(Cdn::Cloudflare));
        }
    }
}
