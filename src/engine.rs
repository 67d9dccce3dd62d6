//! An opened log with everything that works on it: keys, vault, commands and read models.
//!
//! The service and the commands that work on a log without a service both stand on one [`Engine`].

pub mod copy;
pub mod handler;
pub mod log_config;
pub mod pass;
pub mod progress;
pub mod proof;
pub mod rebuild;
pub mod runner;
pub mod vault;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use whence_events::{
    EmailAddress, EmailKey, Event, MailboxEvent, Position, Recorded, StreamId, TouchId, UserId,
    Version,
};
use whence_projections::{ProjectError, ProjectorPosition, QueryError, ReadDb};

use crate::domain::mailbox::Mailbox;
use crate::infra::clock::Clock;
use crate::infra::keys::Keys;
use crate::store::{EventStore, SqliteOpenError, StoreError};
use handler::Handler;
use log_config::LogConfig;
use vault::Vault;

/// Events read at a time.
pub(crate) const PAGE: usize = 1000;

/// An opened log, its personal data, its commands and its read models.
#[derive(Clone)]
pub struct Engine {
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// Seals and opens personal data.
    pub vault: Arc<Vault>,
    /// Runs commands.
    pub handler: Arc<Handler>,
    /// The read models.
    pub read_db: Arc<ReadDb>,
    /// The keys that derive from the master key of the log.
    pub keys: Arc<Keys>,
}

impl Engine {
    /// Puts an engine together over an open log and its read models.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, read_db: Arc<ReadDb>, keys: Keys, clock: Clock) -> Self {
        let vault = Arc::new(Vault::new(store.clone(), keys.wrapping.clone()));
        let handler = Arc::new(Handler::new(store.clone(), vault.clone(), clock));
        Self { store, vault, handler, read_db, keys: Arc::new(keys) }
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
        Ok(Self::new(store, read_db, config.keys(), clock))
    }

    /// Brings the read models up to the end of the log, unless a service does that already.
    pub async fn project(&self) -> anyhow::Result<()> {
        if !self.read_db.claim_writer().await? {
            return Ok(());
        }
        let mut after = lowest(&self.read_db).await?;
        loop {
            let page = self.store.read_all(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            let applied = self.read_db.apply_after(after, &page).await;
            match applied {
                // Another process took over meanwhile, and does it.
                Err(ProjectError::NotWriter) => return Ok(()),
                applied => applied.context("the read models do not follow")?,
            }
            after = last.position;
        }
    }

    /// All events of a stream.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn stream(&self, stream: &StreamId) -> Result<Vec<Recorded>, StoreError> {
        let mut events = vec![];
        loop {
            let from = events.len() as Version;
            let page = self.store.read_stream(stream, from, PAGE).await?;
            let is_last = page.len() < PAGE;
            events.extend(page);
            if is_last {
                return Ok(events);
            }
        }
    }

    /// Shows every event behind a position to `see`, in order.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn scan(
        &self,
        mut after: Position,
        mut see: impl FnMut(&Recorded),
    ) -> Result<(), StoreError> {
        loop {
            let page = self.store.read_all(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.position;
            page.iter().for_each(&mut see);
            // Reads of an embedded log wait for nothing: others are to have their turn.
            tokio::task::yield_now().await;
        }
    }

    /// Every recorded touch of a visitor, by their first one, which may itself not be recorded. The
    /// tables say which, and the log says it of what is not in the tables yet: a service that runs is
    /// up with its log, so that this is a look or two.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn touches_of(&self, first: TouchId) -> Result<BTreeSet<TouchId>, StoreError> {
        // Tables of another version, or none: then the whole log is read.
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

    /// The touches with these ids, and all others of the visitor who made them.
    ///
    /// # Errors
    /// When the store does not answer.
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

    /// The user behind an address: whose it is, or whose it was when they were erased.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn user_of(&self, email: &EmailAddress) -> Result<Option<UserId>, StoreError> {
        let mut user = None;
        // Event by event, for one of a newer version must not keep anybody from asking.
        for recorded in self.stream(&StreamId::Mailbox(self.keys.email_key(email))).await? {
            if let Event::Mailbox(MailboxEvent::MailboxClaimed(claimed)) = recorded.event {
                user = Some(claimed.user_id);
            }
        }
        Ok(user)
    }

    /// An address, as the log knows it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn mailbox(&self, key: EmailKey) -> Result<Arc<Mailbox>, StoreError> {
        Ok(self.handler.load::<Mailbox>(&StreamId::Mailbox(key)).await?.state)
    }

    async fn projected_touches(
        &self,
        first: TouchId,
    ) -> Result<(Position, Vec<TouchId>), TablesError> {
        // First how far they are: rows that come after that are found twice, none is missed.
        let position = lowest(&self.read_db).await?;
        Ok((position, self.read_db.later_touches(first).await?))
    }
}

#[derive(Debug, thiserror::Error)]
enum TablesError {
    #[error(transparent)]
    Checkpoints(#[from] ProjectError),
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// How far all of the tables are.
async fn lowest(read_db: &ReadDb) -> Result<Position, ProjectError> {
    Ok(ProjectorPosition::lowest(&read_db.positions().await?))
}
