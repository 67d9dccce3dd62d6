use whence_events::{Consent, Timestamp, TouchId};

use super::*;

fn of(query: &str) -> PageFacts {
    find("/", query, "")
}

fn source_medium(found: &PageFacts) -> (Option<&str>, Option<&str>) {
    (found.utm.source.as_deref(), found.utm.medium.as_deref())
}

#[test]
fn an_empty_value_does_not_hide_the_next() {
    let found = of("utm_source=&utm_source=%E2%80%8B&utm_source=a&utm_source=b&gclid=&gclid=x\
                    &creator=&creator=ada&ref=&ref=+&ref=abc");
    assert_eq!(found.utm.source.as_deref(), Some("a"));
    assert_eq!(found.click_ids["gclid"], "x");
    assert_eq!(found.creator.as_ref().unwrap().as_str(), "ada");
    assert_eq!(found.referral.code().unwrap().as_str(), "abc");
    assert!(found.other_codes.is_empty());
    for empty in ["ref=", "ref", "ref=%E2%80%8B&ref=+"] {
        assert_eq!(of(empty).referral, RefParam::Malformed, "{empty}");
    }
}

#[test]
fn campaigns_that_look_alike_are_one() {
    for spelling in [
        "sum%CC%81er+sale",
        "s%C3%BAmer%20%20sale",
        "%EF%BB%BFs%FAmer%A0sale",
        "s%C2%ADu%CC%81mer%E2%80%8D+sale+",
    ] {
        let found = of(&format!("utm_campaign={}", spelling.replace("sum%CC%81", "su%CC%81m")));
        assert_eq!(found.utm.campaign.as_deref(), Some("súmer sale"), "{spelling}");
    }
    assert_eq!(of("utm_campaign=News").utm.campaign.as_deref(), Some("News"), "the case is kept");
    assert_ne!(of("utm_campaign=%FF").utm, of("utm_campaign=%FE").utm);
}

#[test]
fn the_query_counts_before_the_fragment() {
    for fragment in [
        "utm_source=b&utm_medium=c",
        "?utm_source=b&utm_medium=c",
        "/go?utm_source=b&utm_medium=c",
        "!/go?utm_source=b&utm_medium=c",
    ] {
        assert_eq!(source_medium(&find("/", "", fragment)), (Some("b"), Some("c")), "{fragment}");
        assert_eq!(source_medium(&find("/", "utm_source=a", fragment)), (Some("a"), Some("c")));
    }
    let found = find("/", "ref=one", "/x?ref=two&gclid=1&creator=ada");
    assert_eq!(found.referral.code().unwrap().as_str(), "one");
    assert_eq!(found.other_codes[0].as_str(), "two");
    assert!(found.creator.is_some() && found.click_ids.contains_key("gclid"));
}

#[test]
fn nothing_else_of_a_fragment_is_kept() {
    let found = find("/", "", "access_token=SECRET&id_token=SECRET&state=x&utm_term=a");
    assert!(!format!("{found:?}").contains("SECRET"));
    assert!(!find("/", "", "access_token=SECRET&code=x").says_something());
}

#[test]
fn matomos_names_count_where_googles_are_absent() {
    let found = of("mtm_source=a&pk_medium=b&MTM_Campaign=c&piwik_kwd=d&mtm_content=e&mtm_cid=7");
    let all = [
        &found.utm.source,
        &found.utm.medium,
        &found.utm.campaign,
        &found.utm.term,
        &found.utm.content,
    ];
    assert_eq!(all.map(|value| value.clone().unwrap()), ["a", "b", "c", "d", "e"]);
    assert_eq!(found.click_ids["mtm_cid"], "7");
    let both = of("mtm_source=a&mtm_medium=b&utm_source=x");
    assert_eq!(source_medium(&both), (Some("x"), None), "they are not mixed");
}

#[test]
fn ids_of_campaigns_are_kept_and_those_of_persons_are_not() {
    let found = of("utm_id=11&GAD_CampaignId=7&gad_source=1&srsltid=Af&ScCid=s&mc_cid=m&hsa_cam=9");
    let names: Vec<&str> = found.click_ids.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["gad_campaignid", "gad_source", "hsa_cam", "mc_cid", "sccid", "srsltid", "utm_id"]
    );
    assert!(of("utm_id=11").says_something());
    let persons = "mc_eid=1&_hsenc=1&__hssc=1&__hstc=1&vero_id=1&oly_enc_id=1&oly_anon_id=1&_kx=1\
                   &mkt_tok=1&__s=1&ml_subscriber=1&igshid=1&igsh=1&si=1&dm_i=1&_ke=1&_gl=1";
    assert!(!of(persons).says_something());
}

#[test]
fn a_touch_of_an_older_cookie_is_brought_to_the_form_of_today() {
    let old = FirstTouch {
        touch_id: TouchId(uuid::Uuid::from_u128(1)),
        touched_at: Timestamp::from_micros(1),
        landing_page: "/a%e2%80%8b".to_owned(),
        referrer_url: Some("https://u:p@crm.example/x?token=SECRET#y".to_owned()),
        utm: Utm { source: Some("ne\u{200b}ws ".to_owned()), ..Utm::default() },
        click_ids: [("gclid".to_owned(), "\u{feff}".to_owned())].into(),
        creator: None,
        country: None,
        consent: Consent::Unknown,
    };
    let new = old.clone().cleaned(ReferrerDetail::Path);
    assert_eq!(new.landing_page, "/a");
    assert_eq!(new.referrer_url.as_deref(), Some("https://crm.example/x"));
    assert_eq!(new.utm.source.as_deref(), Some("news"));
    assert!(new.click_ids.is_empty());
    let whole = old.cleaned(ReferrerDetail::Whole).referrer_url;
    assert_eq!(whole.as_deref(), Some("https://crm.example/x?token=SECRET#y"));
    assert_eq!(new.clone().cleaned(ReferrerDetail::Path), new);
}
