//! The calls of the store that a login makes: each costs a round trip where the log is on a server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use whence::store::{Append, Appended, EventStore, KeyRecord, Leaves, StoreError};
use whence_events::{EventId, Position, Recorded, StreamId, Version};
use whence_test_macros::passes_on;

use crate::server::{Server, until};
use crate::stores::on_every_store;

/// A store that lists the calls that are made of it.
struct Counting {
    inner: Arc<dyn EventStore>,
    calls: Calls,
}

/// The list, which is read from outside.
#[derive(Clone, Default)]
struct Calls {
    made: Arc<Mutex<Vec<String>>>,
    /// Whether the last page of the log was empty: from then on the runner lives on the tail.
    at_end: Arc<AtomicBool>,
}

impl Calls {
    fn wrap(&self) -> impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore> + use<> {
        let calls = self.clone();
        move |inner| Arc::new(Counting { inner, calls })
    }

    fn add(&self, call: impl Into<String>) {
        self.made.lock().unwrap().push(call.into());
    }

    /// Takes the calls since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.made.lock().unwrap())
    }

    fn has(&self, call: &str) -> bool {
        self.made.lock().unwrap().iter().any(|made| made == call)
    }
}

/// The family of a stream: what its name begins with.
fn family(stream: &StreamId) -> String {
    let name = stream.to_string();
    name.split_once('-').map_or(name.clone(), |(family, _)| family.to_owned())
}

#[passes_on(whence::store)]
#[async_trait]
impl EventStore for Counting {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.calls.add(format!("append {}", append.events[0].event.event_type()));
        self.inner.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.calls.add(format!("read {}", family(stream)));
        self.inner.read_stream(stream, from, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.calls.add("read all");
        let events = self.inner.read_all(after, limit).await?;
        self.calls.at_end.store(events.is_empty(), Ordering::SeqCst);
        Ok(events)
    }

    async fn read_leaves(&self, after: Position, limit: usize) -> Result<Leaves, StoreError> {
        self.calls.add(format!("read {limit} leaves"));
        self.inner.read_leaves(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.calls.add("head");
        self.inner.head().await
    }

    async fn event_at(&self, position: Position) -> Result<Option<EventId>, StoreError> {
        self.calls.add("event at");
        self.inner.event_at(position).await
    }

    async fn read_at(&self, position: Position) -> Result<Option<Recorded>, StoreError> {
        self.calls.add("read at");
        self.inner.read_at(position).await
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.calls.add(format!("key of {}", family(subject)));
        self.inner.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId, up_to: Option<u32>) -> Result<(), StoreError> {
        self.calls.add(format!("destroy {}", family(subject)));
        self.inner.destroy_key(subject, up_to).await
    }
}

/// Two logins: the first registers.
struct Logins {
    server: Server,
    calls: Calls,
    first: Vec<String>,
}

impl Logins {
    async fn first() -> Self {
        let calls = Calls::default();
        let server = Server::over(&[], calls.wrap()).await;
        // What the runner reads at its start.
        server.settle().await;
        until("the runner is at the end", async || calls.at_end.load(Ordering::SeqCst)).await;
        calls.take();
        server.signed_in("ada@example.com").await;
        until("ada is welcomed", async || calls.has("append WelcomeEmailSent.v1")).await;
        let first = calls.take();
        Self { server, calls, first }
    }
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_login_with_its_onboarding_reads_once() {
    let logins = Logins::first().await;
    let expected = [
        "read mailbox",
        "append LoginStarted.v1",
        "append CodeVerified.v1",
        "append UserRegistered.v1",
        "append NameReserved.v1",
        "append ReferralCodeIssued.v1",
        "append SubscriptionProvisioned.v1",
        "append WelcomeEmailSent.v1",
    ];
    assert_eq!(logins.first, expected);
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_login_only_appends() {
    let Logins { server, calls, .. } = Logins::first().await;
    let expected = ["append LoginStarted.v1", "append CodeVerified.v1", "append SessionOpened.v1"];
    for _ in 0..4 {
        server.signed_in("ada@example.com").await;
        assert_eq!(calls.take(), expected);
    }
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn a_referred_login_reads_the_account_of_the_referrer_once() {
    let Logins { server, calls, .. } = Logins::first().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    let mut bob = server.browser();
    bob.cookies.insert("ref_code".to_owned(), code);
    calls.take();
    server.log_in(&mut bob, "bob@example.com").await;
    let expected = [
        "read mailbox",
        "append LoginStarted.v1",
        "append CodeVerified.v1",
        // Whose the code is can change no more; whether it counts can.
        "read user",
        "append UserRegistered.v1",
    ];
    assert_eq!(calls.take()[..5], expected);
    assert!(server.types().await.contains(&"ReferralAttributed.v1".to_owned()));
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn a_touch_with_a_known_code_only_appends() {
    let Logins { server, calls, .. } = Logins::first().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    calls.take();
    assert_eq!(server.browser().get(&format!("/r/{code}")).await.status, 302);
    until("the touch is recorded", async || calls.has("append TouchRecorded.v2")).await;
    assert_eq!(calls.take(), ["append TouchRecorded.v2"]);
}

#[on_every_store(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_reads_one_event() {
    let Logins { server, calls, .. } = Logins::first().await;
    server.settle().await;
    let log = server.log().await;
    calls.take();
    for event in &log[..3] {
        let path = format!("/v1/log/proof?position={}&size={}", event.position, log.len());
        assert_eq!(server.browser().get(&path).await.status, 200);
        assert_eq!(calls.take(), ["read at"]);
    }
}
