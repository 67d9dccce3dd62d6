//! Ten weeks of a small platform, always the same: who came, whence, and by whom.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use whence::clock::Clock;
use whence::secrets::{Keys, MasterKey, new_correlation_id, new_event_id};
use whence::store::{Append, Location, NewEvent};
use whence_events::{Actor, Event, Metadata, StreamId, Timestamp, codec};

use crate::support::whence;

pub(crate) const KEY: &str = "abababababababababababababababababababababababababababababababab";

/// 2026-03-02, a Monday.
const BEGIN: i64 = 1_772_409_600;

const DAY: i64 = 86_400;

const SOURCES: [&str; 6] = ["", "", "newsletter", "google", "instagram", "podcast"];

/// The log, in files.
pub(crate) struct Story {
    pub(crate) directory: TempDir,
}

impl Story {
    /// Of so many visitors.
    pub(crate) async fn of(visitors: u64) -> Self {
        let directory = TempDir::new().unwrap();
        fill(&directory.path().join("data"), visitors, &SOURCES).await;
        Self { directory }
    }

    /// The same, where all come from one source.
    pub(crate) async fn with_source(visitors: u64, source: &'static str) -> Self {
        let directory = TempDir::new().unwrap();
        fill(&directory.path().join("data"), visitors, &[source]).await;
        Self { directory }
    }

    /// `whence report` on it: what it says.
    #[track_caller]
    pub(crate) fn report(&self, arguments: &[&str]) -> String {
        let mut command = whence(self.directory.path());
        command.args(["report", "--store", "sqlite:data", "--master-key", KEY]).args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.is_empty(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Chance that is always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> Option<&'a str> {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap();
        Some(all[at]).filter(|text| !text.is_empty())
    }
}

struct Fact {
    event_type: &'static str,
    at: i64,
    data: Value,
}

async fn fill(directory: &Path, users: u64, sources: &[&str]) {
    std::fs::create_dir_all(directory).unwrap();
    let keys = Keys::derive(&MasterKey::parse(KEY).unwrap());
    let location = Location::Sqlite(directory.to_owned());
    let log = location.open(keys.fingerprint(), Clock::system()).await.unwrap();
    let mut dice = Dice(7);
    let appends =
        (0..users).flat_map(|number| user(number, users, sources, &mut dice)).collect::<Vec<_>>();
    let appends = appends.into_iter().map(|(stream, facts)| log.append(append(&stream, facts)));
    for done in futures::future::join_all(appends).await {
        done.unwrap();
    }
}

fn append(stream: &str, facts: Vec<Fact>) -> Append {
    let events = facts.into_iter().map(|Fact { event_type, at, data }| {
        let event: Event = codec::decode(event_type, data.to_string().as_bytes()).unwrap();
        let metadata = Metadata {
            occurred_at: Timestamp::from_micros(at * 1_000_000),
            correlation_id: new_correlation_id(),
            causation_id: None,
            actor: Actor::Owner,
        };
        NewEvent::new(new_event_id(), event, metadata).unwrap()
    });
    let stream: StreamId = stream.parse().unwrap();
    Append { stream, expected_length: 0, events: events.collect(), new_key: None }
}

fn id(kind: u8, number: u64) -> String {
    format!("0190f5c0-7a10-7c4e-8f0{kind}-{number:012x}")
}

fn moment(at: i64) -> String {
    Timestamp::from_micros(at * 1_000_000).to_string()
}

const SEALED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4";
const DIGEST: &str = "EBESExQVFhcYGRobHB0eHw";

/// A landing, a login, an account and what it did: streams, in the order in which they were written.
fn user(number: u64, of: u64, sources: &[&str], dice: &mut Dice) -> Vec<(String, Vec<Fact>)> {
    // More every week, fewer at weekends.
    let week = ((number * of).isqrt() * 9 / of).cast_signed();
    let weekday = dice.below(7).min(dice.below(8)).cast_signed();
    let at = BEGIN + (week * 7 + weekday) * DAY + dice.below(86_400).cast_signed();
    let source = dice.of(sources);
    let medium = source.and_then(|source| match source {
        "newsletter" => Some("email"),
        "google" => Some("cpc"),
        "instagram" => Some("social"),
        _ => None,
    });
    let domain = dice.of(&["", "google.com", "instagram.com", "example.co.uk", "news.example", ""]);
    let country = dice.of(&["DE", "DE", "FR", "US", "AT", ""]);
    let device = dice.of(&["mobile", "mobile", "desktop", "tablet"]);
    let page = dice.of(&["/", "/", "/pricing", "/creators/alice.b", "/blog/whence-they-came", ""]);
    let took = [60, 900, 7_200, 3 * DAY, 20 * DAY][usize::try_from(dice.below(5)).unwrap()];
    let touched = at - took - dice.below(600).cast_signed();
    let referrer = (number > 5 && dice.below(3) > 0).then(|| dice.below(number.min(40)));
    let code = referrer.map(|referrer| format!("code{referrer:04}"));
    let (user, touch) = (id(1, number), id(3, number));
    let utm = json!({"source": source, "medium": medium, "campaign": source.map(|_| "spring"), "term": null, "content": null});
    let landing = json!({
        "code": code, "code_status": if code.is_some() { "known" } else { "none" },
        "owner": referrer.map(|referrer| id(1, referrer)), "other_codes": [],
        "landing_page": page.unwrap_or("/"), "referrer_url": null, "referrer_domain": domain,
        "referrer_kind": if domain.is_some() { "foreign" } else { "none" },
        "first_touch_id": touch, "utm": utm, "click_ids": {}, "creator_id": null,
        "device_class": device, "country": country, "bot": false, "bot_rules_version": 1,
        "consent": "granted", "deduplicated": false, "fetch_site": null,
    });
    let mut streams = vec![(
        format!("touch-{touch}"),
        vec![Fact { event_type: "TouchRecorded.v2", at: touched, data: landing }],
    )];
    let request = id(2, number);
    let started = json!({
        "request_id": request, "email": SEALED, "code_mac": DIGEST, "expires_at": moment(at + 600),
        "known_device": false, "client": SEALED,
    });
    let mut mailbox = vec![Fact { event_type: "LoginStarted.v1", at, data: started }];
    let key = format!("mailbox-{number:032x}");
    if dice.below(8) == 0 {
        // The code never came, or nobody typed it in.
        if dice.below(2) == 0 {
            let failed = json!({"request_id": request, "reason": "timed_out"});
            mailbox.push(Fact { event_type: "CodeDeliveryFailed.v1", at, data: failed });
        }
        streams.push((key, mailbox));
        return streams;
    }
    mailbox.push(Fact {
        event_type: "CodeVerified.v1",
        at: at + 40,
        data: json!({"request_id": request}),
    });
    mailbox.push(Fact {
        event_type: "MailboxClaimed.v1",
        at: at + 40,
        data: json!({"user_id": user}),
    });
    streams.push((key, mailbox));
    let registered = json!({
        "email": SEALED, "email_key": format!("{number:032x}"), "display_name": null, "provider": "email",
    });
    let known = dice.below(9) > 0;
    let origin = json!({
        "first_referrer_url": null, "referrer_domain": domain, "first_landing_page": page,
        "utm_source": source, "utm_medium": medium, "utm_campaign": source.map(|_| "spring"), "utm_term": null,
        "utm_content": null, "click_ids": {}, "acquired_via_creator_id": null,
        "registration_device": device, "registration_country": country,
        "touch_id": known.then_some(&touch), "touched_at": known.then(|| moment(touched)),
        "consent": "granted", "rules_version": 1,
    });
    let mut facts = vec![
        Fact { event_type: "UserRegistered.v1", at: at + 41, data: registered },
        Fact { event_type: "AttributionCaptured.v2", at: at + 41, data: origin },
    ];
    if let (Some(referrer), Some(code)) = (referrer, &code) {
        facts.push(referral(referrer, code, &touch, touched, at + 41, dice));
    }
    let issued = json!({"code": format!("code{number:04}"), "kind": "primary"});
    facts.push(Fact { event_type: "ReferralCodeIssued.v1", at: at + 42, data: issued });
    facts.extend(sessions(number, at + 43, dice));
    streams.push((format!("user-{user}"), facts));
    streams
}

fn referral(
    referrer: u64,
    code: &str,
    touch: &str,
    touched: i64,
    at: i64,
    dice: &mut Dice,
) -> Fact {
    if dice.below(5) == 0 {
        let reason = dice.of(&["window_expired", "self_referral"]).unwrap_or_default();
        let data = json!({
            "code": code, "reason": reason, "via": "verify", "rules_version": 1,
            "rules_digest": DIGEST, "signals": [],
            "evidence": {"owner": id(1, referrer), "touch_id": touch, "touched_at": moment(touched)},
        });
        return Fact { event_type: "ReferralRefused.v1", at, data };
    }
    let data = json!({
        "referrer_id": id(1, referrer), "code": code, "code_kind": "primary",
        "touched_at": moment(touched), "touch_id": touch, "via": "verify", "rules_version": 1,
        "rules_digest": DIGEST, "signals": [],
    });
    Fact { event_type: "ReferralAttributed.v1", at, data }
}

/// The first, and later ones of who comes back.
fn sessions(number: u64, first: i64, dice: &mut Dice) -> Vec<Fact> {
    let mut at = first;
    let mut facts = vec![];
    for session in 0..8 {
        let data = json!({
            "session_id": id(4, number * 10 + session), "token_hash": "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8",
            "kind": "cookie", "expires_at": moment(at + 7 * DAY), "absolute_expires_at": moment(at + 90 * DAY),
            "device": SEALED, "device_class": "desktop", "country": "DE",
        });
        facts.push(Fact { event_type: "SessionOpened.v1", at, data });
        at += 7 * DAY + dice.below(3 * 86_400).cast_signed();
        if dice.below(3) == 0 || at > BEGIN + 70 * DAY {
            break;
        }
    }
    facts
}
