//! `GET /r/{code}`: redirects to the landing page and sets the cookies.

use reqwest::Method;
use whence::domain::touch::RefParam;

use crate::landing::site::{Site, VISIT, jar, shown};

#[tokio::test]
async fn a_short_link_plants_and_leads_to_the_landing_page() {
    let mut site = Site::start().await;
    let referrer = [("referer", "https://news.test/")];
    let answer = site.visit("/r/AbC?utm_source=qr", &referrer).await;
    let first = site.first_touch(&answer).unwrap();
    insta::assert_snapshot!(shown(answer).await, @r"
    302 Found
    location: https://www.shop.test/welcome?utm_source=qr&lang=en&ref=AbC
    cache-control: no-store
    set-cookie: ref_code=v1.AbC.1790000000000000.[id].[mac]; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000
    set-cookie: whence_touch=v1.[touch].[mac]; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000
    content-length: 0
    ");

    assert_eq!(first.landing_page, "/welcome");
    assert_eq!(first.utm.source.as_deref(), Some("qr"));
    assert_eq!(first.referrer_url.as_deref(), Some("https://news.test/"));
    let touch = site.recorded();
    assert_eq!(touch.referral.code().unwrap().as_str(), "AbC");
    assert!(touch.other_codes.is_empty());
    site.nothing_recorded();
}

#[tokio::test]
async fn the_code_of_the_path_wins_over_that_of_the_query() {
    let mut site = Site::start().await;
    let answer = site.visit("/r/mine?ref=other&x=1", &[]).await;
    let expected = "https://www.shop.test/welcome?x=1&lang=en&ref=mine";
    assert_eq!(answer.headers()["location"], expected);
    assert_eq!(site.planted(&answer).as_deref(), Some("mine"));
    assert_eq!(site.recorded().other_codes[0].as_str(), "other");
}

#[tokio::test]
async fn a_malformed_code_leads_on_without_being_planted() {
    let mut site = Site::start().await;
    for path in ["/r/a_b", "/r/%FF%FE", "/r/a%26ref=good", "/r/x"] {
        let answer = site.visit(&format!("{path}?utm_source=qr"), &[]).await;
        assert_eq!(answer.status(), 302, "{path}");
        let expected = "https://www.shop.test/welcome?utm_source=qr&lang=en";
        assert_eq!(answer.headers()["location"], expected);
        assert_eq!(site.planted(&answer), None);
        assert_eq!(site.recorded().referral, RefParam::Malformed);
    }
}

#[tokio::test]
async fn a_head_a_prefetch_and_an_image_are_only_led_on() {
    let mut site = Site::start().await;
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    let prefetch = [VISIT, &[("purpose", "prefetch")]].concat();
    for (method, headers) in
        [(Method::HEAD, VISIT), (Method::GET, &prefetch), (Method::GET, &image)]
    {
        let request = site.request(method, "/r/abc", headers);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let expected = "https://www.shop.test/welcome?lang=en&ref=abc";
        assert_eq!(answer.headers()["location"], expected);
        assert_eq!(jar(&answer), "");
    }
    site.nothing_recorded();
}

#[tokio::test]
async fn the_landing_page_behind_it_counts_no_second_click() {
    let mut site = Site::start().await;
    let link = site.visit("/r/abc", &[]).await;
    site.visit("/?ref=abc", &[("cookie", &jar(&link))]).await;
    assert!(!site.recorded().deduplicated);
    assert!(site.recorded().deduplicated);
}

#[tokio::test]
async fn a_long_link_lands_with_its_first_parameters() {
    let mut site = Site::start().await;
    let long = format!("utm_source=qr&x={}&utm_medium=print&ref=other", "x".repeat(3000));
    let answer = site.visit(&format!("/r/AbC?{long}"), &[]).await;
    let expected = "https://www.shop.test/welcome?utm_source=qr&lang=en&ref=AbC";
    assert_eq!(answer.headers()["location"], expected);
    assert_eq!(site.planted(&answer).as_deref(), Some("AbC"));
    let first = site.first_touch(&answer).unwrap();
    assert_eq!((first.utm.source.as_deref(), first.utm.medium), (Some("qr"), None));
    assert!(site.recorded().other_codes.is_empty());
    let answer = site.visit(&format!("/r/AbC?{}", "&".repeat(28_000)), &[]).await;
    assert_eq!(answer.status(), 302);
}
