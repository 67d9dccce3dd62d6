use super::*;
use crate::app::client_address::ClientAddress;
use crate::domain::touch::{LandingRules, Navigation, PageRequest, Visitor, arrive};

const START: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

fn minute(minutes: u64) -> Timestamp {
    START + Duration::from_mins(minutes)
}

fn client(ip: &str, user_agent: &str) -> LandingClient {
    LandingClient {
        address: ip.parse().map_or(ClientAddress::Unknown, ClientAddress::Known),
        user_agent: Some(user_agent.to_owned()),
        ..LandingClient::default()
    }
}

fn link(query: &str) -> BroughtBy {
    let request = PageRequest {
        navigation: Navigation { method: "GET", ..Navigation::default() },
        path: "/",
        query,
        fragment: "",
        referrer: None,
        host: None,
        ref_code: None,
        first_touch: None,
        consent: whence_events::Consent::Unknown,
        now: START,
    };
    arrive(&request, &LandingRules::default()).unwrap().brought_by()
}

fn id(number: u128) -> TouchId {
    TouchId(uuid::Uuid::from_u128(number))
}

/// A landing of a client, with the cookie of a first touch or without one.
fn lands(clicks: &Clicks, client: &LandingClient, first: Option<u128>, at: Timestamp) -> bool {
    let touch_id = crate::infra::random::new_touch_id();
    clicks.seen(&link("ref=abc"), Clicker { client, first: first.map(id), touch_id }, at)
}

#[test]
fn without_a_cookie_the_same_link_address_and_agent_within_the_hour_are_one_click() {
    let clicks = Clicks::new();
    let seen = |query: &str, ip: &str, agent: &str, at| {
        let touch_id = crate::infra::random::new_touch_id();
        let by = Clicker { client: &client(ip, agent), first: None, touch_id };
        clicks.seen(&link(query), by, at)
    };
    assert!(!seen("ref=abc", "192.0.2.1", "a", START));
    assert!(seen("REF=ABC&utm_source=x", "192.0.2.1", "a", START + Duration::from_secs(3599)));
    assert!(!seen("ref=abc", "192.0.2.2", "a", START));
    assert!(!seen("ref=abc", "192.0.2.1", "b", START));
    assert!(!seen("ref=abd", "192.0.2.1", "a", START));
    assert!(!seen("utm_source=mail", "192.0.2.1", "a", START));
    assert!(seen("utm_source=mail", "192.0.2.1", "a", minute(1)));
}

#[test]
fn an_hour_after_the_first_click_the_next_one_counts() {
    for first in [None, Some(7)] {
        let clicks = Clicks::new();
        let me = client("192.0.2.1", "a");
        let seen = [0, 40, 60, 70, 119, 120].map(|m| lands(&clicks, &me, first, minute(m)));
        assert_eq!(seen, [false, true, false, true, true, false], "{first:?}");
    }
}

#[test]
fn people_behind_one_address_with_cookies_of_their_own_are_two_clicks() {
    let clicks = Clicks::new();
    let office = client("192.0.2.1", "a");
    assert!(!lands(&clicks, &office, Some(1), START));
    assert!(!lands(&clicks, &office, Some(2), START));
    assert!(!lands(&clicks, &office, None, START), "nor is one without a cookie either of them");
    assert!(lands(&clicks, &office, Some(1), minute(1)));
    assert!(lands(&clicks, &office, Some(2), minute(1)));
}

#[test]
fn a_visitor_is_known_by_the_cookie_at_another_address_and_in_another_browser_version() {
    let clicks = Clicks::new();
    assert!(!lands(&clicks, &client("192.0.2.1", "a/1"), Some(1), START));
    assert!(lands(&clicks, &client("203.0.113.9", "a/2"), Some(1), minute(59)));
}

#[test]
fn who_returns_with_the_cookie_just_planted_is_the_same_visitor() {
    let clicks = Clicks::new();
    let me = client("192.0.2.1", "a");
    let lands = |first, touch, at| {
        let by = Clicker { client: &me, first, touch_id: id(touch) };
        clicks.seen(&link("ref=abc"), by, at)
    };
    assert!(!lands(None, 1, START));
    assert!(lands(Some(id(1)), 2, minute(10)));
    // A repeat plants a cookie as well, whose hour is the running one.
    assert!(lands(None, 3, minute(20)));
    assert!(lands(Some(id(3)), 4, minute(59)));
    assert!(!lands(Some(id(3)), 5, minute(60)));
    assert!(!lands(Some(id(1)), 6, minute(60)));
}

#[test]
fn a_client_without_an_address_is_known_by_its_cookie_alone() {
    let clicks = Clicks::new();
    let nobody = LandingClient::default();
    assert!(!lands(&clicks, &nobody, None, START));
    assert!(!lands(&clicks, &nobody, None, START));
    assert!(!lands(&clicks, &nobody, Some(1), START));
    assert!(lands(&clicks, &nobody, Some(1), START));
}

#[test]
fn a_bot_repeats_nothing_and_nobody_repeats_a_bot() {
    let clicks = Clicks::new();
    let person = client("192.0.2.1", "a");
    let bot =
        LandingClient { visitor: Visitor { bot: true, ..Visitor::default() }, ..person.clone() };
    for first in [None, Some(1)] {
        assert!(!lands(&clicks, &bot, first, START));
        assert!(!lands(&clicks, &bot, first, START));
        assert!(!lands(&clicks, &person, first, START));
        assert!(!lands(&clicks, &bot, first, START));
    }
}

#[test]
fn of_many_clicks_at_once_one_counts() {
    for first in [None, Some(1)] {
        let clicks = Clicks::new();
        let me = client("192.0.2.1", "a");
        let counted = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    if !lands(&clicks, &me, first, START) {
                        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(counted.into_inner(), 1);
    }
}
