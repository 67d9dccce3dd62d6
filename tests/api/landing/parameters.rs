//! The parameters of an address as links carry them, by each way in.

use reqwest::Method;
use whence::domain::touch::{LandingRules, ReferrerDetail};

use crate::landing::site::{Site, VISIT};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

impl Site {
    /// Reports a page of the site, as its script does.
    async fn reports(&self, page: &str) -> reqwest::Response {
        let body = serde_json::json!({ "location": format!("https://www.shop.test{page}") });
        let request = self.request(Method::POST, "/v1/touch", JSON);
        request.body(body.to_string()).send().await.unwrap()
    }
}

#[tokio::test]
async fn each_way_in_finds_the_campaign_however_it_is_spelled() {
    let spellings = [
        "UTM_Source=blog&Utm_Medium=Social&REF=abc",
        "utm_source=blog&amp;utm_medium=Social&amp;ref=abc",
        "utm_source=&utm_source=blog&utm_medium=Social+%E2%80%AE&ref=&ref=%E2%80%8Babc",
        "%EF%BB%BFutm_source=blog;utm_medium=Social;ref=abc",
    ];
    let mut site = Site::start().await;
    for spelling in spellings {
        site.visit(&format!("/?{spelling}"), &[]).await;
        site.reports(&format!("/?{spelling}")).await;
        site.visit(&format!("/r/abc?{spelling}"), &[]).await;
        for _ in 0..3 {
            let touch = site.recorded();
            let utm = (touch.utm.source.as_deref(), touch.utm.medium.as_deref());
            assert_eq!(utm, (Some("blog"), Some("Social")), "{spelling}");
            assert_eq!(touch.referral.code().unwrap().as_str(), "abc");
        }
        site.nothing_recorded();
    }
}

#[tokio::test]
async fn a_short_link_names_the_code_once_however_it_was_spelled_before() {
    let site = Site::start().await;
    for query in
        ["Ref=x&a=1", "a=1&amp;REF=x", "a=1;ref=x", "%E2%80%8Bref=x&a=1", "ref=x&amp%3Bref=y&a=1"]
    {
        let answer = site.visit(&format!("/r/abc?{query}"), &[]).await;
        let expected = "https://www.shop.test/welcome?a=1&lang=en&ref=abc";
        assert_eq!(answer.headers()["location"], expected, "{query}");
        assert_eq!(site.planted(&answer).as_deref(), Some("abc"));
    }
}

#[tokio::test]
async fn a_reported_fragment_counts_after_the_query_and_leaves_no_token() {
    let mut site = Site::start().await;
    for (page, source) in [
        ("/#utm_source=a&token=SECRET", "a"),
        ("/#/sign-up?utm_source=a&token=SECRET", "a"),
        ("/?utm_source=b#utm_source=a&token=SECRET", "b"),
    ] {
        let answer = site.reports(page).await;
        let first = site.first_touch(&answer).unwrap();
        assert_eq!(first.utm.source.as_deref(), Some(source));
        assert!(!format!("{first:?} {:?}", site.recorded()).contains("SECRET"), "{page}");
    }
    site.reports("/#access_token=SECRET").await;
    site.nothing_recorded();
}

#[tokio::test]
async fn of_a_referring_page_as_much_is_kept_as_the_setting_says() {
    let whole = "https://crm.test/people/7?token=SECRET&mail=a%40b.test";
    for (detail, kept) in [
        (ReferrerDetail::Origin, "https://crm.test/"),
        (ReferrerDetail::Path, "https://crm.test/people/7"),
        (ReferrerDetail::Whole, whole),
    ] {
        let rules = LandingRules { referrer_detail: detail, ..LandingRules::default() };
        let mut site = Site::with(rules, 10).await;
        let answer = site.visit("/", &[("referer", whole)]).await;
        let first = site.first_touch(&answer).unwrap();
        assert_eq!(first.referrer_url.as_deref(), Some(kept));
        assert_eq!(site.recorded().referrer_url.as_deref(), Some(kept));
    }
}

#[tokio::test]
async fn what_is_no_text_and_ten_thousand_parameters_are_recorded_all_the_same() {
    let mut site = Site::start().await;
    for (query, source) in [
        ("utm_source=%FF", Some("ÿ")),
        ("utm_source=%FE", Some("þ")),
        ("utm_source=%", Some("%")),
        ("utm_source=%00%01&utm_medium=x", None),
        ("utm_source=%ED%A0%80&utm_medium=x", Some("í €")),
    ] {
        let answer = site.visit(&format!("/%FF?{query}"), &[]).await;
        assert!(answer.status().as_u16() < 500, "{query}");
        let touch = site.recorded();
        assert_eq!(
            (touch.utm.source.as_deref(), &*touch.landing_page),
            (source, "/%FF"),
            "{query}"
        );
    }
    let many = "p=1&".repeat(10_000);
    for query in [format!("utm_source=a&{many}"), format!("{many}utm_source=a")] {
        let request = site.request(Method::GET, &format!("/?{query}"), VISIT);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    assert_eq!(site.recorded().utm.source.as_deref(), Some("a"));
    // The 256th parameter is the last that is read.
    site.nothing_recorded();
    let answer = site.reports(&format!("/?{many}")).await;
    assert_eq!(answer.status(), 400, "longer than a report may be");
}
