//! What auditors are shown, to whom, and that it is on record.

use std::time::Duration;

use serde_json::{Value, json};
use whence::store::{Append, NewEvent};
use whence_events::{
    Actor, AuditEvent, CorrelationId, Event, EventId, Metadata, Recorded, StreamId, UserId,
};

use crate::server::{Answer, Browser, Server, until};
use crate::service::broken::{Call, Faults};
use crate::service::erasure::{TOKEN, grace, operated};
use crate::stores::on_every_store;

/// Logs in and returns the id of the user.
async fn log_in(server: &Server, browser: &mut Browser, email: &str) -> UserId {
    let answer = server.log_in(browser, email).await;
    answer.json()["user"]["id"].as_str().unwrap().parse().unwrap()
}

/// Registers a referrer and returns their browser, id and code.
async fn referrer(server: &Server, email: &str) -> (Browser, UserId, String) {
    let mut browser = server.browser();
    let user_id = log_in(server, &mut browser, email).await;
    let code = server.onboarded(&mut browser).await;
    (browser, user_id, code)
}

/// Lands with a code, out of a page, and waits until that is on record.
async fn land(server: &Server, browser: &mut Browser, path: &str, page: &str) {
    let before = touches(server).await;
    let request = browser.request("GET", path).header("referer", page);
    assert_eq!(browser.send(request).await.status, 302);
    until("the touch is recorded", async || touches(server).await > before).await;
}

async fn touches(server: &Server) -> usize {
    server.types().await.iter().filter(|name| name.starts_with("TouchRecorded")).count()
}

async fn ask(server: &Server, path: &str) -> Answer {
    grace(server).get(&format!("/v1/admin/{path}")).await
}

/// Who looked at what, as the log has it.
async fn looks(server: &Server) -> Vec<(Actor, String, bool)> {
    let log = server.log().await.into_iter();
    let looks = log.filter_map(|Recorded { event, metadata, .. }| match event {
        Event::Audit(AuditEvent::AuditRead(read)) => {
            Some((metadata.actor, read.subject.to_string(), read.personal_data))
        }
        _ => None,
    });
    looks.collect()
}

fn why(story: &Value) -> Vec<String> {
    let touches = story["attribution"]["touches"].as_array().unwrap();
    touches.iter().map(|touch| touch["why"].as_str().unwrap().to_owned()).collect()
}

/// Bob came by ada's link, followed eve's and one that nobody has, and registered.
async fn bob(server: &Server, ada: &str, eve: &str) -> (Browser, UserId) {
    let mut bob = server.browser();
    let ada = format!("/r/{ada}?utm_source=newsletter&utm_campaign=spring");
    land(server, &mut bob, &ada, "https://blog.example.org/best-tools").await;
    server.pass(Duration::from_mins(10));
    land(server, &mut bob, &format!("/r/{eve}"), "https://forum.example.net/thread").await;
    server.pass(Duration::from_mins(10));
    land(server, &mut bob, "/r/nobodys", "https://forum.example.net/thread").await;
    let user_id = log_in(server, &mut bob, "bob@example.com").await;
    server.onboarded(&mut bob).await;
    (bob, user_id)
}

/// The text of a story, with what is different every time replaced.
fn shown(story: &whence::insight::audit::UserStory, names: &[(&str, &str)]) -> String {
    let mut text = story.to_string();
    for (name, shown) in names {
        text = text.replace(name, shown);
    }
    let words = text.split_inclusive([' ', '\n', ',']).map(|word| {
        let bare = word.trim_end_matches([' ', '\n', ',']);
        let rest = &word[bare.len()..];
        match bare {
            _ if uuid::Uuid::try_parse(bare).is_ok() && bare.len() == 36 => format!("<id>{rest}"),
            _ if bare.parse::<u64>().is_ok() && word.ends_with([' ', ',', '\n']) => {
                format!("<n>{rest}")
            }
            _ => word.to_owned(),
        }
    });
    let text: String = words.collect();
    let lines = text.lines().map(|line| line.split("  <n>").collect::<Vec<_>>());
    let lines = lines.map(|parts| {
        let trimmed: Vec<_> = parts.iter().map(|part| part.trim_end()).collect();
        trimmed.join(" <n>")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check_evidence(story: &Value, adas_id: UserId, eves_id: UserId) {
    let decision = &story["attribution"]["decisions"][0];
    assert_eq!(decision["referrer_id"], json!(adas_id));
    assert_eq!(decision["code_then"]["owner"], json!(adas_id));
    assert_eq!(decision["code_then"]["active"], true);
    assert_eq!(decision["rules"]["window_seconds"], 30 * 86_400);
    assert_eq!(decision["signals"], json!(["same_network", "same_ip_and_ua"]));
    let touches = story["attribution"]["touches"].as_array().unwrap();
    assert_eq!(touches[0]["decided_on"], true);
    assert_eq!(touches[1]["owner"], json!(eves_id));
}

#[on_every_store]
async fn the_story_says_why_this_referrer_and_not_another() {
    let server = operated().await;
    let (_, adas_id, ada) = referrer(&server, "ada@example.com").await;
    let (_, eves_id, eve) = referrer(&server, "eve@example.com").await;
    let (_, bobs_id) = bob(&server, &ada, &eve).await;
    let answer = ask(&server, &format!("users/{bobs_id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let story = answer.json();
    check_evidence(&story, adas_id, eves_id);
    let story: whence::insight::audit::UserStory = serde_json::from_value(story).unwrap();
    let (bobs_id, adas_id) = (bobs_id.to_string(), adas_id.to_string());
    let own = story.timeline.iter().find_map(|line| line.text.split_once("referral code "));
    let own = own.unwrap().1.to_owned();
    let eve_stored = eve.clone();
    let names = [
        (bobs_id.as_str(), "BOB"),
        (&adas_id, "ADA"),
        (&ada, "ADACODE"),
        (&eve_stored, "EVECODE"),
        (&own, "BOBCODE"),
        (&own.to_lowercase(), "BOBCODE"),
    ];
    insta::assert_snapshot!(shown(&story, &names), @r"
    User BOB, b***@example.com
    registered at 2026-01-01T00:20:00.000000Z

    Whence they came
      where they came from was frozen: landed on / from blog.example.org/*** (source newsletter, campaign spring)
      first touch <id> at 2026-01-01T00:00:00.000000Z

    Who brought them, and why
      the referral was decided at the login: referred by user ADA with code ADACODE
        decided at 2026-01-01T00:20:00.000000Z for the user, event <n>
        on the touch <id>, at 2026-01-01T00:00:00.000000Z by the signed cookie
        code ADACODE (primary) was issued to user ADA at 2026-01-01T00:00:00.000000Z and was in use
        by rules version <n>, settings 0_py2XZiPF05Z13p4G7iEg: window <n> days, new for <n> hours, not strict, velocity <n> a day
        noticed: user and referrer share a network
        noticed: user and referrer share an IP address and a user agent

    Every landing of theirs on record
    * 2026-01-01T00:00:00.000000Z ADACODE on / from example.org (source newsletter, campaign spring)
        it won: its code is the one that was credited
        touch <id>, event <n>
      2026-01-01T00:10:00.000000Z EVECODE on / from example.net
        the visitor carried the code that was decided on by then, and the first one counts while its window is open
        touch <id>, event <n>
      2026-01-01T00:20:00.000000Z nobodys on / from example.net
        its code was never issued
        touch <id>, event <n>

    Timeline
      2026-01-01T00:00:00.000000Z <n> whence: landed on / from blog.example.org/*** with code ADACODE (source newsletter, campaign spring)
      2026-01-01T00:10:00.000000Z <n> whence: landed on / from forum.example.net/*** with code EVECODE
      2026-01-01T00:20:00.000000Z <n> whence: landed on / from forum.example.net/*** with code nobodys, never issued
      2026-01-01T00:20:00.000000Z <n> a visitor: a login code was made for b***@example.com, asked for from 127.0.0.*
      2026-01-01T00:20:00.000000Z <n> a visitor: the right code came: the address is proved
      2026-01-01T00:20:00.000000Z <n> a visitor: the address belongs to user BOB from now on
      2026-01-01T00:20:00.000000Z <n> the user: registered with b***@example.com
      2026-01-01T00:20:00.000000Z <n> the user: where they came from was frozen: landed on / from blog.example.org/*** (source newsletter, campaign spring)
      2026-01-01T00:20:00.000000Z <n> the user: the referral was decided at the login: referred by user ADA with code ADACODE
      2026-01-01T00:20:00.000000Z <n> the user: logged in from a device, 127.0.0.*
      2026-01-01T00:20:00.000000Z <n> whence: the code BOBCODE was taken for user BOB, for ever
      2026-01-01T00:20:00.000000Z <n> whence: got the primary referral code BOBCODE
      2026-01-01T00:20:00.000000Z <n> whence: got the plan free
      2026-01-01T00:20:00.000000Z <n> whence: the welcome mail went out
    ");
}

#[on_every_store]
async fn personal_data_is_masked_unless_it_is_asked_for_and_gone_when_erased() {
    let server = operated().await;
    let (_, _, ada) = referrer(&server, "ada@example.com").await;
    let (_, bobs_id) = bob(&server, &ada, "nobodys").await;
    let path = format!("users/{bobs_id}");
    let masked = ask(&server, &path).await;
    assert_eq!(masked.json()["email"], "b***@example.com");
    for personal in ["bob@example.com", "best-tools", "127.0.0.1"] {
        assert!(!masked.text.contains(personal), "{personal} in {}", masked.text);
    }
    assert!(masked.text.contains("blog.example.org/***"), "{}", masked.text);
    let open = ask(&server, &format!("{path}?open_personal_data=true")).await;
    assert_eq!(open.json()["email"], "bob@example.com");
    for personal in ["https://blog.example.org/best-tools", "127.0.0.1"] {
        assert!(open.text.contains(personal), "{personal} in {}", open.text);
    }
    let grace = Actor::Operator("grace".into());
    let user = "user".to_owned();
    assert_eq!(looks(&server).await, [(grace.clone(), user.clone(), false), (grace, user, true)]);

    server.app.erase_user(bobs_id, "grace").await.unwrap();
    let erased = ask(&server, &format!("{path}?open_personal_data=true")).await;
    let story = erased.json();
    assert_eq!(story["email"], "(erased)");
    assert!(story["erased_at"].is_string());
    for personal in ["bob@", "best-tools", "blog.example.org/", "127.0.0"] {
        assert!(!erased.text.contains(personal), "{personal} in {}", erased.text);
    }
    let later = story["attribution"]["later"].as_array().unwrap();
    let later: Vec<_> = later.iter().map(|line| (&line["actor"], &line["text"])).collect();
    assert_eq!(later.last().unwrap().0, "operator:grace");
    assert_eq!(later.last().unwrap().1, "was erased, as grace asked");
    assert!(later.iter().any(|(_, text)| text.as_str().unwrap().contains("the user was erased")));
    assert_eq!(why(&story)[0], "it won: its code is the one that was credited");
}

#[on_every_store]
async fn a_refusal_says_why_and_on_what() {
    let server = operated().await;
    let (mut ada, adas_id, code) = referrer(&server, "ada@example.com").await;
    // Her own link.
    land(&server, &mut ada, &format!("/r/{code}"), "https://blog.example.org/").await;
    let refused = ada.post("/v1/auth/attribute", "").await.json();
    assert_eq!(refused["attributed"], false, "{refused}");
    let story = ask(&server, &format!("users/{adas_id}")).await.json();
    let decision = &story["attribution"]["decisions"][0];
    let reason = refused["reason"].as_str().unwrap();
    assert_eq!(decision["refused"], reason);
    assert_eq!(decision["code"], json!(code));
    assert_eq!(decision["touch_id"], story["attribution"]["touches"][0]["touch_id"]);
    assert_eq!(story["attribution"]["touches"][0]["decided_on"], true);
    let text = decision["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("a referral code {code} was refused by the attribute call")));
    assert!(why(&story)[0].starts_with("it was decided on, and refused: "), "{story}");
    let attribution = ask(&server, &format!("users/{adas_id}/attribution")).await.json();
    assert_eq!(attribution, story["attribution"]);
    let timeline = ask(&server, &format!("users/{adas_id}/timeline")).await.json();
    assert_eq!(timeline, story["timeline"]);
}

#[on_every_store]
async fn what_was_done_to_the_code_and_its_owner_since_is_told_with_who_did_it() {
    let server = operated().await;
    let (_, adas_id, ada) = referrer(&server, "ada@example.com").await;
    let (_, bobs_id) = bob(&server, &ada, "nobodys").await;
    server.app.disable_referral_code(adas_id, ada.parse().unwrap(), "abuse").await.unwrap();
    server.app.erase_user(adas_id, "grace").await.unwrap();
    let story = ask(&server, &format!("users/{bobs_id}")).await.json();
    let later = story["attribution"]["later"].as_array().unwrap();
    let texts: Vec<_> = later.iter().map(|line| line["text"].as_str().unwrap()).collect();
    let disabled =
        format!("referral code {ada} was disabled (abuse): it attributes nothing any more");
    assert_eq!(texts, [disabled.as_str(), "was erased, as grace asked"]);
    let then = &story["attribution"]["decisions"][0]["code_then"];
    assert_eq!(then["active"], true, "at that time: {then}");
    assert!(then["disabled_at"].is_string());

    let code = ask(&server, &format!("codes/{}", ada.to_lowercase())).await.json();
    assert_eq!(code["code"], json!(ada), "as it was issued");
    assert_eq!((&code["active"], &code["owner_active"]), (&json!(false), &json!(false)));
    assert_eq!(code["brought"][0]["user_id"], json!(bobs_id));
    let timeline = code["timeline"].as_array().unwrap();
    assert_eq!(timeline.len(), 4, "{code}");
    assert_eq!(looks(&server).await.pop().unwrap().1, "code");
}

#[on_every_store]
async fn who_cannot_be_put_on_record_is_shown_nothing() {
    let faults = Faults::none();
    let flag = format!("grace={TOKEN}");
    let server = Server::over(&["--admin-token", &flag], faults.wrap()).await;
    let (_, adas_id, ada) = referrer(&server, "ada@example.com").await;
    faults.set(|call| matches!(call, Call::Append(append) if append.stream == StreamId::Audit));
    let user = format!("users/{adas_id}");
    for path in [user, format!("codes/{ada}"), "referrals".to_owned(), "events".to_owned()] {
        let answer = ask(&server, &path).await;
        assert_eq!((answer.status, answer.error().as_str()), (503, "unavailable"), "{path}");
        assert!(!answer.text.contains(&adas_id.to_string()));
    }
    let find = grace(&server).post("/v1/admin/users/find", r#"{"email":"ada@example.com"}"#).await;
    assert_eq!(find.status, 503);
    faults.clear();
    assert!(looks(&server).await.is_empty());
}

#[on_every_store]
async fn what_is_not_there_and_what_makes_no_sense_is_told() {
    let server = operated().await;
    let wrong = [
        ("users/ada", 400),
        ("users/0190f5c0-7a10-7c4e-8f00-000000000001", 404),
        ("users/0190f5c0-7a10-7c4e-8f00-000000000001/timeline", 404),
        ("users/0190f5c0-7a10-7c4e-8f00-000000000001?open_personal_data=maybe", 400),
        ("codes/nobodys", 404),
        ("codes/-", 400),
        ("referrals?from=2026-02-30", 400),
        ("referrals?from=2026-02-02&to=2026-02-01", 400),
        ("referrals?after=x", 400),
        ("events?limit=0", 400),
        ("events?limit=1001", 400),
        ("events?after=-1", 400),
        ("events?after=999999999", 400),
        ("events?stream=elsewhere", 400),
    ];
    for (path, status) in wrong {
        let answer = ask(&server, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.json()["message"].as_str().unwrap().len() > 10, "{path}");
    }
    let mut browser = grace(&server);
    for (body, status) in [(r#"{"email":"nobody@example.com"}"#, 404), (r#"{"email":"x"}"#, 400)] {
        assert_eq!(browser.post("/v1/admin/users/find", body).await.status, status);
    }
    assert!(looks(&server).await.is_empty(), "nothing was shown");
    let mut stranger = server.browser();
    for path in ["users/ada", "codes/nobodys", "referrals", "events"] {
        assert_eq!(stranger.get(&format!("/v1/admin/{path}")).await.status, 401);
    }
}

#[on_every_store]
async fn decisions_of_a_time_are_those_and_no_others() {
    let server = operated().await;
    let (_, _, ada) = referrer(&server, "ada@example.com").await;
    let mut made = vec![];
    for day in 0..4 {
        server.pass(Duration::from_hours(24));
        let mut browser = server.browser();
        let code = if day == 2 { "nobodys" } else { &ada };
        browser.cookies.insert("ref_code".into(), code.into());
        made.push(log_in(&server, &mut browser, &format!("u{day}@example.com")).await);
    }
    let users = async |query: &str| {
        let answer = ask(&server, &format!("referrals{query}")).await.json();
        assert_eq!(answer["next"], Value::Null);
        let items = answer["items"].as_array().unwrap().clone();
        let id = |item: &Value| item["user_id"].as_str().unwrap().parse::<UserId>().unwrap();
        items.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(users("").await, made);
    assert_eq!(users("?from=2026-01-03").await, made[1..]);
    assert_eq!(users("?to=2026-01-04").await, made[..2]);
    assert_eq!(users("?from=2026-01-03&to=2026-01-05").await, made[1..3]);
    assert_eq!(users("?from=2026-01-03T00:00:00.000001Z").await, made[2..]);
    assert_eq!(users("?from=2027-01-01").await, []);
    let all = ask(&server, "referrals").await.json();
    assert_eq!(all["items"][2]["refused"], "unknown_code");
    assert_eq!(all["items"][0]["signals"][2], "unsigned_cookie", "{all}");
}

#[on_every_store]
async fn an_event_of_a_newer_version_is_shown_as_unknown_and_hides_nothing() {
    let server = operated().await;
    let (_, adas_id, _) = referrer(&server, "ada@example.com").await;
    server.settle().await;
    let stream = StreamId::User(adas_id);
    let length = server.app.engine.store.read_stream(&stream, 0, 100).await.unwrap().len() as u64;
    let event = NewEvent {
        event_id: EventId(uuid::Uuid::from_u128(1)),
        event: Event::Unknown { event_type: "MoonPhaseNoted.v7".into() },
        data: br#"{"phase":"full"}"#[..].into(),
        metadata: Metadata {
            occurred_at: crate::server::START,
            correlation_id: CorrelationId(uuid::Uuid::from_u128(2)),
            causation_id: None,
            actor: Actor::System,
        },
    };
    let append = Append {
        stream: stream.clone(),
        expected_length: length,
        events: vec![event],
        new_key: None,
    };
    server.app.engine.store.append(append).await.unwrap();
    let story = ask(&server, &format!("users/{adas_id}")).await;
    assert_eq!(story.status, 200, "{}", story.text);
    let story = story.json();
    let unknown = story["timeline"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(unknown["type"], "MoonPhaseNoted.v7");
    assert_eq!(
        unknown["text"],
        "unknown: a newer version of whence wrote an event of the type MoonPhaseNoted.v7"
    );
    let of_type = ask(&server, "events?type=MoonPhaseNoted.v7").await.json();
    assert_eq!(of_type["items"][0]["position"], unknown["position"]);
    assert_eq!(of_type["items"][0]["data"], json!({ "phase": "full" }));
    let found = grace(&server).post("/v1/admin/users/find", r#"{"email":"ada@example.com"}"#).await;
    assert_eq!(found.json()["user_id"], json!(adas_id));
}

#[on_every_store]
async fn events_come_page_by_page_and_sealed() {
    let server = operated().await;
    let (_, adas_id, _) = referrer(&server, "ada@example.com").await;
    let all = server.log().await;
    let mut after = json!(0);
    let mut seen = vec![];
    loop {
        let page = ask(&server, &format!("events?limit=3&after={after}")).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["event_id"].clone()));
        if page["next"].is_null() || seen.len() >= all.len() {
            break;
        }
        after = page["next"].clone();
    }
    let ids: Vec<_> = all.iter().map(|event| json!(event.event_id)).collect();
    assert_eq!(seen[..ids.len()], ids);
    let own = ask(&server, &format!("events?stream=user-{adas_id}")).await;
    assert!(!own.text.contains("ada@example.com"), "{}", own.text);
    let own = own.json();
    assert_eq!(own["items"][0]["type"], "UserRegistered.v1");
    assert!(own["items"][0]["data"]["email"].as_str().unwrap().len() > 40, "sealed");
}
