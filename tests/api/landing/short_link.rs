//! `GET /r/{code}`: redirects to the landing page and sets the cookies.

use reqwest::Method;
use reqwest::header::HeaderValue;
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
    for path in ["/r/a_b", "/r/%FF%FE", "/r/a%26ref=good", "/r/x", "/r/caf%C3%A9", "/r/ada@x.test"]
    {
        let answer = site.visit(&format!("{path}?utm_source=qr"), &[]).await;
        assert_eq!(answer.status(), 302, "{path}");
        let expected = "https://www.shop.test/welcome?utm_source=qr&lang=en";
        assert_eq!(answer.headers()["location"], expected);
        assert_eq!(site.planted(&answer), None);
        assert_eq!(site.recorded().referral, RefParam::Malformed);
    }
}

#[tokio::test]
async fn a_link_is_found_with_what_was_appended_to_it() {
    let mut site = Site::start().await;
    for path in [
        "/r/oak-7/",
        "/r/oak-7//",
        "/r/oak-7.",
        "/r/oak-7,",
        "/r/oak-7)",
        "/r/oak-7%3E",
        "/r/oak-7%22",
        "/r/oak-7%E2%80%9D",
        "/r/oak-7%94",
        "/r/oak-7%20",
        "/r/oak-7*",
        "/r/oak-7_",
        "/r/oak-7~",
        "/r/oak-7%E2%80%8B",
        "/r/%E2%80%AAoak-7%E2%80%AC",
        "/r/oak%C2%AD-7",
        "/r/oak-7=",
        "/r/oak-7=0A",
        "/r/oak-7%0D%0A",
        "/r/oak=%0D%0A-7",
        "/r/oak-7;jsessionid=ABC",
        "/r/oak-7%3Cbr%3E",
        "/r/oak-7%3C/a%3E",
        "/r//oak-7",
        "/r/%28oak-7%29",
        "/r/%5Boak-7%5D.",
        "/r/oak%2D7",
        "/r/oak%E2%80%907",
        "/r/oak%E2%88%927",
        "/r/%EF%BD%8F%EF%BD%81%EF%BD%8B-%EF%BC%97",
        "/r/oak-%D9%A7",
        "/r/oak-7.Thanks",
        "/r/oak-7!%20Bye",
        "/r/oak-7%E3%81%AE",
        "/r/oak-7/index.html",
        "/r/https://x.test/r/oak-7",
        "/r/&lt;oak-7&gt;",
    ] {
        let answer = site.visit(path, &[]).await;
        let expected = "https://www.shop.test/welcome?lang=en&ref=oak-7";
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["location"]),
            (302, &HeaderValue::from_static(expected)),
            "{path}"
        );
        assert_eq!(site.planted(&answer).as_deref(), Some("oak-7"), "{path}");
        assert_eq!(site.recorded().referral.code().unwrap().as_str(), "oak-7", "{path}");
    }
}

#[tokio::test]
async fn what_was_glued_on_as_a_query_counts_as_the_query() {
    let mut site = Site::start().await;
    for path in [
        "/r/oak&utm_source=qr&utm_medium=print",
        "/r/oak&amp;utm_source=qr&amp;utm_medium=print",
        "/r/oak%3Futm_source%3Dqr%26utm_medium%3Dprint",
        "/r/oak/&utm_source=qr?utm_medium=print",
        "/r/oak?utm_source=qr&utm_medium=print",
    ] {
        let answer = site.visit(path, &[]).await;
        let location = answer.headers()["location"].to_str().unwrap();
        let expected =
            "https://www.shop.test/welcome?utm_source=qr&utm_medium=print&lang=en&ref=oak";
        assert_eq!(location, expected, "{path}");
        let utm = site.recorded().utm;
        assert_eq!((utm.source.as_deref(), utm.medium.as_deref()), (Some("qr"), Some("print")));
    }
}

#[tokio::test]
async fn without_a_code_it_is_a_way_to_the_landing_page() {
    let mut site = Site::start().await;
    for (path, target, code) in [
        ("/r", "https://www.shop.test/welcome?lang=en", None),
        ("/r/", "https://www.shop.test/welcome?lang=en", None),
        ("/r/?ref=oak", "https://www.shop.test/welcome?ref=oak&lang=en", Some("oak")),
        ("/r/%20?ref=oak.", "https://www.shop.test/welcome?ref=oak.&lang=en", Some("oak")),
    ] {
        let answer = site.visit(path, &[]).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
            (302, target)
        );
        assert_eq!(site.planted(&answer).as_deref(), code, "{path}");
        if code.is_some() {
            assert_eq!(site.recorded().referral.code().unwrap().as_str(), "oak");
        }
        site.nothing_recorded();
    }
    let long = site.visit(&format!("/r/{}", "x".repeat(20_000)), &[]).await;
    assert_eq!(long.headers()["location"], "https://www.shop.test/welcome?lang=en");
    assert_eq!(site.recorded().referral, RefParam::Malformed);
}

#[tokio::test]
async fn a_page_finds_the_code_of_its_parameter_as_well() {
    let mut site = Site::start().await;
    for value in
        ["oak-7.", "(oak-7)", "oak-7%E2%80%8B", "%EF%BD%8Fak-7", "oak-7%0D%0A", "oak-7,+bye"]
    {
        let answer = site.visit(&format!("/?ref={value}"), &[]).await;
        assert_eq!(site.planted(&answer).as_deref(), Some("oak-7"), "{value}");
        site.recorded();
    }
    // The name of a site that other programs write there is nobody's code.
    for value in
        ["oak.example.com", "news.site.test.com/page", "oak@example.com", "https://oak.test/"]
    {
        let answer = site.visit(&format!("/?ref={value}"), &[]).await;
        assert_eq!(site.planted(&answer), None, "{value}");
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
