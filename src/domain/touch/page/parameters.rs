//! The parameters of an address: found in the spellings in which links really arrive.
//!
//! Newsletter tools escape a link once too often (`&amp;utm_medium=`, weblogs `&#038;`), forms
//! of old separate by semicolons, apps add a second `?`, people type capitals. A name that whence
//! knows is therefore also a name behind `;` or `?`, in any case and without what is invisible.

use crate::text::{self, decode};

/// The most parameters of one address that are examined: its first ones.
pub(super) const MAX_PARAMETERS: usize = 256;

/// The longest spelling of a name, in bytes. The longest name has 21 letters, and each may be
/// escaped.
const MAX_NAME_BYTES: usize = 96;

/// The beginning of a parameter in which further ones are searched, in bytes. It is longer than any
/// value that is kept, and bounds what a parameter costs.
const MAX_SEARCHED_BYTES: usize = 4096;

/// The parameters that are kept under their own names, in lower case: ids of clicks, of campaigns
/// and of messages. Those that name a person are not among them (`mc_eid`, `_hsenc`, `_kx`,
/// `vero_id`, `oly_enc_id`, `mkt_tok`, `igshid` and their kin).
///
/// What each says of the source of a visit stands in `projections/src/report/channel/click_ids.rs`.
pub const KEPT: [&str; 58] = [
    // Google, support.google.com/google-ads/answer/9744275, /answer/16193746 (`gad_source` was
    // `gad`), support.google.com/searchads/answer/6292795, support.google.com/merchants/answer/15191080
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "gclsrc",
    "gad",
    "gad_source",
    "gad_campaignid",
    "srsltid",
    // Campaigns of Google Analytics, support.google.com/analytics/answer/10917952
    "utm_id",
    "utm_source_platform",
    "utm_creative_format",
    "utm_marketing_tactic",
    // Campaign ids of Matomo, matomo.org/faq/reports/advanced-how-to-manually-build-campaign-tracking-urls
    "mtm_cid",
    "mtm_group",
    "mtm_placement",
    // Microsoft, help.ads.microsoft.com (auto-tagging of the click id)
    "msclkid",
    // Yandex: advertisements, and results of its search
    "yclid",
    "ysclid",
    "_openstat",
    // Social sites: Meta, TikTok, X, LinkedIn, Pinterest, Reddit, Snapchat, Quora
    "fbclid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "epik",
    "rdt_cid",
    "sccid",
    "qclid",
    // Recommendations: Taboola, Outbrain, Teads
    "tblci",
    "dicbo",
    "auctid",
    // Search elsewhere: Seznam, Baidu
    "sznclid",
    "bd_vid",
    // Adobe Advertising, Marin, Kochava, Wicked Reports
    "ef_id",
    "s_kwcid",
    "mkwid",
    "ko_click_id",
    "wickedid",
    // Affiliate networks: Impact, CJ, Awin, Rakuten, ShareASale, Tradedoubler, Partnerize, admitad
    "irclickid",
    "irclid",
    "cjevent",
    "awc",
    "ransiteid",
    "sscid",
    "tduid",
    "clickref",
    "admitad_uid",
    // Mailings and advertisements: Mailchimp, HubSpot, Klaviyo, Vero
    "mc_cid",
    "_hsmi",
    "hsa_cam",
    "hsa_grp",
    "hsa_ad",
    "hsa_src",
    "hsa_net",
    "hsa_acc",
    "vero_conv",
    // Adobe Analytics, and Adobe Campaign's deliveries
    "s_cid",
    "nm_delivery",
];

/// The fields of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UtmField {
    Source,
    Medium,
    Campaign,
    Term,
    Content,
}

/// A name that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParameterName {
    /// `ref`: a referral code.
    Ref,
    /// `creator`: a handle.
    Creator,
    /// A field of the campaign, as Google Analytics calls it.
    Utm(UtmField),
    /// A field of the campaign, as Matomo calls it.
    Matomo(UtmField),
    /// One of [`KEPT`].
    Kept(&'static str),
}

/// The names of fields of a campaign. Matomo's are of `matomo.org/faq/general/faq_119` and of its
/// earlier names, which it still reads.
const FIELDS: [(&str, ParameterName); 25] = {
    use ParameterName::{Matomo, Utm};
    use UtmField::{Campaign, Content, Medium, Source, Term};
    [
        ("utm_source", Utm(Source)),
        ("utm_medium", Utm(Medium)),
        ("utm_campaign", Utm(Campaign)),
        ("utm_term", Utm(Term)),
        ("utm_content", Utm(Content)),
        ("mtm_source", Matomo(Source)),
        ("mtm_medium", Matomo(Medium)),
        ("mtm_campaign", Matomo(Campaign)),
        ("mtm_cpn", Matomo(Campaign)),
        ("mtm_kwd", Matomo(Term)),
        ("mtm_keyword", Matomo(Term)),
        ("mtm_content", Matomo(Content)),
        ("matomo_campaign", Matomo(Campaign)),
        ("matomo_kwd", Matomo(Term)),
        ("matomo_keyword", Matomo(Term)),
        ("pk_source", Matomo(Source)),
        ("pk_medium", Matomo(Medium)),
        ("pk_campaign", Matomo(Campaign)),
        ("pk_cpn", Matomo(Campaign)),
        ("pk_kwd", Matomo(Term)),
        ("pk_keyword", Matomo(Term)),
        ("pk_content", Matomo(Content)),
        ("piwik_campaign", Matomo(Campaign)),
        ("piwik_kwd", Matomo(Term)),
        ("piwik_keyword", Matomo(Term)),
    ]
};

/// Returns the parameters of a query, or of the part of a fragment that is like one, with decoded
/// values, in their order. Those whose name means nothing are left out.
pub(super) fn parameters(query: &str) -> Vec<(ParameterName, String)> {
    let mut found = Vec::new();
    for segment in segments(query).take(MAX_PARAMETERS) {
        let Some((name, value)) = read(segment) else { continue };
        let mut value = value.as_str();
        let mut inner = Vec::new();
        // A link that was escaped as a whole: further parameters are inside of the first value.
        while let Some(at) = further(value, &['&', ';', '?']) {
            let (head, tail) = value.split_at(at);
            inner.push(without_entity(head));
            value = &tail[1..];
        }
        inner.push(value);
        let mut inner = inner.into_iter();
        found.extend(inner.next().map(|value| (name, value.to_owned())));
        for pair in inner {
            let Some((spelling, value)) = pair.split_once('=') else { continue };
            match known(spelling) {
                // Only what is plainly a parameter plants a code.
                None | Some(ParameterName::Ref | ParameterName::Creator) => {}
                Some(name) => found.push((name, value.to_owned())),
            }
        }
    }
    found
}

/// Returns the part of a fragment that is like a query: what follows a route (`/signup?`), or the
/// whole of it.
pub(super) fn query_of_fragment(fragment: &str) -> &str {
    match fragment.split_once('?') {
        Some((route, query)) if !route.contains('=') => query,
        Some(_) | None => fragment.trim_start_matches(['!', '/', '?']),
    }
}

/// Returns the parameters of a query as they are spelled, without the leftovers of an escaped `&`
/// between them.
pub fn segments(query: &str) -> impl Iterator<Item = &str> {
    let parts = query.split('&').flat_map(|part| {
        let mut rest = Some(part);
        std::iter::from_fn(move || {
            let text = rest?;
            // A path that is a value (`next=/page?ref=a`) has parameters of its own.
            let at = further(text, &[';', '?']).filter(|at| !text[..*at].contains('/'));
            let (segment, tail) =
                at.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])));
            rest = tail;
            Some(without_leftover(segment))
        })
    });
    let escaped = |part: &str| ["amp", "#38", "#038", "38", "038", "#x26"].contains(&part);
    parts.filter(move |part| !part.is_empty() && !escaped(part))
}

/// Returns whether a parameter, as it is spelled, is `ref` or `creator`, whichever `name` is.
#[must_use]
pub fn is_called(segment: &str, name: &str) -> bool {
    let called = match read(segment) {
        Some((ParameterName::Ref, _)) => "ref",
        Some((ParameterName::Creator, _)) => "creator",
        Some((ParameterName::Utm(_) | ParameterName::Matomo(_) | ParameterName::Kept(_), _))
        | None => "",
    };
    !name.is_empty() && called == name
}

/// Returns name and decoded value of a parameter, when its name means something.
fn read(segment: &str) -> Option<(ParameterName, String)> {
    if let Some((spelling, value)) = segment.split_once('=') {
        return known_encoded(spelling).map(|name| (name, decode(value)));
    }
    // Without `=` it is a name alone, or all of it is escaped.
    let spelling = segment.to_ascii_lowercase();
    match spelling.find("%3d") {
        Some(at) => known_encoded(&segment[..at]).map(|name| (name, decode(&segment[at + 3..]))),
        None => known_encoded(segment).map(|name| (name, String::new())),
    }
}

/// Returns where a text has a mark that begins a further parameter, one with a name that is known.
fn further(text: &str, marks: &[char]) -> Option<usize> {
    let text = &text[..text.floor_char_boundary(MAX_SEARCHED_BYTES)];
    let begins = |at: usize| {
        let rest = &text[at + 1..];
        let end = rest.bytes().take(MAX_NAME_BYTES).position(|byte| byte == b'=');
        end.is_some_and(|end| known_encoded(&rest[..end]).is_some())
    };
    text.match_indices(marks).map(|(at, _)| at).find(|at| begins(*at))
}

/// Returns a parameter without what an escaped `&` left in front of it.
fn without_leftover(segment: &str) -> &str {
    const LEFT: [&str; 7] = ["amp;", "amp%3b", "#38;", "#038;", "38;", "038;", "#x26;"];
    let mut segment = segment;
    while let Some(length) =
        LEFT.iter().map(|left| left.len()).zip(LEFT).find_map(|(length, left)| {
            let begins = segment.get(..length).is_some_and(|text| text.eq_ignore_ascii_case(left));
            begins.then_some(length)
        })
    {
        segment = &segment[length..];
    }
    segment
}

/// Returns a value without the beginning of an escaped `&` at its end.
fn without_entity(value: &str) -> &str {
    let mut value = value;
    while let Some(before) =
        ["&amp", "&#38", "&#038", "&#x26", ";amp"].iter().find_map(|end| value.strip_suffix(end))
    {
        value = before;
    }
    value
}

fn known_encoded(spelling: &str) -> Option<ParameterName> {
    (spelling.len() <= MAX_NAME_BYTES).then(|| known(&decode(spelling))).flatten()
}

/// Returns what a name means, whatever of an escaped `&` is left in front of it.
fn known(spelling: &str) -> Option<ParameterName> {
    if spelling.len() > MAX_NAME_BYTES || spelling.contains('/') {
        return None;
    }
    let last = spelling.rsplit([';', '?', '&']).next().unwrap_or(spelling);
    let name = text::label(last, MAX_NAME_BYTES)?.to_ascii_lowercase();
    match name.as_str() {
        "ref" => Some(ParameterName::Ref),
        "creator" => Some(ParameterName::Creator),
        name => {
            let field = FIELDS.iter().find(|(field, _)| *field == name).map(|(_, field)| *field);
            let kept = || KEPT.iter().find(|kept| **kept == name);
            field.or_else(|| kept().map(|kept| ParameterName::Kept(kept)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &str) -> String {
        let parameters = parameters(query).into_iter().map(|(name, value)| {
            let name = match name {
                ParameterName::Ref => "ref".to_owned(),
                ParameterName::Creator => "creator".to_owned(),
                ParameterName::Utm(field) => format!("{field:?}"),
                ParameterName::Matomo(field) => format!("m:{field:?}"),
                ParameterName::Kept(name) => name.to_owned(),
            };
            format!("{name}={value}")
        });
        parameters.collect::<Vec<_>>().join(" | ")
    }

    #[track_caller]
    fn all(queries: &[&str], expected: &str) {
        for query in queries {
            assert_eq!(shown(query), expected, "{query}");
        }
    }

    #[test]
    fn names_are_known_in_any_case_and_without_what_is_not_seen() {
        all(
            &[
                "Utm_Source=a&REF=b&Creator=c&GclId=d",
                "+utm_source%20=a&%E2%80%8Bref=b&creator%EF%BB%BF=c&%67clid=d",
                "utm%5Fsource=a&r%C2%ADef=b&creator+=c&g%E2%81%A0clid=d",
            ],
            "Source=a | ref=b | creator=c | gclid=d",
        );
    }

    #[test]
    fn an_ampersand_that_was_escaped_separates() {
        all(
            &[
                "utm_source=a&amp;utm_medium=b&amp;ref=c",
                "utm_source=a&amp%3Butm_medium=b&AMP;ref=c",
                "utm_source=a&amp;amp;utm_medium=b&amp;amp;amp;ref=c",
                "utm_source=a&#038;utm_medium=b&#38;ref=c",
                "utm_source=a;utm_medium=b;ref=c",
                "utm_source=a?utm_medium=b?ref=c",
                "?utm_source=a&?utm_medium=b&amp=&ref=c",
            ],
            "Source=a | Medium=b | ref=c",
        );
        all(
            &[
                "utm_source=a%26utm_medium=b",
                "utm_source=a%26amp%3Butm_medium%3Db",
                "utm_source%3Da%26utm_medium%3Db",
                "utm_source=a%3Butm_medium%3Db",
                "utm_source=a%26amp%3Bamp%3Butm_medium=b",
            ],
            "Source=a | Medium=b",
        );
    }

    #[test]
    fn a_value_that_only_resembles_parameters_stays_whole() {
        all(
            &["utm_source=a%26b&utm_term=x;y=z&utm_content=R%26D%3F"],
            "Source=a&b | Term=x;y=z | Content=R&D?",
        );
        // Addresses inside of other parameters have parameters of their own.
        all(
            &[
                "next=%2Fa%3Fb%3D1%26ref%3Dx%26utm_source%3Dy",
                "next=/a?ref=x",
                "/a?ref=x",
                "https://x.test/?ref=x",
                "utm_sources=x&xref=y&_ref=z&ref[]=1",
            ],
            "",
        );
        all(&["utm_source=x%26ref%3Dy"], "Source=x");
    }

    #[test]
    fn the_fragment_of_a_router_or_an_anchor_has_a_query() {
        for (fragment, query) in [
            ("utm_source=a&b", "utm_source=a&b"),
            ("?utm_source=a", "utm_source=a"),
            ("/signup?utm_source=a", "utm_source=a"),
            ("!/signup?utm_source=a", "utm_source=a"),
            ("!utm_source=a", "utm_source=a"),
            ("/utm_source=a", "utm_source=a"),
            ("prices&utm_source=a", "prices&utm_source=a"),
            ("a=b?utm_source=c", "a=b?utm_source=c"),
            ("", ""),
        ] {
            assert_eq!(query_of_fragment(fragment), query);
        }
        assert_eq!(shown(query_of_fragment("a=b?utm_source=c")), "Source=c");
        assert_eq!(shown(query_of_fragment("038;utm_source=c")), "Source=c");
    }

    #[test]
    fn a_code_is_recognised_as_it_is_spelled() {
        for (segment, is) in [
            ("ref=a", true),
            ("Ref", true),
            ("r%65f=a", true),
            ("%E2%80%8Bref=a", true),
            ("prefer=a", false),
        ] {
            assert_eq!(is_called(segment, "ref"), is, "{segment}");
            assert!(!is_called(segment, "creator") && !is_called(segment, ""));
        }
        let kept: Vec<&str> = segments("a=1&amp;ref=x&&AMP%3Bamp;b=2;ref=y&c;d&#038;e").collect();
        assert_eq!(kept, ["a=1", "ref=x", "b=2", "ref=y", "c;d", "e"]);
    }

    #[test]
    fn only_the_first_parameters_count_and_many_cost_little() {
        let filler = "x=1&".repeat(MAX_PARAMETERS - 1);
        assert_eq!(shown(&format!("{filler}utm_source=a&utm_medium=b")), "Source=a");
        let marks = ";".repeat(50_000);
        assert_eq!(shown(&format!("utm_source={marks}")).len(), "Source=".len() + 50_000);
        assert_eq!(parameters(&"a;ref=b".repeat(1000)).len(), MAX_PARAMETERS - 1);
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).chain(KEPT).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
