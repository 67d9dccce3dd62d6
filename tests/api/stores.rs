//! Where a server of a test keeps its data: in one of three stores, chosen by the test that runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "the modules of one binary")]

#[cfg(feature = "kurrentdb")]
mod kurrentdb;
mod postgres;
mod sqlite;

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;

use whence::infra::clock::Clock;
pub(crate) use whence_test_macros::on_every_store;

/// A store that the service runs over.
#[derive(Clone, Copy, Debug)]
pub enum Store {
    Sqlite,
    Postgres,
    #[cfg(feature = "kurrentdb")]
    KurrentDb,
}

tokio::task_local! {
    static STORE: Store;
}

/// Runs a test whose servers keep their data in a store.
pub async fn on(store: Store, test: impl Future<Output = ()>) {
    let mut test = pin!(STORE.scope(store, test));
    // Each store meets the same inline snapshots, which is not what insta takes it for, a loop.
    poll_fn(|context| insta::allow_duplicates! { test.as_mut().poll(context) }).await;
}

/// What is there before a server starts and after it stopped.
pub enum Home {
    Sqlite(sqlite::Home),
    Postgres(postgres::Home),
    #[cfg(feature = "kurrentdb")]
    KurrentDb(kurrentdb::Home),
}

impl Home {
    /// Makes an empty one in the store of the test that runs.
    pub async fn new() -> Self {
        match STORE.get() {
            Store::Sqlite => Self::sqlite(),
            Store::Postgres => Self::Postgres(postgres::Home::new().await),
            #[cfg(feature = "kurrentdb")]
            Store::KurrentDb => Self::KurrentDb(kurrentdb::Home::new().await),
        }
    }

    /// Makes an empty one in SQLite, whatever test runs.
    pub fn sqlite() -> Self {
        Self::Sqlite(sqlite::Home::new())
    }

    /// The directory of a home in SQLite.
    #[track_caller]
    pub fn path(&self) -> &Path {
        match self {
            Self::Sqlite(home) => home.path(),
            Self::Postgres(_) => panic!("only SQLite keeps its data in a directory of the test"),
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(_) => panic!("only SQLite keeps its data in a directory of the test"),
        }
    }

    /// Flags that make a server live here, beside those of a test. What is stored is stamped with the
    /// time of this clock, or of the server's, which is the same one.
    #[cfg_attr(not(feature = "kurrentdb"), expect(unused_variables, reason = "it has a clock"))]
    pub fn flags(&self, clock: &Clock, given: &[&str]) -> Vec<String> {
        match self {
            Self::Sqlite(home) => home.flags(),
            Self::Postgres(home) => home.flags(given),
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(home) => home.flags(clock, given),
        }
    }

    /// All that is stored of log, keys and read models, as an attacker would find it: names and bytes.
    pub async fn stored(&self) -> Vec<(String, Vec<u8>)> {
        match self {
            Self::Sqlite(home) => home.stored(),
            Self::Postgres(home) => home.stored().await,
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(home) => home.stored().await,
        }
    }
}
