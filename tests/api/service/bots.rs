//! Bots on every way in: on record, with their cookies, and nobody's click.

use std::time::Duration;

use serde_json::json;
use whence::domain::bots::BOT_RULES_VERSION;
use whence::domain::touch::{RecordedTouch, RefParam, Visitor};
use whence::infra::random::new_touch_id;
use whence_events::{
    ClickIds, Consent, Event, Pii, ReferrerKind, Signal, StreamId, TouchRecorded, UserEvent, Utm,
};

use crate::server::{Browser, Server, until};
use crate::stores::on_every_store;

const TOKEN: &str = "c2VjcmV0c2VjcmV0c2VjcmV0cw==";
const PREVIEW: &str = "ExampleChat-LinkPreview/3.1 (+https://chat.example.com/robots)";
const PERSON: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";

async fn server() -> Server {
    let flags = ["--admin-token", &format!("grace={TOKEN}"), "--public-url", "http://localhost:9"];
    Server::with(&flags).await
}

fn client(server: &Server, agent: &str) -> Browser {
    let mut browser = server.browser();
    browser.headers = vec![("user-agent", agent.to_owned())];
    browser
}

/// The touches that are on record, once there are so many.
async fn touches(server: &Server, number: usize) -> Vec<TouchRecorded> {
    let all = async || {
        let log = server.log().await;
        let touch = |event: Event| match event {
            Event::Touch(event) => Some(event.touch().into_owned()),
            _ => None,
        };
        log.into_iter().filter_map(|recorded| touch(recorded.event)).collect::<Vec<_>>()
    };
    until("the touches are recorded", async || all().await.len() >= number).await;
    all().await
}

/// The rows of a report that has one column to group by and one that counts.
async fn report(server: &Server, question: &str) -> serde_json::Value {
    let mut operator = server.browser();
    operator.headers = vec![("x-admin-token", TOKEN.to_owned())];
    let answer = operator.get(&format!("/v1/admin/analytics/{question}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The number of a stage of the funnel.
async fn stage(server: &Server, name: &str, more: &str) -> u64 {
    let funnel = report(server, &format!("funnel?{more}")).await;
    let rows = funnel["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["stage"] == name).unwrap_or_else(|| panic!("{funnel}"));
    row["count"].as_u64().unwrap_or_else(|| panic!("{row}"))
}

async fn clicks(ada: &mut Browser) -> serde_json::Value {
    ada.get("/v1/referrals/me").await.json()["clicks"].clone()
}

#[on_every_store]
async fn a_bot_is_on_record_and_nobodys_click_on_every_way_in() {
    let server = server().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    let mut bot = client(&server, PREVIEW);
    assert_eq!(bot.get(&format!("/r/{code}")).await.status, 302);
    let visit = json!({ "location": format!("http://localhost:9/?ref={code}") }).to_string();
    let mut reporter = client(&server, PREVIEW);
    assert_eq!(reporter.post("/v1/touch", visit).await.status, 204);
    let mut nameless = client(&server, "");
    nameless.get(&format!("/r/{code}")).await;
    for planted in [&bot, &reporter, &nameless] {
        assert!(planted.cookies.contains_key("ref_code"), "a person misjudged keeps the code");
        assert!(planted.cookies.contains_key("whence_touch"));
    }
    let mut person = client(&server, PERSON);
    person.get(&format!("/r/{code}")).await;

    let recorded = touches(&server, 4).await;
    let verdicts: Vec<_> = recorded.iter().map(|touch| (touch.bot, touch.deduplicated)).collect();
    assert_eq!(verdicts, [(true, false), (true, false), (true, false), (false, false)]);
    assert!(recorded.iter().all(|touch| touch.bot_rules_version == BOT_RULES_VERSION));
    server.settle().await;
    assert_eq!(clicks(&mut ada).await, 1);
    assert_eq!(stage(&server, "landing of a bot", "").await, 3);
    assert_eq!(stage(&server, "landing", "").await, 1);
    let referrers = report(&server, "referrers").await;
    assert_eq!(referrers["rows"][0]["clicks"], 1, "{referrers}");
}

/// A scanner of mail fetches a link before the person who got it opens it, from their own address and
/// with an agent of its own; and a bot of the same agent as before is still a bot.
#[on_every_store]
async fn a_bot_uses_up_no_click_of_a_person() {
    let server = server().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    for agent in [PREVIEW, PREVIEW, PERSON, PREVIEW] {
        client(&server, agent).get(&format!("/r/{code}")).await;
    }
    let recorded = touches(&server, 4).await;
    assert!(recorded.iter().all(|touch| !touch.deduplicated), "{recorded:#?}");
    server.settle().await;
    assert_eq!(clicks(&mut ada).await, 1);
}

#[on_every_store]
async fn a_code_that_came_with_a_bot_is_credited_and_noticed() {
    let server = server().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    for (agent, email, noticed) in
        [(PREVIEW, "bob@example.com", true), (PERSON, "eve@example.com", false)]
    {
        let mut visitor = client(&server, agent);
        visitor.get(&format!("/r/{code}")).await;
        touches(&server, if noticed { 1 } else { 2 }).await;
        server.pass(Duration::from_mins(1));
        server.log_in(&mut visitor, email).await;
        let log = server.log().await;
        let attributed = log.iter().rev().find_map(|recorded| match &recorded.event {
            Event::User(event) => match &**event {
                UserEvent::ReferralAttributed(attributed) => Some(attributed.clone()),
                _ => None,
            },
            _ => None,
        });
        let signals = attributed.expect("credited").signals;
        assert_eq!(signals.contains(&Signal::BotTouch), noticed, "{signals:?}");
    }
}

#[on_every_store]
async fn the_agent_is_kept_sealed_short_and_without_controls() {
    let server = server().await;
    let long = format!("{PERSON} \u{85}{}", "padding ".repeat(200));
    let mut visitor = client(&server, &long);
    visitor.get("/r/nobodys").await;
    let recorded = touches(&server, 1).await;
    let agent = recorded[0].agent.as_ref().expect("an agent");
    assert!(matches!(agent, Pii::Sealed(_)), "{agent:?}");
    assert!(!recorded[0].bot);
    let events = server.log().await;
    let event = events.iter().find(|event| matches!(event.event, Event::Touch(_))).unwrap();
    let vault = &server.app.engine.vault;
    let opened = vault.open(&event.stream, event.version, "agent", agent).await.unwrap().unwrap();
    assert!(opened.len() <= 512 && opened.starts_with(PERSON), "{opened}");
    assert!(!opened.chars().any(char::is_control));
}

/// A landing as it was recorded before there were rules about bots.
fn of_before(agent: Option<&str>, bot: bool) -> RecordedTouch {
    let touch_id = new_touch_id();
    RecordedTouch {
        touch_id,
        first_touch_id: touch_id,
        occurred_at: whence_events::Timestamp::from_micros(1_767_225_600_000_000),
        referral: RefParam::Absent,
        other_codes: vec![],
        creator: None,
        landing_page: "/".to_owned(),
        referrer_url: None,
        referrer_kind: ReferrerKind::None,
        utm: Utm::default(),
        click_ids: ClickIds::new(),
        visitor: Visitor { bot, ..Visitor::default() },
        consent: Consent::Unknown,
        deduplicated: false,
        fetch_site: None,
        agent: agent.map(str::to_owned),
        said_by_client: false,
    }
}

#[on_every_store]
async fn the_rules_of_today_judge_history_only_when_asked_to() {
    let server = server().await;
    let erased = of_before(Some(PREVIEW), false);
    let stream = StreamId::Touch(erased.touch_id);
    for touch in [
        of_before(Some(PREVIEW), false),
        of_before(Some(PREVIEW), false),
        of_before(Some(PERSON), true),
        of_before(None, false),
        erased,
    ] {
        server.app.recorder.record(touch);
    }
    touches(&server, 5).await;
    // As it is when its visitor is erased.
    server.app.engine.vault.destroy(&stream).await.unwrap();

    let landings = async |more| {
        (stage(&server, "landing", more).await, stage(&server, "landing of a bot", more).await)
    };
    assert_eq!(landings("").await, (4, 1));
    assert_eq!(landings("bot_rules=record").await, (4, 1));
    assert_eq!(landings("bot_rules=today").await, (3, 2), "two are bots now, one is no more");
    let by_today = report(&server, "funnel?bot_rules=today").await;
    assert_eq!(by_today["bot_rules"], BOT_RULES_VERSION);
    assert_eq!(report(&server, "funnel").await["bot_rules"], "record");
}
