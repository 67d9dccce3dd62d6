//! The log, its keys and its commands, as operators work on them: with a service around them or
//! without one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use whence_events::{
    EmailAddress, EmailKey, Event, MailboxEvent, Position, Recorded, StreamId, TouchId, UserId,
    Version,
};
use whence_projections::{ProjectError, ProjectorPosition, QueryError, ReadDb};

use crate::clock::Clock;
use crate::config::LogConfig;
use crate::domain::mailbox::Mailbox;
use crate::handle::Handler;
use crate::proof::keeper::{Keeper, Keeping};
use crate::proof::{Checkpoint, Signer, directory};
use crate::secrets::Keys;
use crate::store::{EventStore, OpenError, StoreError};
use crate::vault::Vault;

/// Events read at a time.
pub(crate) const PAGE: usize = 1000;

/// What operators work on.
#[derive(Clone, Copy)]
pub struct Records<'a> {
    /// The log.
    pub store: &'a dyn EventStore,
    /// Personal data.
    pub vault: &'a Vault,
    /// The commands.
    pub handler: &'a Handler,
    /// The tables.
    pub reads: &'a ReadDb,
    /// What names addresses.
    pub keys: &'a Keys,
}

/// The same, opened by a command that no service helps.
pub struct OpenRecords {
    store: Arc<dyn EventStore>,
    vault: Arc<Vault>,
    handler: Handler,
    reads: Arc<ReadDb>,
    keys: Keys,
    checkpoints: Option<PathBuf>,
}

impl OpenRecords {
    /// Opens a log for appending, and its tables.
    ///
    /// # Errors
    /// One clear sentence; when a service has the log, how to ask that.
    pub async fn open(config: &LogConfig) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let store = match config.open(clock.clone()).await {
            Err(error) if matches!(error.downcast_ref(), Some(OpenError::InUse(_))) => {
                let how = "ask the service that runs on it, with --server URL and --admin-token \
                           TOKEN, or stop it";
                anyhow::bail!("{error}: {how}");
            }
            opened => opened?,
        };
        let keys = config.keys();
        let vault = Arc::new(Vault::new(store.clone(), keys.wrapping.clone()));
        let handler = Handler::new(store.clone(), vault.clone(), clock);
        let reads = Arc::new(config.open_reads().await?);
        let checkpoints = config.checkpoints().find(|directory| directory.is_dir());
        Ok(Self { store, vault, handler, reads, keys, checkpoints })
    }

    /// As the commands want them.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        let Self { store, vault, handler, reads, keys, .. } = self;
        Records { store: store.as_ref(), vault, handler, reads, keys }
    }

    /// Who signs for this log, under the name that its last checkpoint has.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn signer(&self) -> anyhow::Result<Signer> {
        let latest = match &self.checkpoints {
            Some(path) => directory::latest(path)
                .with_context(|| format!("checkpoints in {}", path.display()))?,
            None => None,
        };
        let origin =
            latest.as_deref().and_then(Checkpoint::origin_of).unwrap_or("localhost/whence");
        Ok(Signer::new(&self.keys, origin)?)
    }

    /// What signs checkpoints that contradict none before.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn keeper(&self) -> anyhow::Result<Keeper> {
        let keeping = |directory: &PathBuf| Keeping {
            directory: directory.clone(),
            events: 1,
            time: Duration::ZERO,
        };
        let keeping = self.checkpoints.as_ref().map(keeping);
        Ok(Keeper::new(self.signer()?, self.reads.clone(), keeping))
    }

    /// Brings the tables up with the log, unless a service does that.
    ///
    /// # Errors
    /// One clear sentence.
    pub async fn project(&self) -> anyhow::Result<()> {
        if !self.reads.claim_writer().await? {
            return Ok(());
        }
        let mut after = lowest(&self.reads).await?;
        loop {
            let page = self.store.read_all(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            let applied = self.reads.apply_after(after, &page).await;
            match applied {
                // Another process took over meanwhile, and does it.
                Err(ProjectError::NotWriter) => return Ok(()),
                applied => applied.context("the tables do not follow")?,
            }
            after = last.position;
        }
    }
}

impl Records<'_> {
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
        let position = lowest(self.reads).await?;
        Ok((position, self.reads.later_touches(first).await?))
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
async fn lowest(reads: &ReadDb) -> Result<Position, ProjectError> {
    Ok(ProjectorPosition::lowest(&reads.positions().await?))
}
