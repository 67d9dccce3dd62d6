//! An opened log with everything that works on it: keys, vault, commands and read models.
//!
//! The service and the commands that work on a log without a service both stand on one [`Engine`].

pub mod copy;
pub mod handler;
pub mod log_config;
pub(crate) mod log_pages;
pub mod pass;
pub mod progress;
pub mod proof;
pub mod rebuild;
pub mod runner;
pub mod service_keys;
pub mod vault;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use whence_events::{
    EmailAddress, EmailKey, Event, MailboxEvent, Position, Recorded, StreamId, TouchId, UserId,
};
use whence_projections::{ProjectError, QueryError, ReadDb};

use crate::domain::mailbox::Mailbox;
use crate::infra::clock::Clock;
use crate::infra::keys::Keys;
use crate::infra::security::SecurityLog;
use crate::store::{EventStore, SqliteOpenError, StoreError};
use handler::Handler;
use log_config::LogConfig;
use log_pages::LogPages;
pub(crate) use log_pages::PAGE;
use progress::lowest_position;
use vault::Vault;

/// An opened log with its vault, its commands, its read models and its keys.
#[derive(Clone)]
pub struct Engine {
    /// The store that keeps the log.
    pub store: Arc<dyn EventStore>,
    /// Seals and opens personal data.
    pub vault: Arc<Vault>,
    /// Runs commands and appends what they decide.
    pub handler: Arc<Handler>,
    /// The database of the read models.
    pub read_db: Arc<ReadDb>,
    /// The keys that derive from the master key of the log.
    pub keys: Arc<Keys>,
    /// What operators may have to act on.
    pub security: Arc<SecurityLog>,
}

impl Engine {
    /// Returns an engine over an open log and its read models.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, read_db: Arc<ReadDb>, keys: Keys, clock: Clock) -> Self {
        let vault = Arc::new(Vault::new(store.clone(), keys.wrapping.clone()));
        let handler = Arc::new(Handler::new(store.clone(), vault.clone(), clock));
        let security = handler.security().clone();
        Self { store, vault, handler, read_db, keys: Arc::new(keys), security }
    }

    /// Opens a log for appending, and its read models, for a command that runs without a service.
    /// When a service has the log open, the error says how to ask that service.
    pub async fn open(config: &LogConfig) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let store = match config.open(clock.clone()).await {
            Err(error) if matches!(error.downcast_ref(), Some(SqliteOpenError::InUse(_))) => {
                let how = "ask the service that runs on it, with --server URL and --admin-token \
                           TOKEN, or stop it";
                anyhow::bail!("{error}: {how}");
            }
            opened => opened?,
        };
        let read_db = Arc::new(config.open_read_db().await?);
        let keys = config.load_keys(&*store, clock.now()).await?;
        Ok(Self::new(store, read_db, keys, clock))
    }

    /// Brings the read models up to the end of the log, unless a service does that already.
    pub async fn project(&self) -> anyhow::Result<()> {
        if !self.read_db.claim_writer().await? {
            return Ok(());
        }
        let mut after = lowest_position(&self.read_db).await?;
        let mut pages = LogPages::new(&*self.store, after, PAGE);
        while let Some(page) = pages.next().await? {
            match self.read_db.apply_after(after, &page).await {
                // Another process has become the writer meanwhile, and does it.
                Err(ProjectError::NotWriter) => return Ok(()),
                applied => applied.context("the read models do not follow")?,
            }
            after = pages.after();
        }
        Ok(())
    }

    /// Reads all events of a stream.
    pub async fn stream(&self, stream: &StreamId) -> Result<Vec<Recorded>, StoreError> {
        let mut events = vec![];
        loop {
            // Not the number of events: where others have cut a stream, some are missing.
            let from = events.last().map_or(0, |last: &Recorded| last.version + 1);
            let page = self.store.read_stream(stream, from, PAGE).await?;
            let is_last = page.len() < PAGE;
            events.extend(page);
            if is_last {
                return Ok(events);
            }
        }
    }

    /// Calls `visit` with every event after a position, in the order of the log.
    pub async fn scan(
        &self,
        after: Position,
        mut visit: impl FnMut(&Recorded),
    ) -> Result<(), StoreError> {
        let mut pages = LogPages::new(&*self.store, after, PAGE);
        while let Some(page) = pages.next().await? {
            page.iter().for_each(&mut visit);
        }
        Ok(())
    }

    /// Returns every recorded touch of a visitor, given their first one, which may itself not be
    /// recorded.
    ///
    /// The touches come from the read models, and from the log those that are not in the read models
    /// yet. While a service runs these are few, so that one or two reads find them.
    pub async fn touches_of(&self, first: TouchId) -> Result<BTreeSet<TouchId>, StoreError> {
        // Where there are no read models, or those of another version, the whole log is read.
        let (after, known) = self.projected_touches(first).await.unwrap_or_default();
        let mut touches: BTreeSet<_> = known.into_iter().chain([first]).collect();
        self.scan(after, |recorded| {
            if let (StreamId::Touch(touch_id), Event::Touch(touch)) =
                (&recorded.stream, &recorded.event)
                && touch.touch().first_touch_id == Some(first)
            {
                touches.insert(*touch_id);
            }
        })
        .await?;
        Ok(touches)
    }

    /// Returns the touches with these ids, and all others of the visitors who made them.
    pub async fn touches_of_visitor(
        &self,
        named: &BTreeSet<TouchId>,
    ) -> Result<BTreeSet<TouchId>, StoreError> {
        let mut first = named.clone();
        for touch in named {
            for recorded in self.stream(&StreamId::Touch(*touch)).await? {
                if let Event::Touch(touch) = &recorded.event {
                    first.extend(touch.touch().first_touch_id);
                }
            }
        }
        let mut all = BTreeSet::new();
        for touch in first {
            all.extend(self.touches_of(touch).await?);
        }
        Ok(all)
    }

    /// Returns the user whose address this is, or was before the user was erased.
    pub async fn user_of(&self, email: &EmailAddress) -> Result<Option<UserId>, StoreError> {
        let mut user = None;
        // Read event by event, because one of a newer version must not make this fail.
        for recorded in self.stream(&StreamId::Mailbox(self.keys.email_key(email))).await? {
            if let Event::Mailbox(MailboxEvent::MailboxClaimed(claimed)) = recorded.event {
                user = Some(claimed.user_id);
            }
        }
        Ok(user)
    }

    /// Returns the state of an address, folded from the log.
    pub async fn mailbox(&self, key: EmailKey) -> Result<Arc<Mailbox>, StoreError> {
        Ok(self.handler.load::<Mailbox>(&StreamId::Mailbox(key)).await?.state)
    }

    /// Returns the touches of a visitor that the read models hold, and the position they are at.
    async fn projected_touches(
        &self,
        first: TouchId,
    ) -> Result<(Position, Vec<TouchId>), ReadModelsError> {
        // The position comes first: rows that are added after it are found twice, none is missed.
        let position = lowest_position(&self.read_db).await?;
        Ok((position, self.read_db.later_touches(first).await?))
    }
}

/// Why the read models do not answer.
#[derive(Debug, thiserror::Error)]
enum ReadModelsError {
    #[error(transparent)]
    Positions(#[from] ProjectError),
    #[error(transparent)]
    Query(#[from] QueryError),
}
