//! `POST /v1/touch`: a page reports a visit, and the response sets the cookies.

use reqwest::{Method, Response};
use whence_events::{Consent, ReferrerKind};

use crate::landing::site::{Site, jar, shown};

/// What a browser sends with the script's report from a page of the same site.
const CALL: &[(&str, &str)] = &[
    ("origin", "https://www.shop.test"),
    ("sec-fetch-mode", "no-cors"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-site", "same-site"),
    ("content-type", "text/plain;charset=UTF-8"),
];

const REPORT: &str = r#"{"location":"https://www.shop.test/a?ref=abc&utm_source=x",
    "referrer":"https://news.test/","consent":"granted","other":1}"#;

impl Site {
    async fn report(&self, headers: &[(&str, &str)], body: impl Into<String>) -> Response {
        let request = self.request(Method::POST, "/v1/touch", headers);
        request.body(body.into()).send().await.unwrap()
    }
}

/// [`CALL`] with one header changed, or left out.
fn call<'a>(name: &str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut headers = CALL.to_vec();
    headers.retain_mut(|header| {
        if header.0 == name {
            header.1 = value.unwrap_or_default();
        }
        header.0 != name || value.is_some()
    });
    headers
}

#[tokio::test]
async fn a_reported_page_gets_its_cookies() {
    let mut site = Site::start().await;
    let answer = site.report(CALL, REPORT).await;
    let first = site.first_touch(&answer).unwrap();
    insta::assert_snapshot!(shown(answer).await, @r"
    204 No Content
    set-cookie: ref_code=v1.abc.1790000000000000.[id].[mac]; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000
    set-cookie: whence_touch=v1.[touch].[mac]; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000
    cache-control: no-store
    ");

    assert_eq!(first.landing_page, "/a");
    assert_eq!(first.consent, Consent::Granted);
    let touch = site.recorded();
    assert_eq!(touch.referrer_url.as_deref(), Some("https://news.test/"));
    assert_eq!(touch.consent, Consent::Granted);
    assert_eq!(touch.fetch_site, None, "that of the page is not known");
    site.nothing_recorded();
}

#[tokio::test]
async fn an_ordinary_page_view_is_a_204_too() {
    let mut site = Site::start().await;
    let first = jar(&site.report(CALL, REPORT).await);
    site.recorded();
    let headers = [CALL, &[("cookie", &first)]].concat();
    let body = r#"{"location":"https://www.shop.test/b","referrer":"https://www.shop.test/a"}"#;
    let answer = site.report(&headers, body).await;
    insta::assert_snapshot!(shown(answer).await, @r"
    204 No Content
    cache-control: no-store
    ");
    site.nothing_recorded();
}

#[tokio::test]
async fn a_refusal_of_consent_plants_and_records_nothing() {
    let mut site = Site::start().await;
    let answer = site.report(CALL, REPORT.replace("granted", "denied")).await;
    assert_eq!((answer.status().as_u16(), jar(&answer)), (204, String::new()));
    site.nothing_recorded();
}

#[tokio::test]
async fn the_referrer_is_judged_by_the_page() {
    let mut site = Site::start().await;
    // An allowed origin, and the host that is asked itself.
    for page in ["https://blog.shop-news.test", "http://127.0.0.1"] {
        let report = serde_json::json!({
            "location": format!("{page}/?ref=abc"),
            "referrer": format!("{page}/other"),
        });
        let headers = [("content-type", "application/json"), ("sec-fetch-site", "same-origin")];
        let answer = site.report(&headers, report.to_string()).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(site.recorded().referrer_kind, ReferrerKind::Own);
    }
}

#[tokio::test]
async fn what_is_no_report_is_invalid_json() {
    let mut site = Site::start().await;
    let too_long = REPORT.to_owned() + &" ".repeat(4096);
    for body in ["", "{", "[]", "{}", r#"{"location":1}"#, &too_long] {
        let answer = site.report(CALL, body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.text().await.unwrap(), r#"{"error":"invalid_json"}"#);
    }
    let unknown_consent = REPORT.replace("granted", "perhaps");
    assert_eq!(site.report(CALL, unknown_consent).await.status(), 400);
    for kind in [Some("application/x-www-form-urlencoded"), None] {
        let answer = site.report(&call("content-type", kind), REPORT).await;
        assert_eq!(answer.status(), 400);
    }
    let broken = site.request(Method::POST, "/v1/touch", CALL);
    let broken = broken.body(b"{\"location\":\"\xff\"}".to_vec());
    assert_eq!(broken.send().await.unwrap().status(), 400);
    site.nothing_recorded();
}

#[tokio::test]
async fn a_page_of_somebody_else_is_an_invalid_location() {
    let mut site = Site::start().await;
    for location in [
        "",
        "/relative",
        "https://evil.test/?ref=abc",
        "https://www.shop.test.evil.test/?ref=abc",
        "https://www.shop.test@evil.test/?ref=abc",
        "ftp://www.shop.test/?ref=abc",
        "javascript://www.shop.test/%0a",
        "data:,x",
    ] {
        let body = serde_json::json!({ "location": location }).to_string();
        let answer = site.report(CALL, body).await;
        assert_eq!(answer.status(), 400, "{location}");
        let body = answer.text().await.unwrap();
        assert_eq!(body, r#"{"error":"invalid_location"}"#);
    }
    site.nothing_recorded();
}

#[tokio::test]
async fn another_site_cannot_stuff_cookies_by_a_report() {
    let mut site = Site::start().await;
    let foreign = call("origin", Some("https://evil.test"));
    // An allowed origin is one scheme, one host and one port.
    let below = call("origin", Some("https://x.blog.shop-news.test"));
    let insecure = call("origin", Some("http://blog.shop-news.test"));
    let elsewhere = call("origin", Some("https://www.shop.test:8443"));
    let cross_site = call("sec-fetch-site", Some("cross-site"));
    let opaque = call("origin", Some("null"));
    let hidden = [("content-type", "text/plain")];
    for headers in [&foreign[..], &below, &insecure, &elsewhere, &cross_site, &opaque, &hidden] {
        let answer = site.report(headers, REPORT).await;
        assert_eq!(answer.status(), 403, "{headers:?}");
        assert_eq!(jar(&answer), "");
        assert_eq!(answer.text().await.unwrap(), r#"{"error":"cross_site"}"#);
    }
    site.nothing_recorded();
}

#[tokio::test]
async fn callers_that_no_other_site_can_be_are_taken() {
    let site = Site::start().await;
    let asked_before = [("content-type", "application/json")];
    let no_referrer_policy =
        [("content-type", "text/plain"), ("origin", "null"), ("sec-fetch-site", "same-origin")];
    let old_browser = [("content-type", "text/plain"), ("origin", "https://www.shop.test")];
    for headers in [&asked_before[..], &no_referrer_policy, &old_browser] {
        let answer = site.report(headers, REPORT).await;
        assert_eq!(answer.status(), 204, "{headers:?}");
        assert_eq!(site.planted(&answer).as_deref(), Some("abc"));
    }
}
