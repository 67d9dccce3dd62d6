//! The log in KurrentDB: in a double, or, when `WHENCE_TEST_KURRENTDB_URL` is set, in a real server. What
//! is in that already stays, and so does what the cases add; nobody else may write to it meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use whence::infra::clock::Clock;
use whence::store::{
    EventStore, KeyPut, KeyRecord, KeyStore, KurrentOpenError, KurrentStore, NewKey, StoreError,
};
use whence_events::{Position, StreamId};

use crate::contract::{Backend, contract};
use whence_test_support::kurrentdb_double::Double;

/// A log in a double, or in the server that was given.
pub(crate) struct Kurrent {
    pub(crate) double: Option<Double>,
    pub(crate) url: String,
    pub(crate) keys: Arc<MemoryKeys>,
    start: OnceLock<Position>,
}

impl Kurrent {
    /// For what every backend promises.
    #[expect(clippy::disallowed_methods, reason = "a real server is somebody's decision")]
    async fn any() -> Self {
        match std::env::var("WHENCE_TEST_KURRENTDB_URL") {
            Ok(url) => {
                let (keys, start) = (Arc::default(), OnceLock::new());
                Self { double: None, url, keys, start }
            }
            Err(_) => Self::single().await,
        }
    }

    /// A double with one node.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no port, no test")]
    pub(crate) async fn single() -> Self {
        Self::of(Double::single().await.unwrap())
    }

    /// A double with three nodes.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no port, no test")]
    pub(crate) async fn cluster() -> Self {
        Self::of(Double::cluster().await.unwrap())
    }

    fn of(double: Double) -> Self {
        double.be_prompt();
        let url = double.url();
        Self { double: Some(double), url, keys: Arc::default(), start: OnceLock::new() }
    }

    /// The double, to tell it what to do.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: only `any` may have none")]
    pub(crate) fn double(&mut self) -> &mut Double {
        self.double.as_mut().unwrap()
    }

    pub(crate) async fn try_open(&self, clock: &Clock) -> Result<KurrentStore, KurrentOpenError> {
        KurrentStore::open(&self.url, self.keys.clone(), clock).await
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

    fn start(&self) -> Position {
        self.start.get().copied().unwrap_or(0)
    }
}

contract!(Kurrent::any().await);

/// A vault in memory.
#[derive(Default)]
pub(crate) struct MemoryKeys(Mutex<Keys>);

/// By subject and generation; `None`: destroyed.
type Keys = BTreeMap<(String, u32), Option<Vec<u8>>>;

impl MemoryKeys {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyStore for MemoryKeys {
    async fn put(&self, subject: &StreamId, key: &NewKey) -> Result<KeyPut, StoreError> {
        let mut keys = self.keys();
        let place = keys.entry((subject.to_string(), key.generation));
        let there = place.or_insert_with(|| Some(key.wrapped.clone()));
        let same = there.as_ref() == Some(&key.wrapped);
        Ok(if same { KeyPut::Stored } else { KeyPut::Taken })
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        let keys = self.keys();
        let name = subject.to_string();
        let of_subject = keys.range((name.clone(), 0)..=(name, u32::MAX));
        Ok(of_subject.last().map(|((_, generation), wrapped)| KeyRecord {
            generation: *generation,
            wrapped: wrapped.clone(),
        }))
    }

    async fn destroy_key(&self, subject: &StreamId) -> Result<(), StoreError> {
        let mut keys = self.keys();
        let name = subject.to_string();
        keys.range_mut((name.clone(), 0)..=(name, u32::MAX)).for_each(|(_, key)| *key = None);
        Ok(())
    }
}
