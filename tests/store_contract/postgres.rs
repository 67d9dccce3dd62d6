//! The log in Postgres: the contract.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use whence::clock::Clock;
use whence::postgres::PostgresUrl;
use whence::store::{EventStore, PostgresOpenError, PostgresStore};
use whence_events::Mac;

use crate::database::{self, Database};
use crate::{Backend, contract};

/// A log in a database of its own.
#[derive(Default)]
pub(crate) struct Postgres {
    database: OnceCell<Database>,
}

pub(crate) const FINGERPRINT: Mac = Mac([7; 16]);

impl Postgres {
    pub(crate) async fn url(&self) -> &str {
        self.database.get_or_init(database::database).await.url()
    }

    pub(crate) async fn try_open(
        &self,
        fingerprint: Mac,
    ) -> Result<PostgresStore, PostgresOpenError> {
        open(self.url().await, fingerprint).await
    }
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: the URL is well formed")]
pub(crate) async fn open(url: &str, fingerprint: Mac) -> Result<PostgresStore, PostgresOpenError> {
    let url = PostgresUrl::parse(url).unwrap();
    PostgresStore::open(&url, fingerprint, Clock::system()).await
}

#[async_trait]
impl Backend for Postgres {
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no store, no test")]
    async fn open(&self) -> Arc<dyn EventStore> {
        Arc::new(self.try_open(FINGERPRINT).await.unwrap())
    }
}

contract!(Postgres::default());
