use super::*;

/// Source, medium, campaign, click id and referrer domain of a visit, `""` for none.
fn channel([source, medium, campaign, click_id, domain]: [&str; 5]) -> &'static str {
    let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    let lift = |text: &str| given(Box::leak(text.to_owned().into_boxed_str()));
    let click_ids: Vec<&str> = given_ids(click_id);
    let traffic = Traffic {
        known: true,
        source: lift(source),
        medium: lift(medium),
        campaign: lift(campaign),
        click_ids: &click_ids,
        referrer_domain: lift(domain).or(Some("(none)")),
        referrer_site: None,
    };
    classify(&traffic).map_or("unknown", Channel::as_str)
}

fn given_ids(text: &str) -> Vec<&str> {
    text.split(' ').filter(|id| !id.is_empty()).collect()
}

/// Of a visit what [`channel`] takes, and its channel.
type Case = ([&'static str; 5], &'static str);

/// Campaign parameters, or nothing at all.
const TAGGED: &[Case] = &[
    (["", "", "", "", ""], "Direct"),
    (["(direct)", "(none)", "", "", ""], "Direct"),
    (["(direct)", "(not set)", "", "", ""], "Direct"),
    (["google", "cpc", "brand", "", ""], "Paid Search"),
    (["Google", "CPC", "Brand", "", ""], "Paid Search"),
    (["bing", "ppc", "", "", ""], "Paid Search"),
    (["duckduckgo", "paidsearch", "", "", ""], "Paid Search"),
    (["google", "retargeting", "", "", ""], "Paid Search"),
    (["google", "cpc", "cross-network", "", ""], "Cross-network"),
    (["google", "cpc", "summer-shopping", "", ""], "Paid Shopping"),
    (["google", "cpc", "eshop launch", "", ""], "Paid Shopping"),
    (["google", "cpc", "archbishop", "", ""], "Paid Search"),
    (["amazon", "cpc", "", "", ""], "Paid Shopping"),
    (["facebook", "paid_social", "", "", ""], "Paid Social"),
    (["facebook", "cpm", "", "", ""], "Paid Social"),
    (["instagram", "cpc", "", "", ""], "Paid Social"),
    (["linkedin", "paid", "", "", ""], "Paid Social"),
    (["youtube", "cpv", "", "", ""], "Paid Video"),
    (["youtube", "cpc", "", "", ""], "Paid Video"),
    (["somewhere", "cpm", "", "", ""], "Display"),
    (["somewhere", "banner", "", "", ""], "Display"),
    (["somewhere", "display", "", "", ""], "Display"),
    (["somewhere", "interstitial", "", "", ""], "Display"),
    (["somewhere", "cpc", "", "", ""], "Paid Other"),
    (["somewhere", "paid", "", "", ""], "Paid Other"),
    (["ebay", "", "", "", ""], "Organic Shopping"),
    (["somewhere", "", "shop", "", ""], "Organic Shopping"),
    (["facebook", "", "", "", ""], "Organic Social"),
    (["t.co", "", "", "", ""], "Organic Social"),
    (["l.facebook.com", "referral", "", "", ""], "Organic Social"),
    (["somewhere", "social", "", "", ""], "Organic Social"),
    (["somewhere", "social media", "", "", ""], "Organic Social"),
    (["somewhere", "sm", "", "", ""], "Organic Social"),
    (["vimeo", "", "", "", ""], "Organic Video"),
    (["somewhere", "video_ad", "", "", ""], "Organic Video"),
    (["google", "", "", "", ""], "Organic Search"),
    (["somewhere", "organic", "", "", ""], "Organic Search"),
    (["somewhere", "referral", "", "", ""], "Referral"),
    (["somewhere", "link", "", "", ""], "Referral"),
    (["somewhere", "app", "", "", ""], "Referral"),
    (["newsletter", "email", "", "", ""], "Email"),
    (["newsletter", "E-Mail", "", "", ""], "Email"),
    (["email", "weekly", "", "", ""], "Email"),
    (["somewhere", "affiliate", "", "", ""], "Affiliates"),
    (["somewhere", "audio", "", "", ""], "Audio"),
    (["sms", "", "", "", ""], "SMS"),
    (["somewhere", "sms", "", "", ""], "SMS"),
    (["somewhere", "webpush", "", "", ""], "Mobile Push Notifications"),
    (["somewhere", "mobile", "", "", ""], "Mobile Push Notifications"),
    (["firebase", "", "", "", ""], "Mobile Push Notifications"),
    (["somewhere", "notification", "", "", ""], "Mobile Push Notifications"),
    (["newsletter", "", "", "", ""], "Unassigned"),
    (["", "carrier-pigeon", "", "", ""], "Unassigned"),
    (["", "", "spring", "", ""], "Unassigned"),
    // Parameters win over the site.
    (["newsletter", "email", "", "", "google.com"], "Email"),
];

/// Click ids.
const CLICKED: &[Case] = &[
    (["", "", "", "gclid", ""], "Paid Search"),
    (["", "", "", "gbraid", "google.com"], "Paid Search"),
    (["newsletter", "email", "", "gclid", ""], "Paid Search"),
    (["", "", "", "msclkid", "bing.com"], "Paid Search"),
    (["", "", "", "yclid", ""], "Paid Search"),
    (["", "", "", "dclid", ""], "Display"),
    (["", "", "", "ttclid", ""], "Paid Social"),
    (["", "", "", "twclid", ""], "Paid Social"),
    (["", "", "", "li_fat_id", ""], "Paid Social"),
    (["", "", "", "rdt_cid", ""], "Paid Social"),
    (["", "", "", "epik", ""], "Paid Social"),
    (["", "", "", "tblci", ""], "Paid Other"),
    (["", "", "", "awc", ""], "Affiliates"),
    (["newsletter", "email", "", "msclkid", ""], "Email"),
    (["", "", "", "fbclid", "facebook.com"], "Organic Social"),
    (["facebook", "paid", "", "fbclid", ""], "Paid Social"),
    (["", "", "", "unheard-of", ""], "Direct"),
];

/// The site alone.
const FROM_SITES: &[Case] = &[
    (["", "", "", "", "google.com"], "Organic Search"),
    (["", "", "", "", "google.co.uk"], "Organic Search"),
    (["", "", "", "", "duckduckgo.com"], "Organic Search"),
    (["", "", "", "", "ecosia.org"], "Organic Search"),
    (["", "", "", "", "facebook.com"], "Organic Social"),
    (["", "", "", "", "x.com"], "Organic Social"),
    (["", "", "", "", "t.co"], "Organic Social"),
    (["", "", "", "", "youtube.com"], "Organic Video"),
    (["", "", "", "", "amazon.de"], "Organic Shopping"),
    (["", "", "", "", "news.example"], "Referral"),
    (["", "", "", "", "notgoogle.com"], "Referral"),
    (["", "", "", "", "fax.com"], "Referral"),
];

/// The sites and sources of assistants.
const FROM_ASSISTANTS: &[Case] = &[
    (["", "", "", "", "chatgpt.com"], "AI assistant"),
    (["", "", "", "", "perplexity.ai"], "AI assistant"),
    (["", "", "", "", "claude.ai"], "AI assistant"),
    (["chatgpt.com", "", "", "", ""], "AI assistant"),
    (["chatgpt.com", "referral", "", "", ""], "AI assistant"),
    (["gemini.google.com", "ai-assistant", "", "", ""], "AI assistant"),
    (["somewhere", "ai-assistant", "", "", ""], "AI assistant"),
    (["chatgpt.com", "email", "", "", ""], "Email"),
    (["copilot.microsoft.com", "cpc", "", "", ""], "Paid Other"),
];

#[test]
fn visits_count_as_google_analytics_says() {
    let cases = [TAGGED, CLICKED, FROM_SITES, FROM_ASSISTANTS].concat();
    assert!(cases.len() > 80);
    for (visit, expected) in cases {
        assert_eq!(channel(visit), expected, "{visit:?}");
    }
}

#[test]
fn too_little_is_unknown() {
    let nothing = Traffic::default();
    assert_eq!(classify(&nothing), None, "no visit is known");
    let unnamed = Traffic { known: true, ..nothing };
    assert_eq!(classify(&unnamed), None, "a site whose name was not written");
    let tagged = Traffic { medium: Some("email"), ..unnamed };
    assert_eq!(classify(&tagged), Some(Channel::Email));
}

/// Returns the channel of a visit from a domain, with an entry of the source list on record.
fn on_record(domain: &str, entry: &str) -> &'static str {
    let (referrer_domain, referrer_site) = (Some(domain), Some(entry));
    let visit = Traffic { known: true, referrer_domain, referrer_site, ..Traffic::default() };
    classify(&visit).map_or("unknown", Channel::as_str)
}

#[test]
fn the_entry_on_record_comes_before_the_domain() {
    assert_eq!(on_record("google.com", "gemini.google.*"), "AI assistant");
    assert_eq!(on_record("google.com", "*.google.*"), "Referral");
    assert_eq!(on_record("google.com", "google.*"), "Organic Search");
    assert_eq!(on_record("com.pinterest", "android-app://com.pinterest"), "Organic Social");
    assert_eq!(on_record("google.com", "no.longer.listed"), "Organic Search", "its domain decides");
}

#[test]
fn a_visit_without_an_entry_is_classed_by_its_domain() {
    let old = |domain| channel(["", "", "", "", domain]);
    assert_eq!(old("com.pinterest"), "Organic Social", "the app, whose name was the domain");
    assert_eq!(old("com.google.android.gm"), "Referral");
    assert_eq!(old("line"), "Referral", "a host of an intranet");
    assert_eq!(old("brave.com"), "Organic Search", "search.brave.com had no other domain");
}

#[test]
fn parameters_and_click_ids_come_before_the_entry_on_record() {
    let referrer_site = Some("gemini.google.*");
    let referred = Traffic { known: true, referrer_site, ..Traffic::default() };
    let referred = Traffic { referrer_domain: Some("google.com"), ..referred };
    let tagged = Traffic { medium: Some("email"), ..referred };
    assert_eq!(classify(&tagged), Some(Channel::Email));
    let clicked = Traffic { click_ids: &["gclid"], ..referred };
    assert_eq!(classify(&clicked), Some(Channel::PaidSearch));
}

#[test]
fn every_channel_has_a_name_and_every_kind_a_site() {
    let names: std::collections::BTreeSet<_> = Channel::ALL.iter().map(|c| c.as_str()).collect();
    assert_eq!(names.len(), Channel::ALL.len());
    for (domain, kind) in [
        ("google.com", Site::Search),
        ("facebook.com", Site::Social),
        ("ebay.com", Site::Shopping),
        ("youtube.com", Site::Video),
        ("chatgpt.com", Site::Assistant),
    ] {
        assert_eq!(site_of_domain(domain), Some(kind));
    }
}
