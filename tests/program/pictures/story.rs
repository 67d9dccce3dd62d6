//! Ten weeks of a small platform, always the same: who came, whence, and by whom.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use whence::infra::clock::Clock;
use whence::infra::keys::{Keys, MasterKey};
use whence::infra::random::{new_correlation_id, new_event_id};
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

/// Who somebody is, and whence they came.
struct Visitor<'a> {
    number: u64,
    user: String,
    touch: String,
    touched: i64,
    at: i64,
    source: Option<&'a str>,
    medium: Option<&'static str>,
    domain: Option<&'static str>,
    country: Option<&'static str>,
    device: Option<&'static str>,
    page: Option<&'static str>,
    referrer: Option<u64>,
    code: Option<String>,
}

impl<'a> Visitor<'a> {
    fn of(number: u64, of: u64, sources: &[&'a str], dice: &mut Dice) -> Self {
        // More every week, fewer at weekends.
        let week = ((number * of).isqrt() * 9 / of).cast_signed();
        let weekday = dice.below(7).min(dice.below(8)).cast_signed();
        let at = BEGIN + (week * 7 + weekday) * DAY + dice.below(86_400).cast_signed();
        let source = dice.of(sources);
        let took = [60, 900, 7_200, 3 * DAY, 20 * DAY][usize::try_from(dice.below(5)).unwrap()];
        let referrer = (number > 5 && dice.below(3) > 0).then(|| dice.below(number.min(40)));
        Self {
            number,
            user: id(1, number),
            touch: id(3, number),
            touched: at - took - dice.below(600).cast_signed(),
            at,
            source,
            medium: source.and_then(|source| match source {
                "newsletter" => Some("email"),
                "google" => Some("cpc"),
                "instagram" => Some("social"),
                _ => None,
            }),
            domain: dice.of(&["", "google.com", "instagram.com", "example.co.uk", "news.example"]),
            country: dice.of(&["DE", "DE", "FR", "US", "AT", ""]),
            device: dice.of(&["mobile", "mobile", "desktop", "tablet"]),
            page: dice.of(&[
                "/",
                "/",
                "/pricing",
                "/creators/alice.b",
                "/blog/whence-they-came",
                "",
            ]),
            referrer,
            code: referrer.map(|referrer| format!("code{referrer:04}")),
        }
    }

    fn campaign(&self) -> Option<&'static str> {
        self.source.map(|_| "spring")
    }

    fn landing(&self) -> Fact {
        let utm = json!({
            "source": self.source, "medium": self.medium, "campaign": self.campaign(),
            "term": null, "content": null,
        });
        let data = json!({
            "code": self.code, "code_status": if self.code.is_some() { "known" } else { "none" },
            "owner": self.referrer.map(|referrer| id(1, referrer)), "other_codes": [],
            "landing_page": self.page.unwrap_or("/"), "referrer_url": null,
            "referrer_domain": self.domain,
            "referrer_kind": if self.domain.is_some() { "foreign" } else { "none" },
            "first_touch_id": self.touch, "utm": utm, "click_ids": {}, "creator_id": null,
            "device_class": self.device, "country": self.country, "bot": false,
            "bot_rules_version": 1, "consent": "granted", "deduplicated": false, "fetch_site": null,
        });
        Fact { event_type: "TouchRecorded.v2", at: self.touched, data }
    }

    fn asks_for_a_code(&self) -> Fact {
        let data = json!({
            "request_id": id(2, self.number), "email": SEALED, "code_mac": DIGEST,
            "expires_at": moment(self.at + 600), "known_device": false, "client": SEALED,
        });
        Fact { event_type: "LoginStarted.v1", at: self.at, data }
    }

    fn origin(&self, known: bool) -> Fact {
        let data = json!({
            "first_referrer_url": null, "referrer_domain": self.domain,
            "first_landing_page": self.page, "utm_source": self.source, "utm_medium": self.medium,
            "utm_campaign": self.campaign(), "utm_term": null, "utm_content": null,
            "click_ids": {}, "acquired_via_creator_id": null,
            "registration_device": self.device, "registration_country": self.country,
            "touch_id": known.then_some(&self.touch),
            "touched_at": known.then(|| moment(self.touched)),
            "consent": "granted", "rules_version": 1,
        });
        Fact { event_type: "AttributionCaptured.v2", at: self.at + 41, data }
    }
}

/// A landing, a login, an account and what it did: streams, in the order in which they were written.
fn user(number: u64, of: u64, sources: &[&str], dice: &mut Dice) -> Vec<(String, Vec<Fact>)> {
    let visitor = Visitor::of(number, of, sources, dice);
    let (at, request) = (visitor.at, id(2, number));
    let mut streams = vec![(format!("touch-{}", visitor.touch), vec![visitor.landing()])];
    let mut mailbox = vec![visitor.asks_for_a_code()];
    let key = format!("{number:032x}");
    if dice.below(8) == 0 {
        // The code never came, or nobody typed it in.
        if dice.below(2) == 0 {
            let data = json!({"request_id": request, "reason": "timed_out"});
            mailbox.push(Fact { event_type: "CodeDeliveryFailed.v1", at, data });
        }
        streams.push((format!("mailbox-{key}"), mailbox));
        return streams;
    }
    let claimed = json!({"user_id": visitor.user});
    let registered =
        json!({"email": SEALED, "email_key": key, "display_name": null, "provider": "email"});
    let issued = json!({"code": format!("code{number:04}"), "kind": "primary"});
    let verified = json!({"request_id": request});
    mailbox.push(Fact { event_type: "CodeVerified.v1", at: at + 40, data: verified });
    mailbox.push(Fact { event_type: "MailboxClaimed.v1", at: at + 40, data: claimed });
    streams.push((format!("mailbox-{key}"), mailbox));
    let mut facts = vec![Fact { event_type: "UserRegistered.v1", at: at + 41, data: registered }];
    facts.push(visitor.origin(dice.below(9) > 0));
    if let (Some(referrer), Some(code)) = (visitor.referrer, &visitor.code) {
        facts.push(referral(referrer, code, &visitor.touch, visitor.touched, at + 41, dice));
    }
    facts.push(Fact { event_type: "ReferralCodeIssued.v1", at: at + 42, data: issued });
    facts.extend(sessions(number, at + 43, dice));
    streams.push((format!("user-{}", visitor.user), facts));
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
