//! The log in KurrentDB, through its official client.
//!
//! A stream of whence is a stream of the server, whose name has a prefix. A position is that of the
//! record in the server's own log: it grows with each event, and leaves gaps. Any number of appends
//! are on their way at once; the server decides between those on one stream. The tail of this process
//! is one subscription, which the supervisor keeps alive together with the client.
//!
//! Other applications may write to the same server, and nothing here costs more the more they write:
//! the log is read from its beginning, from a known position, or from where the tail is, and never
//! backwards over what others wrote.

mod append;
mod beginning;
mod diagnosis;
mod error;
mod examine;
mod foreign;
mod link;
mod look;
mod names;
mod packets;
mod read;
mod record;
mod settings;
mod tail;
mod transfer;
mod trouble_log;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use whence_events::{EventId, Position, Recorded, StreamId, Version};

use super::{
    Append, Appended, Batch, EventStore, ForeignEvent, KeyPlace, KeyRecord, Page, PostgresVault,
    StoreError, StoredKey, VaultChange,
};
use crate::infra::clock::Clock;
use crate::infra::errors::with_causes;
use crate::infra::keys::VaultState;
use append::{Appender, InFlight};
use beginning::Beginning;
pub use error::KurrentOpenError;
pub(super) use examine::examine;
use foreign::ForeignEvents;
use link::{Link, OPEN_TIMEOUT, Opened};
use names::Names;
pub use names::PrefixError;
pub use settings::KurrentUrl;
use tail::Tail;
pub(super) use transfer::KurrentTransfer;

/// The pause before another attempt to store what was found of others.
const SAVE_PAUSE: Duration = Duration::from_secs(1);

/// How often the clock of the vault's server is asked: it stands in for one of KurrentDB, which only
/// tells the time when an event is appended.
const TIME_INTERVAL: Duration = Duration::from_secs(5);

/// A log in KurrentDB, and its vault in Postgres.
pub struct KurrentStore {
    log: Arc<Log>,
    vault: PostgresVault,
    in_flight: InFlight,
    clock: Clock,
    tasks: Vec<AbortHandle>,
}

/// The log: how it is reached and what is known of it.
struct Log {
    link: Link,
    names: Names,
    beginning: Beginning,
    foreign: ForeignEvents,
    tail: Tail,
}

impl Log {
    /// Returns a log of which nothing is known but where the server's log ends.
    fn ending_at(link: Link, names: Names, end: Position, clock: Clock) -> Self {
        let (beginning, foreign) = (Beginning::default(), ForeignEvents::default());
        Self { link, names, beginning, foreign, tail: Tail::new(end, clock) }
    }
}

impl KurrentStore {
    /// Opens the log that a connection string names, `kurrentdb://host:port?...`, for a service. KurrentDB
    /// cannot erase, so the subject keys are in `vault`.
    pub async fn open(
        url: &str,
        vault: PostgresVault,
        clock: &Clock,
    ) -> Result<Self, KurrentOpenError> {
        let mut store = Self::open_to_read(url, vault, clock).await?;
        let saving = tokio::spawn(save(store.log.clone(), store.vault.clone()));
        store.tasks.push(saving.abort_handle());
        store.compare_clocks().await.map_err(KurrentOpenError::Vault)?;
        Ok(store)
    }

    /// Opens the log for a command that reads it. What it finds of others is not stored.
    pub async fn open_to_read(
        url: &str,
        vault: PostgresVault,
        clock: &Clock,
    ) -> Result<Self, KurrentOpenError> {
        let (settings, names) = settings::parse(url)?;
        let opened = match Box::pin(Link::open(settings.clone(), OPEN_TIMEOUT)).await {
            Ok(opened) => opened,
            Err(failure) => {
                let diagnosis = Box::pin(diagnosis::diagnose(&settings, &failure)).await;
                let cause = diagnosis.sentence().into();
                let hosts = settings::hosts(&settings);
                return Err(KurrentOpenError::Unreachable { hosts, cause });
            }
        };
        let Opened { link, first, last } = opened;
        if let Some(last) = &last {
            clock.raise(record::created(last.get_original_event()));
        }
        let end = last.as_ref().and_then(record::position).unwrap_or(0);
        let log = Arc::new(Log::ending_at(link, names, end, clock.clone()));
        log.foreign.remember(vault.foreign_events().await.map_err(KurrentOpenError::Vault)?);
        let supervisor = tokio::spawn({
            let log = log.clone();
            async move { log.link.supervise(first, &log).await }
        });
        let tasks = vec![supervisor.abort_handle()];
        Ok(Self { log, vault, in_flight: InFlight::default(), clock: clock.clone(), tasks })
    }

    /// Asks the server of the vault for its time, now and from now on.
    async fn compare_clocks(&mut self) -> Result<(), StoreError> {
        self.clock.compare(self.vault.server_time().await?);
        let (vault, clock) = (self.vault.clone(), self.clock.clone());
        let comparing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TIME_INTERVAL).await;
                // Without an answer the last one goes on by the monotonic clock.
                if let Ok(time) = vault.server_time().await {
                    clock.compare(time);
                }
            }
        });
        self.tasks.push(comparing.abort_handle());
        Ok(())
    }
}

/// Stores what is found of others, without end.
async fn save(log: Arc<Log>, vault: PostgresVault) {
    loop {
        log.foreign.more().await;
        while let Err(error) = log.foreign.save(&vault).await {
            tracing::warn!(error = %with_causes(&error), "a foreign event is not on record yet");
            tokio::time::sleep(SAVE_PAUSE).await;
        }
    }
}

impl Drop for KurrentStore {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

#[async_trait]
impl EventStore for KurrentStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.clock.check()?;
        let Self { log, vault, in_flight, .. } = self;
        Appender { log, vault, in_flight }.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        read::stream(&self.log, stream, from, limit).await.map_err(StoreError::unavailable)
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        read::all(&self.log, after, limit).await.map_err(StoreError::unavailable)
    }

    async fn read_page(&self, after: Position, limit: usize) -> Result<Page, StoreError> {
        read::page(&self.log, after, limit).await.map_err(StoreError::unavailable)
    }

    async fn head(&self) -> Result<Position, StoreError> {
        read::head(&self.log).await.map_err(StoreError::unavailable)
    }

    async fn event_at(&self, position: Position) -> Result<Option<EventId>, StoreError> {
        read::event_at(&self.log.link, position).await.map_err(StoreError::unavailable)
    }

    async fn read_at(&self, position: Position) -> Result<Option<Recorded>, StoreError> {
        read::read_at(&self.log, position).await.map_err(StoreError::unavailable)
    }

    fn is_current(&self) -> bool {
        self.log.link.is_current()
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        self.log.tail.subscribe()
    }

    fn foreign_in(&self, stream: &StreamId) -> Option<ForeignEvent> {
        self.log.foreign.in_stream(stream)
    }

    fn foreign_events(&self) -> Vec<ForeignEvent> {
        self.log.foreign.all()
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.vault.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId, up_to: Option<u32>) -> Result<(), StoreError> {
        self.vault.destroy_key(subject, up_to).await
    }

    async fn vault_state(&self) -> Result<VaultState, StoreError> {
        self.vault.state().await
    }

    async fn vault_keys(
        &self,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.vault.keys(after, limit).await
    }

    async fn change_vault(&self, change: VaultChange) -> Result<(), StoreError> {
        self.vault.change(change).await
    }
}
