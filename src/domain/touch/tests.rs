//! One test per row of the landing table, and tests of the values.

use super::planting::CodeRecord;
use super::*;

const DAY: Duration = Duration::from_hours(24);
const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
const OLD: TouchId = TouchId(uuid::Uuid::from_u128(1));
const NEW: TouchId = TouchId(uuid::Uuid::from_u128(2));

/// Returns the request of a visitor without cookies for `/?{query}`.
fn opens(query: &str) -> PageRequest<'_> {
    PageRequest {
        navigation: Navigation {
            method: "GET",
            fetch_mode: Some("navigate"),
            fetch_dest: Some("document"),
            fetch_site: Some("cross-site"),
            purposes: [None; 4],
        },
        path: "/",
        query,
        referrer: None,
        host: Some("example.com"),
        ref_code: None,
        first_touch: None,
        consent: Consent::Unknown,
        now: NOW,
    }
}

/// Returns the same request of a visitor who came before and has a live `whence_touch`.
fn comes_back(query: &str) -> PageRequest<'_> {
    PageRequest { first_touch: Some(first_touch(NOW - DAY)), ..opens(query) }
}

fn first_touch(touched_at: Timestamp) -> FirstTouch {
    FirstTouch {
        touch_id: OLD,
        touched_at,
        landing_page: "/old".to_owned(),
        referrer_url: None,
        utm: Utm::default(),
        click_ids: ClickIds::new(),
        creator: None,
        country: None,
        consent: Consent::Unknown,
    }
}

fn planted(code: &str, touched_at: Timestamp) -> RefCode {
    RefCode::Signed(PlantedCode { code: code.parse().unwrap(), touched_at, touch_id: OLD })
}

fn rules() -> LandingRules {
    LandingRules {
        own_hosts: Hosts::new(["example.com"]),
        excluded_hosts: Hosts::new(["paypal.com", "accounts.google.com"]),
        ..LandingRules::default()
    }
}

fn when_with(request: &PageRequest<'_>, rules: &LandingRules) -> Touch {
    let arrival = arrive(request, rules).expect("a touch");
    arrival.touch(NEW, Visitor::default())
}

fn when(request: &PageRequest<'_>) -> Touch {
    when_with(request, &rules())
}

fn recorded(request: &PageRequest<'_>) -> RecordedTouch {
    when(request).record.expect("an event")
}

#[track_caller]
fn then_nothing(request: &PageRequest<'_>, why: Ignored) {
    assert_eq!(arrive(request, &rules()).err(), Some(why));
}

#[track_caller]
fn then_planted(touch: &Touch, code: Option<&str>) {
    let planted = touch.plant_code.as_ref().map(|planted| {
        assert_eq!((planted.touched_at, planted.touch_id), (NOW, NEW));
        planted.code.as_str()
    });
    assert_eq!(planted, code);
}

#[test]
fn a_visit_to_a_page_with_a_code_is_a_touch_and_plants_it() {
    let touch = when(&opens("ref=AbC-1&utm_source=mail"));
    then_planted(&touch, Some("AbC-1"));
    let first = touch.plant_first.unwrap();
    assert_eq!(first.utm.source.as_deref(), Some("mail"));
    assert_eq!((first.touched_at, first.touch_id), (NOW, NEW));
    let event = touch.record.unwrap();
    assert_eq!(event.referral.code().unwrap().as_str(), "AbC-1");
    assert_eq!(event.fetch_site, Some(FetchSite::CrossSite));
    assert_eq!(event.landing_page, "/");
}

#[test]
fn an_old_browser_without_fetch_metadata_is_believed() {
    let mut request = opens("ref=abc");
    request.navigation.fetch_mode = None;
    request.navigation.fetch_dest = None;
    then_planted(&when(&request), Some("abc"));
}

#[test]
fn a_page_fetched_ahead_of_a_visit_is_no_touch() {
    for purpose in ["prefetch", "prefetch;prerender", "Prefetch", "preview"] {
        for place in 0..4 {
            let mut request = opens("ref=abc");
            request.navigation.purposes[place] = Some(purpose);
            then_nothing(&request, Ignored::Speculative);
        }
    }
}

#[test]
fn a_frame_an_image_or_a_script_plants_nothing() {
    for dest in ["iframe", "image", "script", "empty", "object", "?", ""] {
        let mut request = opens("ref=abc");
        request.navigation.fetch_dest = Some(dest);
        then_nothing(&request, Ignored::NotTopLevel);
    }
    let mut request = opens("ref=abc");
    request.navigation.fetch_mode = Some("no-cors");
    then_nothing(&request, Ignored::NotTopLevel);
    request.navigation.fetch_mode = None;
    then_nothing(&request, Ignored::NotTopLevel);
}

#[test]
fn only_a_get_is_a_touch() {
    for method in ["HEAD", "POST", "OPTIONS", "get"] {
        let mut request = opens("ref=abc");
        request.navigation.method = method;
        then_nothing(&request, Ignored::NotGet);
    }
}

#[test]
fn an_ordinary_page_of_a_known_visitor_is_no_touch() {
    then_nothing(&comes_back(""), Ignored::PageView);
    then_nothing(&comes_back("page=2&utm_source="), Ignored::PageView);
    let mut from_own_page = comes_back("");
    from_own_page.referrer = Some("https://www.example.com/");
    then_nothing(&from_own_page, Ignored::PageView);
}

#[test]
fn each_of_code_campaign_click_id_creator_and_foreign_link_makes_a_touch() {
    for query in ["ref=abc", "utm_term=x", "fbclid=x", "creator=alice"] {
        assert!(recorded(&comes_back(query)).touch_id == NEW, "{query}");
    }
    let mut creator = comes_back("");
    creator.path = "/creators/alice";
    recorded(&creator);
    let mut foreign = comes_back("");
    foreign.referrer = Some("https://news.example/");
    recorded(&foreign);
}

#[test]
fn a_later_touch_never_replaces_the_first() {
    let touch = when(&comes_back("ref=abc&utm_source=late"));
    assert_eq!(touch.plant_first, None);
    assert!(touch.record.is_some());
}

#[test]
fn a_first_touch_past_the_window_makes_room_for_another() {
    let mut request = opens("utm_source=new");
    request.first_touch = Some(first_touch(NOW - 30 * DAY));
    assert_eq!(when(&request).plant_first, None);
    request.first_touch = Some(first_touch(NOW - 30 * DAY - Duration::from_micros(1)));
    let first = when(&request).plant_first.unwrap();
    assert_eq!(first.utm.source.as_deref(), Some("new"));
}

#[test]
fn a_direct_first_visit_is_frozen_as_such_and_recorded_only_on_demand() {
    let visit = opens("");
    let recorded = |record| {
        let rules = LandingRules { record, ..rules() };
        when_with(&visit, &rules)
    };
    for (record, event) in [(Record::All, true), (Record::Campaign, false), (Record::None, false)] {
        let touch = recorded(record);
        assert_eq!(touch.record.is_some(), event, "{record:?}");
        let expected =
            FirstTouch { touch_id: NEW, landing_page: "/".to_owned(), ..first_touch(NOW) };
        assert_eq!(touch.plant_first, Some(expected));
        then_planted(&touch, None);
    }
}

#[test]
fn record_none_plants_all_the_same() {
    let rules = LandingRules { record: Record::None, ..rules() };
    let touch = when_with(&opens("ref=abc"), &rules);
    then_planted(&touch, Some("abc"));
    assert!(touch.plant_first.is_some());
    assert_eq!(touch.record, None);
}

#[test]
fn a_bot_is_marked_and_gets_the_cookies() {
    let visitor = Visitor { bot: true, bot_rules_version: 3, ..Visitor::default() };
    let arrival = arrive(&opens("ref=abc"), &rules()).unwrap();
    let touch = arrival.touch(NEW, visitor);
    then_planted(&touch, Some("abc"));
    assert!(touch.plant_first.is_some());
    assert_eq!(touch.record.unwrap().visitor, visitor);
}

#[test]
fn a_malformed_code_is_recorded_as_such_and_the_rest_is_kept() {
    let too_long = format!("ref={}&utm_source=x", "a".repeat(33));
    for query in [
        "ref=a%20b&utm_source=x",
        "ref=%C3%A9ab&utm_source=x",
        "ref=a&utm_source=x",
        "ref=&utm_source=x",
        "ref=%FFab&utm_source=x",
        &too_long,
    ] {
        let mut request = opens(query);
        request.referrer = Some("https://news.example/");
        let touch = when(&request);
        then_planted(&touch, None);
        let event = touch.record.unwrap();
        assert_eq!(event.referral, RefParam::Malformed, "{query}");
        assert_eq!(event.utm.source.as_deref(), Some("x"));
        assert_eq!(event.referrer_url.as_deref(), Some("https://news.example/"));
        assert!(touch.plant_first.is_some());
    }
}

#[test]
fn of_several_codes_the_first_counts_and_the_rest_is_evidence() {
    let touch = when(&opens("ref=one&ref=two&ref=!&ref=c3&ref=c4&ref=c5&ref=c6"));
    then_planted(&touch, Some("one"));
    let others = touch.record.unwrap().other_codes;
    let others: Vec<_> = others.iter().map(ReferralCode::as_str).collect();
    assert_eq!(others, ["two", "c3", "c4", "c5"]);
}

#[test]
fn a_malformed_first_code_is_not_healed_by_a_second() {
    let touch = when(&opens("ref=!&ref=two"));
    then_planted(&touch, None);
    let event = touch.record.unwrap();
    assert_eq!(event.referral, RefParam::Malformed);
    assert_eq!(event.other_codes[0].as_str(), "two");
}

#[test]
fn a_referrer_of_our_own_or_an_excluded_host_is_dropped_and_flagged() {
    use ReferrerKind::{Excluded, Foreign, Malformed, None as Absent, Own};
    for (referrer, kind) in [
        ("https://example.com/a?b", Own),
        ("https://Blog.Example.com:8443/", Own),
        ("https://www.paypal.com/checkout", Excluded),
        ("https://accounts.google.com/o/oauth2", Excluded),
        ("https://www.google.com/", Foreign),
        ("https://badexample.com/", Foreign),
        ("https://example.com.evil.example/", Foreign),
        ("android-app://com.google.android.gm/", Foreign),
        ("ios-app://429047995/", Foreign),
        ("about:client", Malformed),
        ("javascript:alert(1)", Malformed),
        ("data:text/html,x", Malformed),
        ("/relative", Malformed),
        ("  ", Absent),
    ] {
        let mut request = opens("ref=abc");
        request.referrer = Some(referrer);
        let event = recorded(&request);
        assert_eq!(event.referrer_kind, kind, "{referrer}");
        let kept = event.referrer_url.as_deref();
        assert_eq!(kept, (kind == Foreign).then_some(referrer));
    }
}

#[test]
fn the_host_that_was_asked_is_always_our_own() {
    let mut request = opens("ref=abc");
    request.host = Some("Shop.test:3000");
    request.referrer = Some("http://shop.test:8080/");
    assert_eq!(recorded(&request).referrer_kind, ReferrerKind::Own);
}

#[test]
fn the_same_code_again_restarts_its_window_in_either_model() {
    for model in [Model::First, Model::Last] {
        let rules = LandingRules { model, ..rules() };
        let mut request = comes_back("ref=abc");
        request.ref_code = Some(planted("ABC", NOW - 20 * DAY));
        then_planted(&when_with(&request, &rules), Some("abc"));
    }
}

#[test]
fn another_code_while_one_is_live_is_recorded_and_the_model_says_who_wins() {
    for held in [planted("old", NOW - 20 * DAY), RefCode::Bare("old".parse().unwrap())] {
        for (model, winner) in [(Model::First, None), (Model::Last, Some("new"))] {
            let rules = LandingRules { model, ..rules() };
            let mut request = comes_back("ref=new");
            request.ref_code = Some(held.clone());
            let touch = when_with(&request, &rules);
            then_planted(&touch, winner);
            let event = touch.record.unwrap();
            assert_eq!(event.referral.code().unwrap().as_str(), "new");
        }
    }
}

#[test]
fn a_contest_is_decided_by_what_is_on_record() {
    let issued = CodeRecord::Issued { disabled_at: None, blocked: false };
    let mut request = comes_back("ref=new");
    request.ref_code = Some(planted("typo", NOW - DAY));
    for (held, winner) in [(CodeRecord::Nobodys, Some("new")), (issued, None)] {
        let mut arrival = arrive(&request, &rules()).unwrap();
        let contest = arrival.contest().unwrap();
        assert_eq!((contest.held.code.as_str(), contest.brought.as_str()), ("typo", "new"));
        arrival.settle(held, issued);
        then_planted(&arrival.touch(NEW, Visitor::default()), winner);
    }
    for (query, held) in [("ref=new", "NEW"), ("utm_source=x", "old")] {
        let mut request = comes_back(query);
        request.ref_code = Some(planted(held, NOW - DAY));
        assert!(arrive(&request, &rules()).unwrap().contest().is_none(), "{query}");
    }
}

#[test]
fn a_link_that_can_mean_several_codes_is_read_as_the_one_that_is_chosen() {
    let mut arrival = arrive(&opens("ref=oak%E2%80%94tree"), &rules()).unwrap();
    let readings: Vec<_> = arrival.readings().map(ReferralCode::as_str).collect();
    assert_eq!(readings, ["oak-tree", "oak"]);
    arrival.read_as("oak".parse().unwrap());
    assert_eq!(arrival.readings().count(), 1);
    let touch = arrival.touch(NEW, Visitor::default());
    then_planted(&touch, Some("oak"));
    assert_eq!(touch.record.unwrap().referral.code().unwrap().as_str(), "oak");
}

#[test]
fn a_code_whose_window_is_over_or_whose_cookie_is_forged_gives_way() {
    for held in [planted("old", NOW - 31 * DAY), RefCode::Invalid] {
        let mut request = comes_back("ref=new");
        request.ref_code = Some(held);
        then_planted(&when(&request), Some("new"));
    }
}

#[test]
fn a_touch_without_a_code_leaves_the_held_one_alone() {
    let mut request = comes_back("utm_source=x");
    request.ref_code = Some(planted("old", NOW - DAY));
    then_planted(&when(&request), None);
}

#[test]
fn whoever_refused_is_not_followed() {
    let mut request = opens("ref=abc");
    request.consent = Consent::Denied;
    then_nothing(&request, Ignored::Refused);
    request.consent = Consent::Granted;
    assert_eq!(recorded(&request).consent, Consent::Granted);
}

#[test]
fn a_creator_is_named_by_the_path_or_the_query() {
    for (path, query, creator) in [
        ("/creators/Alice", "", Some("alice")),
        ("/creators/alice/", "creator=bob", Some("alice")),
        ("/creators/alice/posts", "", None),
        ("/creators/", "", None),
        ("/creators/%2e%2e", "", None),
        ("/x", "creator=%20Bob&creator=eve", Some("bob")),
        ("/x", "creator=!", None),
        ("/creators/alice.", "", Some("alice")),
        ("/creators/alice),", "", Some("alice")),
        ("/x", "creator=bob,", Some("bob")),
    ] {
        let mut request = opens(query);
        request.path = path;
        let first = when(&request).plant_first.unwrap();
        let found = first.creator.as_ref().map(whence_events::Handle::as_str);
        assert_eq!(found, creator, "{path} {query}");
        assert_eq!(first.landing_page, path);
    }
}

#[test]
fn values_are_trimmed_cut_and_stripped_of_controls_and_keep_their_case() {
    let long = format!("utm_term={}", "é".repeat(300));
    assert_eq!(
        recorded(&opens(&long)).utm.term.unwrap(),
        "é".repeat(255),
        "255 characters, not bytes"
    );
    let utm = recorded(&opens(
        "utm_source=%01+Mail%0d%0a%7F+&utm_medium=%20&utm_medium=second&utm_campaign=a&\
         utm_campaign=b&utm_content=%ff%00",
    ))
    .utm;
    assert_eq!(utm.source.as_deref(), Some("Mail"));
    assert_eq!(utm.medium.as_deref(), Some("second"));
    assert_eq!(utm.campaign.as_deref(), Some("a"));
    assert_eq!(utm.content.as_deref(), Some("\u{fffd}"));

    let path = format!("/{}", "a".repeat(3000));
    let referrer = format!("https://news.example/{}", "a".repeat(3000));
    let mut request = opens("");
    request.path = &path;
    request.referrer = Some(&referrer);
    let event = recorded(&request);
    assert_eq!(event.landing_page.len(), 2048);
    assert_eq!(event.referrer_url.unwrap().len(), 2048);
}

#[test]
fn click_ids_are_found_in_any_case_and_bounded() {
    let ids = recorded(&opens("gclid=Ab_C&ScCid=x&GCLID=again&msclkid=&foo=bar")).click_ids;
    let ids: Vec<_> = ids.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(ids, [("gclid", "Ab_C"), ("sccid", "x")]);
    let all = "gclid=1&gbraid=1&wbraid=1&dclid=1&fbclid=1&msclkid=1&ttclid=1&twclid=1&epik=1";
    assert_eq!(recorded(&opens(all)).click_ids.len(), 8);
}

#[test]
fn a_window_is_1_to_400_days() {
    assert_eq!(Window::from_days(0), None);
    assert_eq!(Window::from_days(401), None);
    assert_eq!(Window::from_days(400).unwrap().length(), 400 * DAY);
    assert_eq!(Window::default().length(), 30 * DAY);
}

#[test]
fn a_touch_names_the_first_one_of_its_visitor() {
    let mut request = opens("utm_source=news");
    let first = when(&request).plant_first.unwrap();
    assert_eq!(recorded(&request).first_touch_id, first.touch_id, "it is the first");
    let earlier = TouchId(uuid::Uuid::from_u128(7));
    request.first_touch = Some(FirstTouch { touch_id: earlier, ..first.clone() });
    assert_eq!(recorded(&request).first_touch_id, earlier);
    // An expired first touch no longer counts.
    let long_ago = request.now - 31 * DAY;
    request.first_touch = Some(FirstTouch { touch_id: earlier, touched_at: long_ago, ..first });
    assert_ne!(recorded(&request).first_touch_id, earlier);
}

#[test]
fn referrers_are_counted_under_what_somebody_registered() {
    for (referrer, domain) in [
        ("https://www.google.co.uk/search?q=x", Some("google.co.uk")),
        ("https://alice.github.io/post", Some("alice.github.io")),
        ("http://NEWS.Example.com:8080/", Some("example.com")),
        ("https://co.uk/", Some("co.uk")),
        ("http://192.0.2.7/x", Some("192.0.2.7")),
        ("http://[2001:db8::1]/", Some("[2001:db8::1]")),
        ("http://intranet/", Some("intranet")),
        ("android-app://com.google.android.gm/", Some("com.google.android.gm")),
        ("ios-app://429047995/x", Some("429047995")),
        ("not a url", None),
    ] {
        assert_eq!(registrable_domain(referrer).as_deref(), domain, "{referrer}");
    }
}
