//! The log in KurrentDB: in a double, or, when `WHENCE_TEST_KURRENTDB_URL` is set, in a real server. What
//! is in that already stays, and so does what the cases add; nobody else may write to it meanwhile.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use whence::infra::clock::Clock;
use whence::infra::postgres::PostgresUrl;
use whence::store::{EventStore, KurrentOpenError, KurrentStore, PostgresVault};
use whence_events::Position;

use crate::contract::postgres::FINGERPRINT;
use crate::contract::{Backend, contract};
use whence_test_support::kurrentdb_double::Double;
use whence_test_support::postgres::{self as database, Database};

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
