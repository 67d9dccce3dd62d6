//! Reports over HTTP, for operators.

use std::time::Duration;

use serde_json::json;
use whence::infra::random::{new_correlation_id, new_event_id, new_user_id};
use whence::store::{Append, NewEvent};
use whence_events::{Actor, Event, Metadata, StreamId};

use crate::server::{Answer, Server, until};
use crate::stores::on_every_store;

const TOKEN: &str = "c2VjcmV0c2VjcmV0c2VjcmV0cw==";

async fn server() -> Server {
    Server::with(&["--admin-token", &format!("grace={TOKEN}")]).await
}

async fn ask(server: &Server, question: &str) -> Answer {
    let mut browser = server.browser();
    browser.headers = vec![("x-admin-token", TOKEN.to_owned())];
    browser.get(&format!("/v1/admin/analytics/{question}")).await
}

/// Ada registers; Bob follows her link out of a newsletter, a day later, and registers.
async fn journey(server: &Server) {
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    server.pass(Duration::from_hours(24));
    let mut bob = server.browser();
    bob.headers = vec![
        ("sec-fetch-mode", "navigate".into()),
        ("sec-fetch-dest", "document".into()),
        ("referer", "https://blog.example.co.uk/best-tools".into()),
    ];
    bob.get(&format!("/r/{code}?utm_source=newsletter&utm_medium=email")).await;
    until("the touch is recorded", async || {
        server.types().await.iter().any(|known| known == "TouchRecorded.v2")
    })
    .await;
    bob.headers.clear();
    server.log_in(&mut bob, "bob@example.org").await;
}

#[on_every_store]
async fn a_report_says_what_happened() {
    let server = server().await;
    journey(&server).await;
    let answer = ask(&server, "signups?by=day,source,medium,channel,landing_page").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        answer.json()["rows"],
        json!([
            { "day": "2026-01-01", "source": null, "medium": null, "channel": null,
              "landing_page": null, "signups": 1 },
            { "day": "2026-01-02", "source": "newsletter", "medium": "email",
              "channel": "Referral programme", "landing_page": "/", "signups": 1 },
        ])
    );
    let domains = ask(&server, "domains").await.json();
    assert_eq!(
        domains["rows"][0],
        json!({
            "referrer_domain": "example.co.uk", "landings": 1, "signups": 1, "clicks": 1, "visitors": 1
        })
    );
    let funnel = ask(&server, "funnel").await.json();
    let count = |stage: &str| {
        let rows = funnel["rows"].as_array().unwrap();
        rows.iter().find(|row| row["stage"] == stage).expect(stage)["count"].clone()
    };
    let stages = ["landing", "code_requested", "delivered", "verified", "registered", "attributed"];
    assert_eq!(stages.map(count), [1, 2, 2, 2, 2, 1].map(|n| json!(n)));
    let referrers = ask(&server, "referrers").await.json();
    let row = &referrers["rows"][0];
    assert_eq!([&row["clicks"], &row["signups"], &row["attributed"]], [1, 1, 1]);
    assert_eq!([&row["landings"], &row["visitors"]], [1, 1]);
    let models = ask(&server, "models?by=source&half_life=12h&timezone=Asia/Tokyo").await.json();
    assert_eq!(models["timezone"], "Asia/Tokyo");
    for (row, source) in models["rows"].as_array().unwrap().iter().zip([Some("newsletter"), None]) {
        assert_eq!(row["source"], json!(source));
        assert_eq!([&row["first_touch"], &row["last_non_direct"]], [1, 1]);
        let shared = ["linear", "position_based", "time_decay", "markov", "shapley"];
        assert_eq!(shared.map(|model| row[model].as_f64()), [Some(1.0); 5], "{row}");
    }
    let tree = ask(&server, "tree?where=part=cycles").await.json();
    assert_eq!(tree["rows"], json!([{ "part": "cycles", "which": "all", "users": 0 }]));
}

/// Somebody follows a link on a page of another site, and registers.
async fn from_page(server: &Server, number: usize, referrer: &str) {
    let mut browser = server.browser();
    let location = format!("{}/", browser.url());
    let report = json!({ "location": location, "referrer": referrer });
    assert_eq!(browser.post("/v1/touch", report.to_string()).await.status, 204);
    server.log_in(&mut browser, &format!("user{number}@example.com")).await;
}

#[on_every_store]
async fn the_host_that_a_visitor_came_from_decides_the_channel() {
    let server = server().await;
    let pages = [
        ("https://claude.ai/chat/1", Some("claude.ai"), "AI assistant"),
        ("https://gemini.google.com/", Some("gemini.google.*"), "AI assistant"),
        ("https://calendar.google.com/", Some("*.google.*"), "Referral"),
        ("https://www.google.com.br/", Some("google.*"), "Organic Search"),
        ("https://google.example.net/", None, "Referral"),
        ("ios-app://429047995/", Some("ios-app://429047995"), "Organic Social"),
    ];
    for (number, (page, ..)) in pages.iter().enumerate() {
        from_page(&server, number, page).await;
    }
    let mut recorded = Vec::new();
    until("the touches are recorded", async || {
        let events = server.log().await;
        let touches = events.iter().filter_map(|recorded| match &recorded.event {
            Event::Touch(touch) => touch.touch().referrer_site.clone().map(Some).or(Some(None)),
            _ => None,
        });
        recorded = touches.collect();
        recorded.len() == pages.len()
    })
    .await;
    recorded.sort();
    let mut entries: Vec<_> = pages.iter().map(|(_, entry, _)| entry.map(str::to_owned)).collect();
    entries.sort();
    assert_eq!(recorded, entries);
    let mut channels: Vec<&str> = pages.iter().map(|(.., channel)| *channel).collect();
    channels.sort_unstable();
    let answer = ask(&server, "signups?by=channel").await.json();
    let mut found = Vec::new();
    for row in answer["rows"].as_array().unwrap() {
        for _ in 0..row["signups"].as_u64().unwrap() {
            found.push(row["channel"].as_str().unwrap());
        }
    }
    found.sort_unstable();
    assert_eq!(found, channels);
}

#[on_every_store]
async fn a_later_landing_is_classed_by_its_host_too() {
    let server = server().await;
    let mut browser = server.browser();
    for referrer in ["https://www.google.com/", "https://gemini.google.com/"] {
        let report = json!({ "location": format!("{}/", browser.url()), "referrer": referrer });
        assert_eq!(browser.post("/v1/touch", report.to_string()).await.status, 204);
        server.pass(Duration::from_hours(2));
    }
    until("the touches are recorded", async || {
        let types = server.types().await;
        types.iter().filter(|known| *known == "TouchRecorded.v2").count() == 2
    })
    .await;
    server.log_in(&mut browser, "ada@example.com").await;
    let answer = ask(&server, "models?by=channel").await.json();
    let rows = answer["rows"].as_array().unwrap();
    let mut channels: Vec<_> = rows.iter().map(|row| row["channel"].as_str().unwrap()).collect();
    channels.sort_unstable();
    assert_eq!(channels, ["AI assistant", "Organic Search"], "the last touch, and the first");
}

#[on_every_store]
async fn a_report_can_be_had_as_csv_and_as_of_a_time() {
    let server = server().await;
    journey(&server).await;
    let question = "signups?by=source&format=csv&where=source%3Dnewsletter&where=source%3D";
    let answer = ask(&server, question).await;
    assert_eq!(answer.header("content-type").unwrap(), "text/csv; charset=utf-8");
    assert_eq!(answer.text, "source,signups\r\nnewsletter,1\r\n,1\r\n");
    let question = "signups?by=source&format=csv&as_of=2026-01-02&timezone=UTC";
    assert_eq!(ask(&server, question).await.text, "source,signups\r\n,1\r\n");
    assert_eq!(
        ask(&server, "signups?by=source&format=csv&as_of=0").await.text,
        "source,signups\r\n"
    );
    let question = "signups?by=day&format=csv&from=2026-01-02&to=2026-01-03";
    assert_eq!(ask(&server, question).await.text, "day,signups\r\n2026-01-02,1\r\n");
}

#[on_every_store]
async fn what_cannot_be_asked_is_told() {
    let server = server().await;
    for (question, status, error, said) in [
        ("sales", 404, "not_found", "there are signups, domains, funnel"),
        ("signups?by=shoe", 400, "invalid_query", "it has day, source"),
        ("signups?format=xml", 400, "invalid_query", "there are json, csv"),
        ("signups?since=yesterday", 400, "invalid_query", "there are from, to, by, where"),
        ("signups?from=yesterday", 400, "invalid_query", "neither a day like"),
        ("signups?timezone=Mars", 400, "invalid_query", "there is no time zone"),
        ("signups?timezone_database=/etc", 400, "invalid_query", "there are bundled, system"),
        ("signups?half_life=7d", 400, "invalid_query", "only models has a half-life"),
        ("models?half_life=soon", 400, "invalid_query", "no time like 7d, 12h or 90m"),
        ("signups?as_of=99999999999", 400, "invalid_query", "the log ends at"),
        ("signups?where=channel", 400, "invalid_query", "is not dimension=value"),
    ] {
        let answer = ask(&server, question).await;
        assert_eq!((answer.status, &*answer.error()), (status, error), "{question}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(said), "{question}: {message}");
    }
    let mut stranger = server.browser();
    let answer = stranger.get("/v1/admin/analytics/signups").await;
    assert_eq!((answer.status, &*answer.error()), (401, "admin_token_invalid"));
}

#[on_every_store]
async fn an_event_of_a_newer_version_stops_the_report_and_not_the_service() {
    let server = server().await;
    journey(&server).await;
    let before = ask(&server, "signups").await.json()["rows"].clone();
    let head = server.app.engine.store.head().await.unwrap();
    let strange = NewEvent {
        event_id: new_event_id(),
        event: Event::Unknown { event_type: "UserTeleported.v3".into() },
        data: b"{}"[..].into(),
        metadata: Metadata {
            occurred_at: server.clock.now(),
            correlation_id: new_correlation_id(),
            causation_id: None,
            actor: Actor::System,
        },
    };
    let stream = StreamId::User(new_user_id());
    let append = Append { stream, expected_length: 0, events: vec![strange], new_key: None };
    let position = server.app.engine.store.append(append).await.unwrap().last();
    let answer = ask(&server, "signups").await;
    assert_eq!((answer.status, &*answer.error()), (500, "unknown_event"));
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("UserTeleported.v3"), "{message}");
    assert!(message.contains(&format!("position {position}")), "{message}");
    assert_eq!(ask(&server, &format!("signups?as_of={head}")).await.json()["rows"], before);
    assert_eq!(server.browser().get("/healthz").await.status, 200);
}

#[on_every_store]
async fn many_reports_at_once_are_all_made() {
    let server = server().await;
    journey(&server).await;
    let asked = (0..20).map(|_| ask(&server, "signups"));
    for answer in futures::future::join_all(asked).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}
