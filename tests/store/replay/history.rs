//! Random histories that could have happened: the deciders make them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use whence::domain::api_key::ApiKey;
use whence::domain::mailbox::{
    CountStart, DeviceFacts, ForgetMailbox, Mailbox, MailboxCommand, StartLogin, VerifyCode,
};
use whence::domain::name::{Name, ReserveName};
use whence::domain::touch::stream::TouchStream;
use whence::domain::user::activity::ActivityPeriod;
use whence::domain::user::measure::{Act, Measure, Reason};
use whence::domain::user::{OpenSession, User, UserCommand};
use whence::domain::{Decider, EventContext};
use whence::engine::vault::Vault;
use whence::infra::clock::Clock;
use whence::infra::keys::{Keys, MasterKey};
use whence::infra::random::{
    new_correlation_id, new_event_id, new_request_id, new_touch_id, new_user_id, random_bytes,
};
use whence::infra::sealing::SubjectKey;
use whence::store::SqliteStore;
use whence_events::*;

use self::attempts::attempt;
use self::older::older;

mod account;
mod api_keys;
mod attempts;
mod older;

/// What somebody does next: what it is, who does it, with what, after how long.
pub(crate) type Step = [u8; 4];

/// Addresses whose logins make the history; in each of them it must not show.
pub(crate) const DOMAIN: &str = "nobody-may-read.example";

const ADDRESSES: usize = 5;
const START: Timestamp = Timestamp::from_micros(1_773_500_966_535_897);
const DOMAINS: [&str; 3] = ["news.example", "google.com", "chatgpt.com"];
const PERIODS: [ActivityPeriod; 3] =
    [ActivityPeriod::Day, ActivityPeriod::Week, ActivityPeriod::None];
const SLUGS: [&str; 6] = ["Alpha", "alpha", "beta-2", "GAMMA3", "gamma3", "d4"];

#[expect(clippy::unwrap_used, reason = "a helper of tests: no history, no test")]
/// The history that these steps make, and more landings until it has `at_least` events.
pub(crate) fn history(steps: &[Step], at_least: usize) -> Vec<Recorded> {
    let mut world = World::new();
    for step in steps {
        world.step(*step);
    }
    while world.log.events.len() < at_least {
        let [what] = random_bytes();
        world.step([LANDING, 0, what, 0]);
    }
    // Every second one as the first version of whence wrote it.
    for recorded in world.log.events.iter_mut().filter(|event| event.position % 2 == 0) {
        if let Some(older) = older(&recorded.event) {
            recorded.data = codec::encode(&older).unwrap().into();
            recorded.event = older;
        }
    }
    world.log.events
}

/// A stream as a handler would hold it.
struct Stream<D> {
    id: StreamId,
    state: D,
    length: Version,
    key: Option<SubjectKey>,
}

impl<D: Default> Stream<D> {
    fn new(id: StreamId) -> Self {
        Self { id, state: D::default(), length: 0, key: None }
    }
}

struct Log {
    vault: Vault,
    now: Timestamp,
    events: Vec<Recorded>,
    /// Where the vault's store is; nothing is written there.
    _folder: TempDir,
}

impl Log {
    /// Decides and writes; nothing, when the domain says no.
    fn run<D: Decider>(&mut self, stream: &mut Stream<D>, command: &D::Command) -> Vec<D::Event> {
        let events = stream.state.decide(command).unwrap_or_default();
        self.write(stream, events.clone());
        events
    }

    #[expect(clippy::unwrap_used, reason = "a helper of tests: no event, no history")]
    fn write<D: Decider>(&mut self, stream: &mut Stream<D>, events: Vec<D::Event>) {
        for event in events {
            let mut event: Event = event.into();
            let key = stream.key.get_or_insert_with(|| {
                let key = self.vault.key_for_append(&stream.id, 0);
                futures::executor::block_on(key).unwrap().0
            });
            key.seal(&stream.id, stream.length, &mut event);
            let context = EventContext { at: self.now, version: stream.length };
            let state = std::mem::take(&mut stream.state);
            stream.state = state.evolve(D::event(&event).unwrap(), context);
            let metadata = Metadata {
                occurred_at: self.now,
                correlation_id: new_correlation_id(),
                causation_id: None,
                actor: Actor::System,
            };
            self.events.push(Recorded {
                position: self.events.len() as Position + 1,
                stream: stream.id.clone(),
                version: stream.length,
                event_id: new_event_id(),
                data: codec::encode(&event).unwrap().into(),
                event,
                metadata,
                recorded_at: self.now,
            });
            stream.length += 1;
        }
    }
}

struct Account {
    stream: Stream<User>,
    user_id: UserId,
    sessions: Vec<SessionId>,
}

struct World {
    log: Log,
    mailboxes: Vec<(Stream<Mailbox>, Vec<RequestId>)>,
    users: Vec<Account>,
    names: BTreeMap<String, Stream<Name>>,
    api_keys: Vec<Stream<ApiKey>>,
}

const LANDING: u8 = 0;

impl World {
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no vault, no history")]
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let store = SqliteStore::open(&path, Mac([7; 16]), Clock::system()).unwrap();
        let keys = Keys::derive(&MasterKey::generate());
        let vault = Vault::new(Arc::new(store), keys.wrapping);
        let mailbox = |n| {
            let key = EmailKey([u8::try_from(n).unwrap(); 16]);
            (Stream::new(StreamId::Mailbox(key)), vec![])
        };
        Self {
            log: Log { vault, now: START, events: vec![], _folder: folder },
            mailboxes: (0..ADDRESSES).map(mailbox).collect(),
            users: vec![],
            names: BTreeMap::new(),
            api_keys: vec![],
        }
    }

    fn step(&mut self, [kind, who, what, pause]: Step) {
        // Mostly at once, as a limit is only reached so; now and then so late that things are over.
        let pause_seconds = u64::from(match pause {
            0..=247 => u32::from(pause) % 8,
            248..=251 => u32::from(pause - 247) * 150,
            252..=254 => u32::from(pause - 251) * 2 * 3600,
            255 => 20 * 24 * 3600,
        });
        self.log.now = self.log.now + Duration::from_secs(pause_seconds);
        let who = usize::from(who);
        // One of the last to come: the others are mostly gone.
        let user = self.users.len().saturating_sub(1 + who % self.users.len().clamp(1, ADDRESSES));
        match kind % 16 {
            LANDING | 1 => self.land(what),
            2..=4 => self.start_login(who % ADDRESSES, what),
            5..=8 => self.verify(who % ADDRESSES, what),
            _ if self.users.is_empty() => {}
            9 | 10 => self.session(user, what),
            11 => self.name(user, what),
            12 if who % 2 == 0 => self.measure(user, what),
            12 if what.is_multiple_of(4) => self.api_key(what),
            12 => self.onboard(user, what),
            13 => self.refer(user, what),
            14 => self.profile(user, what),
            _ => self.erase(user, what),
        }
    }

    fn land(&mut self, what: u8) {
        let owner = self.users.get(usize::from(what % 8)).map(|user| user.user_id);
        let touch = TouchRecorded {
            code: Some(code("abc")),
            code_status: CodeStatus::ALL[usize::from(what) % CodeStatus::ALL.len()],
            owner,
            other_codes: vec![],
            landing_page: "/".into(),
            referrer_url: Some(Pii::Clear(format!("https://{DOMAIN}/"))),
            referrer_domain: Some(DOMAINS[usize::from(what) % DOMAINS.len()].to_owned()),
            referrer_kind: ReferrerKind::Foreign,
            first_touch_id: Some(TouchId(uuid::Uuid::from_u128(u128::from(what % 5)))),
            utm: Utm::default(),
            click_ids: ClickIds::new(),
            creator_id: None,
            device_class: None,
            country: None,
            bot: what.is_multiple_of(5),
            bot_rules_version: 1,
            consent: Consent::Unknown,
            deduplicated: what.is_multiple_of(7),
            fetch_site: None,
            referrer_site: Some("google".to_owned()),
            agent: Some(Pii::Clear("Mozilla/5.0".to_owned())),
            said_by_client: false,
        };
        let mut stream = Stream::<TouchStream>::new(StreamId::Touch(new_touch_id()));
        self.log.run(&mut stream, &touch);
    }

    fn start_login(&mut self, n: usize, what: u8) {
        let (mailbox, requests) = &mut self.mailboxes[n];
        let request_id = new_request_id();
        if what.is_multiple_of(8)
            && let Some(request_id) = requests.last()
        {
            let (request_id, reason) = (*request_id, DeliveryFailure::Deferred);
            self.log.run(mailbox, &MailboxCommand::FailDelivery { request_id, reason });
            return;
        }
        self.limits(n, what);
        let (mailbox, requests) = &mut self.mailboxes[n];
        if what.is_multiple_of(5) {
            let forget = ForgetMailbox { now: self.log.now, keep: Duration::from_mins(1) };
            self.log.run(mailbox, &MailboxCommand::Forget(forget));
        }
        let start = StartLogin {
            change_of: None,
            touch_id: None,
            now: self.log.now,
            request_id,
            email: address(n),
            code_mac: Mac([1; 16]),
            client: client(),
            devices: vec![known_device(n)],
            network: Some(Mac([what; 16])),
        };
        self.log.run(mailbox, &MailboxCommand::StartLogin(start));
        requests.push(request_id);
    }

    fn limits(&mut self, n: usize, what: u8) {
        let (mailbox, _) = &mut self.mailboxes[n];
        let (now, request_id) = (self.log.now, new_request_id());
        match what % 32 {
            7 => {
                let count = CountStart { now, request_id, network: None };
                self.log.run(mailbox, &MailboxCommand::CountStart(count));
                self.log.run(mailbox, &MailboxCommand::ReturnStart { request_id });
            }
            13 => {
                let forget = MailboxCommand::ForgetDevice { device_id: known_device(n) };
                self.log.run(mailbox, &forget);
            }
            22 => {
                let reason = format!("a call from {DOMAIN}");
                self.log.run(mailbox, &MailboxCommand::ClearLock { reason });
            }
            _ => {}
        }
    }

    fn verify(&mut self, n: usize, what: u8) {
        let (mailbox, requests) = &mut self.mailboxes[n];
        let back = usize::from(what % 2);
        let Some(request_id) = requests.iter().rev().nth(back) else { return };
        // The last address is one that somebody guesses at.
        let wrong = what.is_multiple_of(4) || (n == ADDRESSES - 1 && what < 230);
        let code_mac = if wrong { Mac([2; 16]) } else { Mac([1; 16]) };
        let (now, request_id) = (self.log.now, *request_id);
        let fresh_user = new_user_id();
        let device = DeviceFacts { proven: vec![], fresh: known_device(n), class: None };
        let lock_time = Some(Duration::from_hours(1));
        let verify = VerifyCode {
            change_of: None,
            now,
            request_id,
            code_mac,
            fresh_user,
            device,
            lock_time,
        };
        let events = self.log.run(mailbox, &MailboxCommand::VerifyCode(verify));
        let verified = events.iter().any(|event| matches!(event, MailboxEvent::CodeVerified(_)));
        if let Some(owner) = mailbox.state.owner
            && verified
        {
            self.open_session(n, owner, what);
        }
    }

    #[expect(clippy::unwrap_used, reason = "a helper of tests: a user was just put there")]
    fn open_session(&mut self, n: usize, user_id: UserId, what: u8) {
        let now = self.log.now;
        let attempt = what.is_multiple_of(3).then(|| attempt(self, user_id, what, Via::Verify));
        if !self.users.iter().any(|user| user.user_id == user_id) {
            let stream = Stream::new(StreamId::User(user_id));
            self.users.push(Account { stream, user_id, sessions: vec![] });
        }
        let user = self.users.iter_mut().find(|user| user.user_id == user_id).unwrap();
        let session_id = SessionId(new_event_id().0);
        // Mailboxes do not follow the changes of addresses here, so a login is one of the account's.
        let account = user.stream.state.account.as_ref();
        let own_key = EmailKey([u8::try_from(n).unwrap(); 16]);
        let open = OpenSession {
            now,
            user_id,
            email: address(n),
            email_key: account.map_or(own_key, |account| account.email_key),
            moved_by_operator: false,
            snapshot: snapshot(now),
            attempt,
            session_id,
            token_hash: Hash(random_bytes()),
            kind: SessionKind::ALL[usize::from(what % 2)],
            device: client(),
            device_class: Some(DeviceClass::Mobile),
            country: Country::parse("DE"),
        };
        self.log.run(&mut user.stream, &UserCommand::OpenSession(Box::new(open)));
        user.sessions.push(session_id);
    }

    fn session(&mut self, n: usize, what: u8) {
        let user = &mut self.users[n];
        let Some(session_id) = user.sessions.iter().rev().nth(usize::from(what % 3)) else {
            return;
        };
        let (session_id, now) = (*session_id, self.log.now);
        let command = match what % 4 {
            0 => UserCommand::RevokeSession { session_id, reason: RevokeReason::Logout },
            1 => UserCommand::RevokeOtherSessions { now, keep: session_id },
            _ => {
                let period = PERIODS[usize::from(what / 4) % PERIODS.len()];
                UserCommand::ExtendSession { now, session_id, period }
            }
        };
        let done = self.log.run(&mut user.stream, &command);
        let goes_on = done.iter().any(|event| matches!(event, UserEvent::SessionExtended(_)));
        if goes_on {
            let expires_at = now + Duration::from_secs(u64::from(what) * 3600);
            let refresh_hash = Hash(random_bytes());
            let rotated = RefreshRotated { session_id, refresh_hash, expires_at };
            self.log.write(&mut user.stream, vec![rotated.into()]);
        }
    }

    #[expect(clippy::unwrap_used, reason = "a helper of tests: the slugs are handles")]
    fn name(&mut self, n: usize, what: u8) {
        let user = &mut self.users[n];
        let slug = SLUGS[usize::from(what) % SLUGS.len()];
        if what.is_multiple_of(5) {
            let reason = "retired".to_owned();
            let disable = UserCommand::DisableReferralCode { code: code(slug), reason };
            self.log.run(&mut user.stream, &disable);
            return;
        }
        let id = StreamId::code(&code(slug));
        let name = self.names.entry(id.to_string()).or_insert_with(|| Stream::new(id));
        self.log.run(name, &ReserveName { owner: user.user_id });
        if name.state.owner == Some(user.user_id) {
            let kind = CodeKind::ALL[usize::from(what) % 2];
            let now = self.log.now;
            let issue = UserCommand::IssueReferralCode { now, code: code(slug), kind };
            self.log.run(&mut user.stream, &issue);
            let claim = UserCommand::ClaimHandle { handle: slug.parse().unwrap() };
            self.log.run(&mut user.stream, &claim);
        }
    }

    /// What operators do; a suspension is mostly followed by its end.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: it is a reason")]
    fn measure(&mut self, n: usize, what: u8) {
        let user = &mut self.users[n];
        let current = user.stream.state.codes.first().map(|issued| issued.code.clone());
        let chosen = current.unwrap_or_else(|| code(SLUGS[usize::from(what) % SLUGS.len()]));
        let acts = match what % 4 {
            0 => vec![Act::BlockCode(chosen)],
            1 => vec![Act::BlockCode(chosen.clone()), Act::UnblockCode(chosen)],
            2 => vec![Act::RevokeSessions { only: None }],
            _ if what < 200 => vec![Act::Suspend, Act::Reinstate],
            _ => vec![Act::Suspend],
        };
        for act in acts {
            let reason = Reason::parse("a reason").unwrap();
            let measure = Measure { now: self.log.now, act, reason };
            self.log.run(&mut user.stream, &UserCommand::Measure(measure));
        }
    }

    fn onboard(&mut self, n: usize, what: u8) {
        let command = match what % 3 {
            0 => UserCommand::ProvisionSubscription { plan: "free".into() },
            1 => UserCommand::RecordWelcome(Ok(())),
            _ => UserCommand::RecordWelcome(Err(DeliveryFailure::TimedOut)),
        };
        self.log.run(&mut self.users[n].stream, &command);
    }

    fn refer(&mut self, n: usize, what: u8) {
        let user_id = self.users[n].user_id;
        let attempt = Box::new(attempt(self, user_id, what, Via::Attribute));
        let command = UserCommand::AttributeReferral { user_id, attempt };
        self.log.run(&mut self.users[n].stream, &command);
    }

    fn profile(&mut self, n: usize, what: u8) {
        self.account(n, what);
        let user = &mut self.users[n].stream;
        if user.state.is_active() {
            let display_name =
                (!what.is_multiple_of(3)).then(|| Pii::Clear(format!("Ada of {DOMAIN}")));
            let avatar_url = Some(Pii::Clear(format!("/{what}.png")));
            let billing_customer_id = format!("cus_{what}");
            let events = vec![
                ProfileUpdated { display_name, avatar_url }.into(),
                BillingCustomerLinked { billing_customer_id }.into(),
            ];
            self.log.write(user, events);
        }
    }

    fn erase(&mut self, n: usize, what: u8) {
        // Seldom: a history of nobody says little.
        if !what.is_multiple_of(8) {
            return;
        }
        let Account { stream, user_id, .. } = &mut self.users[n];
        let (requested_by, mode) = ("owner".to_owned(), "full".to_owned());
        if !self.log.run(stream, &UserCommand::Erase { requested_by, mode }).is_empty() {
            self.log.write(stream, vec![ErasureCompleted { touches: 1 }.into()]);
        }
        for (mailbox, _) in &mut self.mailboxes {
            if mailbox.state.owner == Some(*user_id) {
                self.log.run(mailbox, &MailboxCommand::Release { user_id: *user_id });
            }
        }
    }
}

fn snapshot(now: Timestamp) -> AttributionCaptured {
    AttributionCaptured {
        first_referrer_url: Some(Pii::Clear(format!("https://{DOMAIN}/page"))),
        referrer_domain: None,
        first_landing_page: Some("/pricing".into()),
        utm_source: Some("newsletter".into()),
        utm_medium: None,
        utm_campaign: Some("spring".into()),
        utm_term: None,
        utm_content: None,
        click_ids: ClickIds::new(),
        acquired_via_creator_id: None,
        registration_device: Some(DeviceClass::Tablet),
        registration_country: Country::parse("FR"),
        touch_id: Some(new_touch_id()),
        touched_at: Some(now),
        consent: Consent::Granted,
        rules_version: 1,
        referrer_site: Some("google".to_owned()),
        said_by_client: false,
    }
}

fn known_device(n: usize) -> DeviceId {
    DeviceId(uuid::Uuid::from_u128(n as u128))
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: it is an address")]
fn address(n: usize) -> EmailAddress {
    EmailAddress::parse(&format!("ada{n}@{DOMAIN}")).unwrap()
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: it is a code")]
fn code(text: &str) -> ReferralCode {
    text.parse().unwrap()
}

fn client() -> Client {
    Client { ip: None, user_agent: Some(format!("a browser of {DOMAIN}")) }
}
