//! Two nodes over one log, whose tails come late, in part or not at all: they decide what a fold of the
//! whole stream decides.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use uuid::Uuid;
use whence_events::{
    Actor, AttributionCaptured, ClickIds, Client, CodeKind, Consent, CorrelationId,
    DeliveryFailure, DeviceId, EmailAddress, EmailKey, Hash, Mac, Recorded, RequestId,
    RevokeReason, SessionId, SessionKind, StreamId, Timestamp, UserId, Version,
};
use whence_test_macros::passes_on;

use super::{Cached, Context, Decided, HandleError, Handler, StreamState};
use crate::domain::mailbox::{
    DeviceFacts, ForgetMailbox, Mailbox, MailboxCommand, StartLogin, VerifyCode,
};
use crate::domain::name::{Name, ReserveName};
use crate::domain::user::{OpenSession, User, UserCommand};
use crate::engine::vault::Vault;
use crate::infra::clock::Clock;
use crate::infra::keys::{Keys, MasterKey};
use crate::store::{Batch, EventStore, SqliteStore, StoreError};

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A step of a history: what happens, where, with what.
type Draw = (u8, u8, u8);

/// A node: its handler, and what the tail has not brought yet.
struct Node {
    handler: Handler,
    tail: broadcast::Receiver<Batch>,
    late: VecDeque<Batch>,
}

impl Node {
    fn new(store: &Arc<dyn EventStore>, keys: &Keys, clock: &Clock) -> Self {
        let vault = Arc::new(Vault::new(store.clone(), keys.wrapping.clone()));
        let handler = Handler::new(store.clone(), vault, clock.clone());
        Self { handler, tail: store.tail(), late: VecDeque::new() }
    }

    /// Lets the tail bring some of its batches, or lose the first of them.
    fn hear(&mut self, batches: usize, lost: bool) {
        loop {
            match self.tail.try_recv() {
                Ok(batch) => self.late.push_back(batch),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if lost {
            self.late.pop_front();
        }
        let batches = batches.min(self.late.len());
        for batch in self.late.drain(..batches) {
            self.handler.states.committed(&batch.events);
        }
    }
}

/// A command, on one of a few streams.
enum Command {
    Mailbox(StreamId, MailboxCommand),
    User(StreamId, Box<UserCommand>),
    Name(StreamId, ReserveName),
}

/// Two nodes over one log, and what a history needs to know.
struct World {
    store: Arc<dyn EventStore>,
    keys: Keys,
    clock: Clock,
    nodes: [Node; 2],
    /// The logins that were begun, by mailbox.
    requests: Vec<(u8, RequestId)>,
    fresh: u128,
    _directory: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let (keys, clock) = (Keys::derive(&MasterKey::generate()), Clock::manual(START));
        let store =
            SqliteStore::open(&directory.path().join("log.db"), Mac([0; 16]), clock.clone());
        let store: Arc<dyn EventStore> = Arc::new(store.unwrap());
        let nodes = [(); 2].map(|()| Node::new(&store, &keys, &clock));
        Self { store, keys, clock, nodes, requests: vec![], fresh: 0, _directory: directory }
    }

    /// Takes one step.
    async fn step(&mut self, (what, r#where, which): Draw) {
        let node = usize::from(r#where % 2);
        self.clock.set(self.clock.now() + Duration::from_secs(u64::from(which) * 8));
        match what % 16 {
            0 | 1 => self.nodes[node].hear(usize::from(which % 4), false),
            2 => self.nodes[node].hear(usize::from(which % 4), true),
            3 => self.nodes[node].hear(usize::MAX, false),
            4 => self.release(node, which).await,
            5 | 6 => {
                let command = self.command(r#where / 2, which);
                self.race(&command).await;
            }
            _ => {
                let command = self.command(r#where / 2, which);
                self.run(node, &command).await;
                self.opens().await;
            }
        }
    }

    fn fresh(&mut self) -> u128 {
        self.fresh += 1;
        self.fresh
    }

    /// Returns a command, on one of two streams of a family.
    fn command(&mut self, kind: u8, which: u8) -> Command {
        let (now, one) = (self.clock.now(), which % 2);
        let user = Box::new;
        match kind % 12 {
            0..3 => {
                let request_id = RequestId(Uuid::from_u128(self.fresh()));
                self.requests.push((one, request_id));
                let code_mac = Mac([1; 16]);
                let (email, client) = (email(one), Client::default());
                let (devices, network) = (vec![], None);
                let start = StartLogin {
                    change_of: None,
                    now,
                    request_id,
                    email,
                    code_mac,
                    client,
                    devices,
                    network,
                    touch_id: None,
                };
                Command::Mailbox(mailbox(one), MailboxCommand::StartLogin(start))
            }
            3..6 => {
                let at = self.requests.len().saturating_sub(1 + usize::from(which % 3));
                let unknown = (one, RequestId(Uuid::nil()));
                let (one, request_id) = self.requests.get(at).copied().unwrap_or(unknown);
                let code_mac = Mac([1 + u8::from(which > 200); 16]);
                let fresh_user = user_id(which);
                let fresh = DeviceId(Uuid::from_u128(u128::from(which)));
                let device = DeviceFacts { proven: vec![], fresh, class: None };
                let lock_time = None;
                let verify = VerifyCode {
                    change_of: None,
                    now,
                    request_id,
                    code_mac,
                    fresh_user,
                    device,
                    lock_time,
                };
                Command::Mailbox(mailbox(one), MailboxCommand::VerifyCode(verify))
            }
            6 => {
                let (request_id, reason) = (RequestId(Uuid::nil()), DeliveryFailure::Local);
                let failed = MailboxCommand::FailDelivery { request_id, reason };
                Command::Mailbox(mailbox(one), failed)
            }
            7 => Command::User(StreamId::User(user_id(one)), user(self.open_session(one))),
            8 => {
                let session_id = SessionId(Uuid::from_u128(u128::from(which % 8)));
                let reason = RevokeReason::Logout;
                let revoke = UserCommand::RevokeSession { session_id, reason };
                Command::User(StreamId::User(user_id(one)), user(revoke))
            }
            9 => {
                let plan = UserCommand::ProvisionSubscription { plan: "free".into() };
                Command::User(StreamId::User(user_id(one)), user(plan))
            }
            10 => {
                let (code, kind) = (code(which), CodeKind::Custom);
                let issue = UserCommand::IssueReferralCode { now, code, kind };
                Command::User(StreamId::User(user_id(one)), user(issue))
            }
            _ => Command::Name(StreamId::code(&code(which)), ReserveName { owner: user_id(one) }),
        }
    }

    fn open_session(&mut self, one: u8) -> UserCommand {
        UserCommand::OpenSession(Box::new(OpenSession {
            now: self.clock.now(),
            user_id: user_id(one),
            email: email(one),
            email_key: EmailKey([one; 16]),
            moved_by_operator: false,
            snapshot: snapshot(),
            attempt: None,
            session_id: SessionId(Uuid::from_u128(self.fresh() % 8)),
            token_hash: Hash([1; 32]),
            kind: SessionKind::Cookie,
            device: Client::default(),
            device_class: None,
            country: None,
        }))
    }

    /// Ends an address as an erasure does, or as its not being verified does.
    async fn release(&self, node: usize, which: u8) {
        let stream = mailbox(which % 2);
        let handler = &self.nodes[node].handler;
        let state = handler.load::<Mailbox>(&stream).await.unwrap().state;
        let forget = ForgetMailbox { now: self.clock.now(), keep: Duration::from_mins(1) };
        let command = match state.owner {
            Some(user_id) => MailboxCommand::Release { user_id },
            None if state.forgettable(&forget).is_some() => MailboxCommand::Forget(forget),
            None => return,
        };
        handler.vault.destroy(&stream).await.unwrap();
        self.run(node, &Command::Mailbox(stream, command)).await;
    }

    /// Runs a command on one node.
    async fn run(&self, node: usize, command: &Command) {
        match command {
            Command::Mailbox(stream, command) => {
                self.check::<Mailbox>(&[node], stream, command).await;
            }
            Command::User(stream, command) => self.check::<User>(&[node], stream, command).await,
            Command::Name(stream, command) => self.check::<Name>(&[node], stream, command).await,
        }
    }

    /// Runs a command on both nodes at once.
    async fn race(&self, command: &Command) {
        match command {
            Command::Mailbox(stream, command) => {
                self.check::<Mailbox>(&[0, 1], stream, command).await;
            }
            Command::User(stream, command) => self.check::<User>(&[0, 1], stream, command).await,
            Command::Name(stream, command) => self.check::<Name>(&[0, 1], stream, command).await,
        }
    }

    /// Runs a command on these nodes at once. Each has to decide what the stream decides as it was when
    /// the events were appended, or, when there were none, at some moment of the call.
    async fn check<D>(&self, nodes: &[usize], stream: &StreamId, command: &D::Command)
    where
        D: Cached<Event: PartialEq + Debug, Rejection: PartialEq>,
    {
        let before = self.fold::<D>(stream, Version::MAX).await.length;
        let context = Context {
            correlation_id: CorrelationId(Uuid::nil()),
            causation_id: None,
            actor: Actor::System,
        };
        let runs =
            nodes.iter().map(|node| self.nodes[*node].handler.run::<D>(stream, command, &context));
        let outcomes = futures::future::join_all(runs).await;
        let after = self.fold::<D>(stream, Version::MAX).await.length;
        let mut written = 0;
        for outcome in outcomes {
            written += self.assert_decided(stream, command, outcome, before..=after).await;
        }
        assert_eq!(written, after - before, "each event was decided once");
    }

    /// Checks one outcome, and returns how many events it wrote.
    async fn assert_decided<D>(
        &self,
        stream: &StreamId,
        command: &D::Command,
        outcome: Result<Decided<D>, HandleError<D::Rejection>>,
        during: std::ops::RangeInclusive<Version>,
    ) -> Version
    where
        D: Cached<Event: PartialEq + Debug, Rejection: PartialEq>,
    {
        let (decided, written, at) = match outcome {
            Ok(Decided { events, position, .. }) if !events.is_empty() => {
                let written = events.len() as Version;
                let last = self.version_at(stream, position).await;
                (Ok(events), written, last + 1 - written..=last + 1 - written)
            }
            Ok(decided) => (Ok(decided.events), 0, during),
            Err(HandleError::Rejected(rejection)) => (Err(rejection), 0, during),
            Err(HandleError::Store(error)) => panic!("{error}"),
        };
        let mut possible = vec![];
        for length in at {
            possible.push(self.fold::<D>(stream, length).await.state.decide(command));
        }
        assert!(possible.contains(&decided), "{decided:?} is none of {possible:?}");
        written
    }

    /// The version of the event at a position.
    async fn version_at(&self, stream: &StreamId, position: u64) -> Version {
        let events = self.store.read_stream(stream, 0, usize::MAX).await.unwrap();
        events.iter().find(|event| event.position == position).unwrap().version
    }

    /// The fold of the first events of a stream, by a handler that knows nothing.
    async fn fold<D: Cached>(&self, stream: &StreamId, length: Version) -> StreamState<D> {
        let length = usize::try_from(length).unwrap();
        let events = self.store.read_stream(stream, 0, length).await.unwrap();
        let states = super::States::new(self.vault().open_keys());
        states.fold(StreamState::default(), &events).unwrap()
    }

    /// A vault that has no key in memory.
    fn vault(&self) -> Vault {
        Vault::new(self.store.clone(), self.keys.wrapping.clone())
    }

    /// Each address that is kept opens: no node has sealed it under a key that was destroyed.
    async fn opens(&self) {
        for one in 0..2 {
            let stream = mailbox(one);
            let state = self.fold::<Mailbox>(&stream, Version::MAX).await.state;
            if let Some((sealed, version)) = &state.email {
                let opened = self.vault().open(&stream, *version, "email", sealed).await.unwrap();
                assert_eq!(opened, Some(email(one)));
            }
        }
    }
}

/// A store that counts how often a stream is read.
struct Counting {
    inner: Arc<dyn EventStore>,
    reads: Arc<AtomicUsize>,
}

#[passes_on(crate::store)]
#[async_trait]
impl EventStore for Counting {
    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read_stream(stream, from, limit).await
    }
}

#[tokio::test]
async fn what_the_tail_brought_is_not_read() {
    let mut world = World::new();
    let reads = Arc::new(AtomicUsize::new(0));
    let inner = world.store.clone();
    let counting: Arc<dyn EventStore> = Arc::new(Counting { inner, reads: reads.clone() });
    world.nodes[1] = Node::new(&counting, &world.keys, &world.clock);
    let draws = [0, 4, 7];
    for draw in draws {
        let command = world.command(draw, 0);
        world.run(0, &command).await;
    }
    world.nodes[1].hear(usize::MAX, false);
    // The other node goes on where the first one is: another login, its code, another session.
    for draw in draws {
        let command = world.command(draw, 0);
        world.run(1, &command).await;
    }
    assert_eq!(reads.load(Ordering::SeqCst), 0);
    // A stream of which it missed an event is read.
    for _ in 0..2 {
        let command = world.command(7, 0);
        world.run(0, &command).await;
    }
    world.nodes[1].hear(draws.len(), false);
    world.nodes[1].hear(usize::MAX, true);
    let command = world.command(7, 0);
    world.run(1, &command).await;
    assert_eq!(reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_state_is_replaced_by_a_longer_one_only() {
    let world = World::new();
    let states = &world.nodes[0].handler.states;
    let stream = StreamId::code(&code(0));
    let state = |owner: u8, length| StreamState {
        state: Arc::new(Name { owner: Some(user_id(owner)) }),
        length,
    };
    for (fresh, kept) in [(1, 1), (3, 3), (2, 3), (0, 3), (4, 4)] {
        states.keep(&stream, state(1, fresh));
        assert_eq!(states.get::<Name>(&stream).unwrap().length, kept);
    }
}

#[test]
fn nodes_decide_from_memory_what_the_log_decides() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let config = Config { failure_persistence: None, ..Config::with_cases(24) };
    let history = vec(any::<Draw>(), 1..120);
    let ran = TestRunner::new(config).run(&history, |draws| {
        runtime.block_on(async {
            let mut world = World::new();
            for draw in draws {
                world.step(draw).await;
            }
        });
        Ok(())
    });
    ran.unwrap();
}

fn mailbox(one: u8) -> StreamId {
    StreamId::Mailbox(EmailKey([one; 16]))
}

fn user_id(one: u8) -> UserId {
    UserId(Uuid::from_u128(u128::from(one % 2)))
}

fn email(one: u8) -> EmailAddress {
    EmailAddress::parse(&format!("u{one}@example.com")).unwrap()
}

fn code(which: u8) -> whence_events::ReferralCode {
    ["ada", "bob", "eve"][usize::from(which % 3)].parse().unwrap()
}

fn snapshot() -> AttributionCaptured {
    AttributionCaptured {
        first_referrer_url: None,
        referrer_domain: None,
        first_landing_page: None,
        utm_source: None,
        utm_medium: None,
        utm_campaign: None,
        utm_term: None,
        utm_content: None,
        click_ids: ClickIds::default(),
        acquired_via_creator_id: None,
        registration_device: None,
        registration_country: None,
        touch_id: None,
        touched_at: None,
        consent: Consent::Unknown,
        rules_version: 1,
        referrer_site: None,
        said_by_client: false,
    }
}
