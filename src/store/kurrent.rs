//! The log in KurrentDB, through its official client.
//!
//! A stream of whence is a stream of the server, under the same name. A position is that of the record
//! in the server's own log: it grows with each event, and leaves gaps. Any number of appends are on
//! their way at once; the server decides between those on one stream. The tail of this process is one
//! subscription, which the supervisor keeps alive together with the client.

mod append;
mod diagnosis;
mod error;
mod examine;
mod link;
mod read;
mod record;
mod settings;
mod tail;
mod transfer;
mod trouble_log;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use whence_events::{EventId, Position, Recorded, StreamId, Version};

use super::{Append, Appended, Batch, EventStore, KeyRecord, PostgresVault, StoreError};
use crate::infra::clock::Clock;
use append::{Appender, InFlight};
pub use error::KurrentOpenError;
pub(super) use examine::examine;
use link::{Link, OPEN_TIMEOUT, Opened};
pub use settings::KurrentUrl;
use tail::Tail;
pub(super) use transfer::KurrentTransfer;

/// A log in KurrentDB, and its vault in Postgres.
pub struct KurrentStore {
    supervised: Arc<Supervised>,
    vault: PostgresVault,
    in_flight: InFlight,
    supervisor: AbortHandle,
}

/// The link and the tail, which the supervisor keeps alive.
struct Supervised {
    link: Link,
    tail: Tail,
}

impl KurrentStore {
    /// Opens the log that a connection string names, `kurrentdb://host:port?...`. KurrentDB cannot
    /// erase, so the subject keys are in `vault`.
    pub async fn open(
        url: &str,
        vault: PostgresVault,
        clock: &Clock,
    ) -> Result<Self, KurrentOpenError> {
        let settings = settings::settings(url)?;
        let opened = match Link::open(settings.clone(), OPEN_TIMEOUT).await {
            Ok(opened) => opened,
            Err(failure) => {
                let cause = diagnosis::diagnose(&settings, &failure).await.sentence().into();
                let hosts = settings::hosts(&settings);
                return Err(KurrentOpenError::Unreachable { hosts, cause });
            }
        };
        let Opened { link, first, last } = opened;
        if let Some(last) = &last {
            clock.raise(record::created(last.get_original_event()));
        }
        let head = last.as_ref().and_then(record::position).unwrap_or(0);
        let supervised = Arc::new(Supervised { link, tail: Tail::new(head) });
        let supervisor = tokio::spawn({
            let supervised = supervised.clone();
            async move { supervised.link.supervise(first, &supervised.tail).await }
        });
        let supervisor = supervisor.abort_handle();
        Ok(Self { supervised, vault, in_flight: InFlight::default(), supervisor })
    }
}

impl Drop for KurrentStore {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

#[async_trait]
impl EventStore for KurrentStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let Supervised { link, tail } = &*self.supervised;
        let in_flight = &self.in_flight;
        Appender { link, tail, vault: &self.vault, in_flight }.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let read = read::stream(&self.supervised.link, stream, from, limit);
        read.await.map_err(StoreError::unavailable)
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        read::all(&self.supervised.link, after, limit).await.map_err(StoreError::unavailable)
    }

    async fn head(&self) -> Result<Position, StoreError> {
        read::head(&self.supervised.link).await.map_err(StoreError::unavailable)
    }

    async fn event_at(&self, position: Position) -> Result<Option<EventId>, StoreError> {
        read::event_at(&self.supervised.link, position).await.map_err(StoreError::unavailable)
    }

    fn is_current(&self) -> bool {
        self.supervised.link.is_current()
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        self.supervised.tail.subscribe()
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.vault.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId) -> Result<(), StoreError> {
        self.vault.destroy_key(subject).await
    }
}
