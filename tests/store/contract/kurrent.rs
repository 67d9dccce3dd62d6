//! The log in KurrentDB: in a double, or, when `WHENCE_TEST_KURRENTDB_URL` is set, in a real server. What
//! is in that already stays, and so does what the cases add; nobody else may write to it meanwhile.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;
use whence::infra::clock::Clock;
use whence::infra::postgres::PostgresUrl;
use whence::store::{Batch, EventStore, KurrentOpenError, KurrentStore, PostgresVault};
use whence_events::{Position, Recorded, StreamId};

use crate::contract::postgres::FINGERPRINT;
use crate::contract::{Backend, contract};
use whence_test_support::kurrentdb_double::Double;
use whence_test_support::postgres::{self as database, Database};

/// Far longer than anything here may take: reached, it is as good as never.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// The name of a stream on the server.
pub(crate) fn named(stream: &StreamId) -> String {
    format!("whence.{stream}")
}

/// Waits until it is so.
#[expect(clippy::unwrap_used, reason = "a helper of tests: what never comes fails the test")]
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, wait).await.unwrap();
}

/// Returns the events that the tail has sent by now, of which it waits for so many, and checks that it
/// left no gap.
#[expect(clippy::unwrap_used, reason = "a helper of tests: what never comes fails the test")]
pub(crate) async fn heard(tail: &mut Receiver<Batch>, at_least: usize) -> Vec<Recorded> {
    let (mut events, mut covered) = (vec![], None);
    loop {
        let batch = match tail.try_recv() {
            Ok(batch) => batch,
            Err(_) if events.len() >= at_least => return events,
            Err(_) => timeout(LIMIT, tail.recv()).await.unwrap().unwrap(),
        };
        assert!(covered.is_none_or(|covered| covered == batch.after));
        assert!(batch.events.iter().all(|event| event.position <= batch.upto));
        covered = Some(batch.upto);
        events.extend(batch.events.iter().cloned());
    }
}

/// A log in a double, or in the server that was given, with a vault in a database of its own.
pub(crate) struct Kurrent {
    pub(crate) double: Option<Double>,
    pub(crate) url: String,
    pub(crate) vault: PostgresVault,
    _database: Database,
    start: OnceLock<Position>,
}

impl Kurrent {
    /// For what every backend promises.
    #[expect(clippy::disallowed_methods, reason = "a real server is somebody's decision")]
    async fn any() -> Self {
        match std::env::var("WHENCE_TEST_KURRENTDB_URL") {
            Ok(url) => Self::new(None, url).await,
            Err(_) => Self::single().await,
        }
    }

    /// A double with one node.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no port, no test")]
    pub(crate) async fn single() -> Self {
        Self::of(Double::single().await.unwrap()).await
    }

    /// A double with three nodes.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no port, no test")]
    pub(crate) async fn cluster() -> Self {
        Self::of(Double::cluster().await.unwrap()).await
    }

    async fn of(double: Double) -> Self {
        let url = double.url();
        Self::new(Some(double), url).await
    }

    #[expect(clippy::unwrap_used, reason = "a helper of tests: no vault, no test")]
    async fn new(double: Option<Double>, url: String) -> Self {
        let database = database::database().await;
        let beside = PostgresUrl::parse(database.url()).unwrap();
        let vault = PostgresVault::open(&beside, FINGERPRINT, Clock::system()).await.unwrap();
        Self { double, url, vault, _database: database, start: OnceLock::new() }
    }

    /// The double, to tell it what to do.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: only `any` may have none")]
    pub(crate) fn double(&mut self) -> &mut Double {
        self.double.as_mut().unwrap()
    }

    pub(crate) async fn try_open(&self, clock: &Clock) -> Result<KurrentStore, KurrentOpenError> {
        KurrentStore::open(&self.url, self.vault.clone(), clock).await
    }
}

#[async_trait]
impl Backend for Kurrent {
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no store, no test")]
    async fn open(&self) -> Arc<dyn EventStore> {
        let store = self.try_open(&Clock::system()).await.unwrap();
        if self.start.get().is_none() {
            let head = store.head().await.unwrap();
            self.start.get_or_init(|| head);
        }
        Arc::new(store)
    }

    fn dense(&self) -> bool {
        false
    }

    fn keeps_keys_with_events(&self) -> bool {
        false
    }

    fn start(&self) -> Position {
        self.start.get().copied().unwrap_or(0)
    }
}

contract!(Kurrent::any().await);
