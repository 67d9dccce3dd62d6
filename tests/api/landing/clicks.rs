//! Which landings repeat a click: those of the same visitor by the same link within the hour.

use std::time::Duration;

use whence::domain::touch::{LandingRules, Record};

use crate::landing::site::{NOW, Site, cookie, jar};

/// The `Cookie` header of a visitor who has the first touch of an answer, and no code.
fn known(answer: &reqwest::Response) -> String {
    format!("whence_touch={}", cookie(answer, "whence_touch").unwrap())
}

#[tokio::test]
async fn people_behind_one_address_are_told_apart_by_their_cookies() {
    let mut site = Site::start().await;
    // Both were here before the campaign, by the same browser version and the same address.
    let [ann, bob] = [site.visit("/", &[]).await, site.visit("/", &[]).await].map(|a| known(&a));
    for (visitor, again) in [(&ann, false), (&bob, false), (&ann, true), (&bob, true)] {
        site.visit("/?ref=abc", &[("cookie", visitor)]).await;
        assert_eq!(site.recorded().deduplicated, again);
    }
    site.visit("/?ref=abc", &[]).await;
    assert!(!site.recorded().deduplicated, "a third person");
}

#[tokio::test]
async fn the_cookie_just_planted_makes_no_second_click_wherever_it_comes_from() {
    let mut site = Site::start().await;
    let first = site.visit("/?utm_source=mail", &[]).await;
    let cookies = jar(&first);
    site.clock.set(NOW + Duration::from_mins(59));
    let elsewhere = [("cookie", cookies.as_str()), ("user-agent", "Browser/2")];
    site.visit("/kept?utm_source=mail", &elsewhere).await;
    site.clock.set(NOW + Duration::from_hours(1));
    site.visit("/?utm_source=mail", &elsewhere).await;
    let again = [site.recorded(), site.recorded(), site.recorded()].map(|t| t.deduplicated);
    assert_eq!(again, [false, true, false]);
}

#[tokio::test]
async fn landings_without_a_code_are_clicks_of_their_campaign_or_of_their_site() {
    let rules = LandingRules { record: Record::All, ..LandingRules::default() };
    let mut site = Site::with(rules, 10).await;
    for (path, referrer, again) in [
        ("/?utm_campaign=a", "", false),
        ("/kept?UTM_Campaign=a%E2%80%8B&gclsrc=", "", true),
        ("/?utm_campaign=b", "", false),
        ("/", "https://news.test/1", false),
        ("/kept", "https://news.test/2", true),
        ("/", "https://blog.test/", false),
        ("/", "", false),
        ("/kept", "", true),
    ] {
        site.visit(path, &[("referer", referrer)]).await;
        assert_eq!(site.recorded().deduplicated, again, "{path} {referrer}");
    }
}

#[tokio::test]
async fn a_bot_repeats_nothing_and_nobody_repeats_a_bot() {
    let mut site = Site::start().await;
    let bot = [("x-is-bot", "yes")];
    for (headers, again) in
        [(&bot[..], false), (&bot, false), (&[], false), (&bot, false), (&[], true)]
    {
        site.visit("/?ref=abc", headers).await;
        let touch = site.recorded();
        assert_eq!((touch.deduplicated, touch.visitor.bot), (again, !headers.is_empty()));
    }
}
