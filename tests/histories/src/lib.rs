//! Random histories of several months, with all that the views look at.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;
use whence_events::{
    Actor, AttributionCaptured, AttributionCapturedV1, AuditRead, AuditSubject, ClickIds,
    CodeDeliveryFailed, CodeKind, CodeRejected, CodeStatus, CodeVerified, Consent, CorrelationId,
    Country, DeliveryFailure, DeviceClass, EmailKey, Event, EventId, Evidence, Hash, LoginExpired,
    LoginLocked, LoginStarted, LoginThrottled, Mac, MailboxEvent, Metadata, NameEvent,
    NameReserved, Pii, Provider, Recorded, ReferralAttributed, ReferralCode, ReferralRefused,
    ReferrerKind, RefreshRotated, Refusal, RequestId, RevokeReason, RuleSettings, RulesAdopted,
    RulesEvent, Sealed, SessionExtended, SessionId, SessionKind, SessionOpened, SessionRevoked,
    StreamId, Timestamp, TouchEvent, TouchId, TouchRecorded, TouchRecordedV1, UserErased,
    UserEvent, UserId, UserRegistered, Utm, Version, Via,
};

/// A step of a history, chosen by five bytes: what happens, to whom, with what, and after how long.
pub type Step = [u8; 5];

/// Any steps, up to 250 of them.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), 0..250)
}

/// A kind of traffic: source, medium, campaign, click id, referrer domain, and its channel.
pub type Traffic = (
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
);

/// All kinds of traffic that a history has.
pub const TRAFFIC: [Traffic; 10] = [
    (None, None, None, None, None, "Direct"),
    (Some("google"), Some("cpc"), Some("spring"), None, Some("google.com"), "Paid Search"),
    (Some("newsletter"), Some("email"), Some("spring"), None, None, "Email"),
    (None, None, None, None, Some("google.com"), "Organic Search"),
    (None, None, None, None, Some("chatgpt.com"), "AI assistant"),
    (None, None, None, None, Some("news.example"), "Referral"),
    (Some("facebook"), Some("social"), None, Some("fbclid"), None, "Organic Social"),
    (None, None, None, Some("gclid"), None, "Paid Search"),
    (Some("x"), Some("y"), Some("z"), None, Some("news.example"), "Unassigned"),
    (Some("chatgpt.com"), None, None, None, None, "AI assistant"),
];

const PAGES: [&str; 4] = ["/", "/pricing", "/creators/ada", "/creators/nobody"];
const COUNTRIES: [&str; 4] = ["DE", "FR", "NP", ""];
const IDLE: Duration = Duration::from_hours(30 * 24);
const START: Timestamp = Timestamp::from_micros(1_772_300_000_123_456);

/// Returns the events that these steps make.
#[must_use]
pub fn history(steps: &[Step]) -> Vec<Recorded> {
    let mut world = World { now: START, ..World::default() };
    for step in steps {
        world.step(*step);
    }
    world.events
}

#[derive(Default)]
struct World {
    now: Timestamp,
    events: Vec<Recorded>,
    /// The first touch of each visitor, and the traffic of it.
    visitors: Vec<(TouchId, Timestamp, usize)>,
    users: Vec<(UserId, bool)>,
    requests: Vec<RequestId>,
    lengths: HashMap<StreamId, Version>,
    touches: Vec<TouchId>,
    sessions: Vec<(UserId, SessionId)>,
}

impl World {
    fn id(&self) -> Uuid {
        Uuid::from_u128(0x1234_5678 << 64 | self.events.len() as u128)
    }

    fn step(&mut self, [kind, who, what, more, pause]: Step) {
        let pause_seconds = match pause {
            0..=99 => u64::from(pause) % 3 * 20,
            100..=219 => u64::from(pause) * 60,
            _ => u64::from(pause - 215) * 6 * 3600,
        };
        self.now = self.now + Duration::from_secs(pause_seconds);
        match kind % 16 {
            0..=3 => self.land(who, what, more),
            4 | 5 => self.login(what, more),
            6..=9 => self.register(who, what, more),
            10..=12 => self.session(who, what),
            13 => self.refer(who, what, more),
            14 => self.rules(what),
            _ => self.other(who, what),
        }
    }

    fn push(&mut self, stream: StreamId, event: Event) {
        // Mostly one after the other; some logs leave gaps.
        let last = self.events.last().map_or(0, |event| event.position);
        let position = last + if last.is_multiple_of(7) { 3 } else { 1 };
        let event_id = EventId(self.id());
        let version = self.lengths.entry(stream.clone()).or_default();
        *version += 1;
        self.events.push(Recorded {
            position,
            stream,
            version: *version - 1,
            event_id,
            event,
            data: Vec::new().into(),
            metadata: Metadata {
                occurred_at: self.now,
                correlation_id: CorrelationId(Uuid::nil()),
                causation_id: None,
                actor: Actor::System,
            },
            recorded_at: self.now + Duration::from_millis(3),
        });
    }

    fn push_user(&mut self, user_id: UserId, event: impl Into<UserEvent>) {
        self.push(StreamId::User(user_id), Event::User(Box::new(event.into())));
    }

    /// Returns a user of the log, or one that the log does not know.
    fn any_user(&self, who: u8) -> Option<UserId> {
        let unheard = UserId(Uuid::from_u128(7));
        match self.users.len() {
            0 => None,
            _ if who.is_multiple_of(31) => Some(unheard),
            all => Some(self.users[usize::from(who) % all].0),
        }
    }

    fn land(&mut self, who: u8, what: u8, more: u8) {
        let touch_id = TouchId(self.id());
        let kind = usize::from(what) % TRAFFIC.len();
        let visitor = usize::from(who) % 24;
        let known = self.visitors.get(visitor).map(|(first, ..)| *first);
        if known.is_none() {
            self.visitors.push((touch_id, self.now, kind));
        }
        let first = known.unwrap_or(touch_id);
        self.touches.push(touch_id);
        let (source, medium, campaign, click, domain, _) = TRAFFIC[kind];
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let code_status = CodeStatus::ALL[usize::from(more) % CodeStatus::ALL.len()];
        let page = PAGES[usize::from(more / 4) % 4];
        let new = TouchRecorded {
            code: (code_status != CodeStatus::None).then(|| "abc".parse().unwrap()),
            code_status,
            owner: self
                .any_user(who)
                .filter(|_| matches!(code_status, CodeStatus::Known | CodeStatus::Inactive)),
            other_codes: vec![],
            landing_page: page.to_owned(),
            referrer_url: domain.map(|_| sealed()),
            referrer_domain: owned(domain),
            referrer_kind: if domain.is_some() {
                ReferrerKind::Foreign
            } else {
                ReferrerKind::None
            },
            first_touch_id: Some(first),
            utm: Utm {
                source: owned(source),
                medium: owned(medium),
                campaign: owned(campaign),
                ..Utm::default()
            },
            click_ids: clicks(click),
            creator_id: self.any_user(more).filter(|_| page == "/creators/ada"),
            device_class: None,
            country: None,
            bot: more.is_multiple_of(11),
            bot_rules_version: 1,
            consent: Consent::Unknown,
            deduplicated: more.is_multiple_of(7),
            fetch_site: None,
            referrer_site: None,
            agent: None,
            said_by_client: false,
        };
        let event =
            if who.is_multiple_of(5) { old_touch(new).into() } else { TouchEvent::from(new) };
        self.push(StreamId::Touch(touch_id), Event::Touch(Box::new(event)));
    }

    fn login(&mut self, what: u8, more: u8) {
        let request_id = match self.requests.len() {
            0 => RequestId(self.id()),
            all => self.requests[usize::from(more) % all],
        };
        let request = Some(request_id).filter(|_| more.is_multiple_of(2));
        let reason = DeliveryFailure::ALL[usize::from(more) % 6];
        let until = self.now;
        let event: MailboxEvent = match what % 16 {
            0..=7 => {
                let request_id = RequestId(self.id());
                self.requests.push(request_id);
                LoginStarted {
                    request_id,
                    email: sealed(),
                    code_mac: Mac([0; 16]),
                    expires_at: until,
                    known_device: false,
                    client: sealed(),
                    device_id: None,
                    network: None,
                    change_of: None,
                    touch_id: None,
                }
                .into()
            }
            8 => LoginThrottled { until, device_id: None }.into(),
            9 | 10 => CodeDeliveryFailed { request_id, reason }.into(),
            11 => CodeRejected { request_id, attempt: 1 }.into(),
            12 => LoginLocked { request_id: request, until: None }.into(),
            13 => LoginExpired { request_id }.into(),
            _ => CodeVerified { request_id, device_id: None, device_class: None }.into(),
        };
        self.push(StreamId::Mailbox(EmailKey([1; 16])), Event::Mailbox(event));
    }

    fn register(&mut self, who: u8, what: u8, more: u8) {
        let user_id = UserId(self.id());
        let (email, email_key) = (sealed(), EmailKey([1; 16]));
        let provider = Provider::Email;
        let registered = UserRegistered { email, email_key, display_name: None, provider };
        self.push_user(user_id, registered);
        let touch = match self.visitors.len() {
            0 => None,
            _ if who.is_multiple_of(4) => None,
            all => Some(self.visitors[usize::from(who) % all]),
        };
        let origin = self.origin(touch, what, more);
        if more.is_multiple_of(3) {
            self.push_user(user_id, old_origin(origin));
        } else {
            self.push_user(user_id, origin);
        }
        self.users.push((user_id, false));
        if what.is_multiple_of(2) {
            self.decide(self.users.len() - 1, what, more);
        }
        if !more.is_multiple_of(8) {
            self.open(user_id);
        }
    }

    fn origin(
        &self,
        touch: Option<(TouchId, Timestamp, usize)>,
        what: u8,
        more: u8,
    ) -> AttributionCaptured {
        let traffic = touch.map(|(_, _, kind)| TRAFFIC[kind]);
        let text = |text: Option<&str>| text.map(str::to_owned);
        let page = PAGES[usize::from(what) % 4];
        AttributionCaptured {
            first_referrer_url: traffic.and_then(|traffic| traffic.4).map(|_| sealed()),
            referrer_domain: text(traffic.and_then(|traffic| traffic.4)),
            first_landing_page: touch.map(|_| page.to_owned()),
            utm_source: text(traffic.and_then(|traffic| traffic.0)),
            utm_medium: text(traffic.and_then(|traffic| traffic.1)),
            utm_campaign: text(traffic.and_then(|traffic| traffic.2)),
            utm_term: None,
            utm_content: None,
            click_ids: clicks(traffic.and_then(|traffic| traffic.3)),
            acquired_via_creator_id: touch
                .and_then(|_| self.any_user(more))
                .filter(|_| page == "/creators/ada"),
            registration_device: DeviceClass::ALL.get(usize::from(what) % 6).copied(),
            registration_country: Country::parse(COUNTRIES[usize::from(more) % 4]),
            touch_id: touch.map(|(touch_id, ..)| touch_id),
            touched_at: touch.map(|(_, at, _)| at),
            consent: Consent::Unknown,
            rules_version: 1,
            referrer_site: None,
            said_by_client: false,
        }
    }

    fn open(&mut self, user_id: UserId) {
        let session_id = SessionId(self.id());
        self.sessions.push((user_id, session_id));
        let opened = SessionOpened {
            session_id,
            token_hash: Hash([0; 32]),
            kind: SessionKind::Cookie,
            expires_at: self.now + IDLE,
            absolute_expires_at: self.now + IDLE * 2,
            device: sealed(),
            device_class: None,
            country: None,
        };
        self.push_user(user_id, opened);
    }

    fn session(&mut self, who: u8, what: u8) {
        let Some((user_id, _)) = self.users.get(usize::from(who) % self.users.len().max(1)) else {
            return;
        };
        let (user_id, session_id) = (*user_id, SessionId(self.id()));
        match (what % 3, self.sessions.len()) {
            (0, _) => self.open(user_id),
            // A session that was opened; seldom enough for logs of which no use is known but those.
            (1, all) if all > 0 && what.is_multiple_of(5) => {
                let (user_id, session_id) = self.sessions[usize::from(who) % all];
                let expires_at = self.now + IDLE;
                self.push_user(user_id, SessionExtended { session_id, expires_at });
            }
            (1, _) => self.push_user(user_id, SessionExtended { session_id, expires_at: self.now }),
            (_, all) if all > 0 && what.is_multiple_of(11) => {
                let (user_id, session_id) = self.sessions[usize::from(who) % all];
                let (refresh_hash, expires_at) = (Hash([who; 32]), self.now + IDLE);
                self.push_user(user_id, RefreshRotated { session_id, refresh_hash, expires_at });
            }
            _ => {
                let reason = RevokeReason::Logout;
                self.push_user(user_id, SessionRevoked { session_id, reason });
            }
        }
    }

    fn refer(&mut self, who: u8, what: u8, more: u8) {
        if !self.users.is_empty() {
            self.decide(usize::from(who) % self.users.len(), what, more);
        }
    }

    /// Attributes a user at most once, which keeps the referrals a tree.
    fn decide(&mut self, user: usize, what: u8, more: u8) {
        let (user_id, attributed) = self.users[user];
        let referrer = self.any_user(more.wrapping_mul(3));
        let touch_id = match self.touches.len() {
            0 => None,
            _ if what.is_multiple_of(5) => None,
            all => Some(self.touches[usize::from(what) % all]),
        };
        let touched_at = (!more.is_multiple_of(9))
            .then(|| self.now - Duration::from_secs(u64::from(what) * 3000));
        let rules_digest = Mac([what % 4; 16]);
        let (via, signals, rules_version) = (Via::Verify, vec![], 1);
        let code: ReferralCode = "abc".parse().unwrap();
        if let Some(referrer_id) = referrer
            && !attributed
            && more.is_multiple_of(2)
        {
            self.users[user].1 = true;
            let code_kind = CodeKind::Primary;
            self.push_user(
                user_id,
                ReferralAttributed {
                    referrer_id,
                    code,
                    code_kind,
                    touched_at,
                    touch_id,
                    via,
                    rules_version,
                    rules_digest,
                    signals,
                },
            );
            return;
        }
        let owner = referrer.filter(|_| !what.is_multiple_of(3));
        let refused = ReferralRefused {
            code: Some(code).filter(|_| owner.is_some() || !more.is_multiple_of(5)),
            reason: Refusal::ALL[usize::from(more) % 12],
            via,
            rules_version,
            rules_digest,
            signals,
            evidence: Evidence { owner, touch_id, touched_at },
        };
        self.push_user(user_id, refused);
    }

    fn rules(&mut self, what: u8) {
        // Windows as short as the pauses, so that touches fall into the last tenth of one.
        let window_seconds = [3600, 86_400, 864_000, 2_592_000][usize::from(what % 4)];
        let digest = Mac([what % 4; 16]);
        let settings = RuleSettings {
            rules_version: 1,
            window_seconds,
            grace_seconds: 1,
            strict: false,
            velocity_cap: 1,
            blocked_countries: vec![],
            disposable_domains: None,
        };
        let event = RulesEvent::from(RulesAdopted { digest, settings });
        self.push(StreamId::Rules(digest), Event::Rules(event));
    }

    /// Records events that no view counts.
    fn other(&mut self, who: u8, what: u8) {
        let Some(user_id) = self.any_user(who) else { return };
        match what % 3 {
            0 => {
                let (requested_by, mode) = ("owner".to_owned(), "full".to_owned());
                self.push_user(user_id, UserErased { requested_by, mode });
            }
            1 => {
                let event = NameEvent::from(NameReserved { owner: user_id });
                self.push(StreamId::Code("abc".parse().unwrap()), Event::Name(event));
            }
            _ => {
                let read = AuditRead {
                    subject: AuditSubject::User,
                    user_id: Some(user_id),
                    code: None,
                    personal_data: false,
                };
                self.push(StreamId::Audit, Event::Audit(read.into()));
            }
        }
    }
}

/// Returns a sealed field that no test opens.
fn sealed<T>() -> Pii<T> {
    Pii::Sealed(Sealed(vec![1].into()))
}

fn clicks(name: Option<&str>) -> ClickIds {
    name.into_iter().map(|name| (name.to_owned(), "1".to_owned())).collect()
}

fn old_touch(new: TouchRecorded) -> TouchRecordedV1 {
    TouchRecordedV1 {
        code: new.code,
        code_status: new.code_status,
        owner: new.owner,
        other_codes: new.other_codes,
        landing_page: new.landing_page,
        referrer_url: new.referrer_url,
        referrer_kind: new.referrer_kind,
        utm: new.utm,
        click_ids: new.click_ids,
        creator_id: new.creator_id,
        device_class: new.device_class,
        country: new.country,
        bot: new.bot,
        bot_rules_version: new.bot_rules_version,
        consent: new.consent,
        deduplicated: new.deduplicated,
        fetch_site: new.fetch_site,
    }
}

fn old_origin(new: AttributionCaptured) -> AttributionCapturedV1 {
    AttributionCapturedV1 {
        first_referrer_url: new.first_referrer_url,
        first_landing_page: new.first_landing_page,
        utm_source: new.utm_source,
        utm_medium: new.utm_medium,
        utm_campaign: new.utm_campaign,
        utm_term: new.utm_term,
        utm_content: new.utm_content,
        click_ids: new.click_ids,
        acquired_via_creator_id: new.acquired_via_creator_id,
        registration_device: new.registration_device,
        registration_country: new.registration_country,
        touch_id: new.touch_id,
        touched_at: new.touched_at,
        consent: new.consent,
        rules_version: new.rules_version,
    }
}
