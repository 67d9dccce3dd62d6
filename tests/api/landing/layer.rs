//! The layer around the pages of a service.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use whence::domain::touch::{Ignored, LandingRules, Model, Record, RefParam, Window};
use whence_events::{FetchSite, ReferrerKind};

use whence::http::limits::TOUCHES_PER_CLIENT;

use crate::landing::site::{NOW, Site, VISIT, cookie, jar, shown};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_visit_with_a_code_gets_both_cookies_and_the_page() {
    let mut site = Site::start().await;
    let answer = site.visit("/?ref=AbC&utm_source=mail", &[]).await;
    let first = site.first_touch(&answer).unwrap();
    insta::assert_snapshot!(shown(answer).await, @r"
    200 OK
    content-type: text/plain; charset=utf-8
    set-cookie: ref_code=v1.AbC.1790000000000000.[id].[mac]; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000
    set-cookie: whence_touch=v1.[touch].[mac]; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000
    cache-control: private
    content-length: 4

    home
    ");

    assert_eq!(first.landing_page, "/");
    assert_eq!(first.utm.source.as_deref(), Some("mail"));
    assert_eq!(first.country.unwrap().as_str(), "DE");
    let touch = site.recorded();
    assert_eq!((touch.touch_id, touch.occurred_at), (first.touch_id, NOW));
    assert_eq!(touch.referral.code().unwrap().as_str(), "AbC");
    assert_eq!(touch.fetch_site, Some(FetchSite::CrossSite));
    assert!(!touch.deduplicated);
    site.nothing_recorded();
}

#[tokio::test]
async fn over_https_the_cookies_are_secure_for_the_window() {
    let rules = LandingRules { window: Window::from_days(7).unwrap(), ..LandingRules::default() };
    let site = Site::with(rules, 10).await;
    let answer = site.visit("/?ref=abc", &[("x-forwarded-proto", "https")]).await;
    for line in answer.headers().get_all("set-cookie") {
        let line = line.to_str().unwrap();
        let expected = "; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=604800";
        assert!(line.ends_with(expected), "{line}");
    }
}

#[tokio::test]
async fn a_prefetch_a_frame_and_a_head_plant_nothing_and_are_counted() {
    let mut site = Site::start().await;
    let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    let prefetch = [VISIT, &[("sec-purpose", "prefetch;prerender")]].concat();
    for (method, headers) in
        [(Method::GET, &frame[..]), (Method::GET, &prefetch), (Method::HEAD, VISIT)]
    {
        let request = site.request(method, "/?ref=abc", headers);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(jar(&answer), "");
    }
    let counts: Vec<_> = site.landing.ignored().collect();
    assert_eq!(
        counts,
        [
            (Ignored::NotGet, 1),
            (Ignored::Speculative, 1),
            (Ignored::NotTopLevel, 1),
            (Ignored::PageView, 0),
            (Ignored::Refused, 0),
        ]
    );
    site.nothing_recorded();
}

#[tokio::test]
async fn an_old_browser_without_fetch_metadata_gets_its_cookies() {
    let site = Site::start().await;
    let request = site.request(Method::GET, "/?ref=abc", &[]);
    let answer = request.send().await.unwrap();
    assert_eq!(site.planted(&answer).as_deref(), Some("abc"));
}

#[tokio::test]
async fn the_same_code_again_restarts_the_window_and_is_no_other_click() {
    let mut site = Site::start().await;
    let first = site.visit("/?ref=abc", &[]).await;
    site.clock.set(NOW + Duration::from_mins(59));
    let again = site.visit("/?ref=ABC", &[("cookie", &jar(&first))]).await;
    assert_eq!(site.planted(&again).as_deref(), Some("ABC"));
    assert_ne!(cookie(&first, "ref_code"), cookie(&again, "ref_code"));
    assert_eq!(site.first_touch(&again), None, "frozen");
    assert!(!site.recorded().deduplicated);
    assert!(site.recorded().deduplicated);
}

#[tokio::test]
async fn the_first_code_stays_and_in_the_other_model_the_last() {
    for (model, winner) in [(Model::First, None), (Model::Last, Some("new"))] {
        let rules = LandingRules { model, ..LandingRules::default() };
        let mut site = Site::with(rules, 10).await;
        let old = jar(&site.visit("/?ref=old", &[]).await);
        site.clock.set(NOW + 29 * DAY);
        let answer = site.visit("/?ref=new", &[("cookie", &old)]).await;
        assert_eq!(site.planted(&answer).as_deref(), winner);
        let codes = [site.recorded(), site.recorded()].map(|touch| touch.referral);
        assert_eq!(codes[1].code().unwrap().as_str(), "new");

        site.clock.set(NOW + 31 * DAY);
        let answer = site.visit("/?ref=new", &[("cookie", &old)]).await;
        assert_eq!(site.planted(&answer).as_deref(), Some("new"), "over");
    }
}

#[tokio::test]
async fn an_ordinary_page_view_is_left_alone() {
    let mut site = Site::start().await;
    let home = site.visit("/", &[]).await;
    let direct = site.first_touch(&home).unwrap();
    assert_eq!((direct.utm, direct.referrer_url), Default::default());
    assert_eq!(site.planted(&home), None);
    let next = site.visit("/kept", &[("cookie", &jar(&home))]).await;
    insta::assert_snapshot!(shown(next).await, @r"
    200 OK
    content-type: text/plain; charset=utf-8
    cache-control: public, max-age=60
    content-length: 4

    kept
    ");
    site.nothing_recorded();
}

#[tokio::test]
async fn a_direct_first_visit_is_recorded_on_demand() {
    let rules = LandingRules { record: Record::All, ..LandingRules::default() };
    let mut site = Site::with(rules, 10).await;
    site.visit("/", &[]).await;
    assert_eq!(site.recorded().referral, RefParam::Absent);
}

#[tokio::test]
async fn a_foreign_referrer_is_kept_and_our_own_and_excluded_ones_are_not() {
    for (referrer, kind) in [
        ("https://news.test/a?b=c", ReferrerKind::Foreign),
        ("https://www.shop.test/", ReferrerKind::Own),
        ("http://127.0.0.1:1/", ReferrerKind::Own),
        ("https://pay.test/", ReferrerKind::Excluded),
    ] {
        let mut site = Site::start().await;
        let answer = site.visit("/creators/Alice", &[("referer", referrer)]).await;
        let kept = (kind == ReferrerKind::Foreign).then(|| "https://news.test/a".to_owned());
        let first = site.first_touch(&answer).unwrap();
        assert_eq!(first.referrer_url, kept);
        assert_eq!(first.creator.unwrap().as_str(), "alice");
        let touch = site.recorded();
        assert_eq!((touch.referrer_kind, touch.referrer_url), (kind, kept));
    }
}

#[tokio::test]
async fn a_malformed_code_is_not_planted_and_the_rest_is_kept() {
    let mut site = Site::start().await;
    for query in ["ref=a_b", "ref=%FF%00", "ref=", "ref=a&ref=good"] {
        let answer = site.visit(&format!("/?{query}&utm_source=x"), &[]).await;
        assert_eq!(site.planted(&answer), None, "{query}");
        let first = site.first_touch(&answer).unwrap();
        assert_eq!(first.utm.source.as_deref(), Some("x"));
        assert_eq!(site.recorded().referral, RefParam::Malformed);
    }
}

#[tokio::test]
async fn an_answer_that_plants_is_kept_by_no_shared_cache() {
    let site = Site::start().await;
    let answer = site.visit("/kept?ref=abc", &[]).await;
    assert_eq!(answer.headers()["cache-control"], "private, max-age=60");
}

#[tokio::test]
async fn broken_and_forged_cookies_are_as_good_as_none() {
    let site = Site::start().await;
    let forged = "ref_code=v1.old.1790000000000000.x.y; whence_touch=v1.e30.AAAA";
    for cookies in [
        &b"\xff\xfe=\xc3\x28; ref_code=\xff; whence_touch=\xf0\x9f"[..],
        forged.as_bytes(),
        b";;;=;ref_code;whence_touch=\"",
    ] {
        let request = site.request(Method::GET, "/?ref=abc", VISIT);
        let cookies = HeaderValue::from_bytes(cookies).unwrap();
        let answer = request.header("cookie", cookies).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(site.planted(&answer).as_deref(), Some("abc"));
        assert!(site.first_touch(&answer).is_some());
    }
}

#[tokio::test]
async fn cookies_are_found_behind_broken_ones() {
    let site = Site::start().await;
    let old = jar(&site.visit("/?ref=old", &[]).await);
    let cookies = [b"a=\xff\xfe; ", old.as_bytes()].concat();
    let request = site.request(Method::GET, "/?ref=new", VISIT);
    let cookies = HeaderValue::from_bytes(&cookies).unwrap();
    let answer = request.header("cookie", cookies).send().await.unwrap();
    assert_eq!(jar(&answer), "", "the old code is live");
}

#[tokio::test]
async fn absurd_headers_do_not_fail_a_page() {
    let mut site = Site::start().await;
    let long = "x".repeat(8000);
    for (name, value) in [
        ("referer", long.as_bytes()),
        ("referer", b"http://[::1"),
        ("referer", b"https://\xff\xff/"),
        ("host", b"\xff"),
        ("user-agent", &[0xff; 2000]),
        ("cookie", &[b';'; 8000]),
        ("sec-fetch-site", b"\xff"),
        ("purpose", b"\xff"),
    ] {
        let request = site.request(Method::GET, "/?ref=abc", VISIT);
        let value = HeaderValue::from_bytes(value).unwrap();
        let answer = request.header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        assert_eq!(site.planted(&answer).as_deref(), Some("abc"), "{name}");
        site.recorded();
    }
    let long = format!("/?ref=abc&{}", "utm_term=x&".repeat(2000));
    let answer = site.visit(&long, &[]).await;
    assert_eq!(site.planted(&answer).as_deref(), Some("abc"));
}

#[tokio::test]
async fn what_overflows_is_counted_and_the_cookies_are_set_all_the_same() {
    let mut site = Site::with(LandingRules::default(), 2).await;
    for _ in 0..5 {
        let answer = site.visit("/?ref=abc", &[]).await;
        assert_eq!(site.planted(&answer).as_deref(), Some("abc"));
    }
    assert_eq!(site.landing.recorder().lost(), 3);
    site.recorded();
    site.recorded();
    site.nothing_recorded();
    site.touches.close();
    site.visit("/?ref=abc", &[]).await;
    assert_eq!(site.landing.recorder().lost(), 4);
}

#[tokio::test]
async fn one_client_cannot_fill_the_log() {
    let mut site = Site::with(LandingRules::default(), 1000).await;
    for n in 0..=TOUCHES_PER_CLIENT {
        let answer = site.visit(&format!("/?ref=code-{n}"), &[]).await;
        assert!(site.planted(&answer).is_some());
    }
    assert_eq!(site.landing.recorder().lost(), 1);
    site.touches.close();
}
