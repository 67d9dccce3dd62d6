//! Names the log that a command works on, and opens it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use whence_events::Timestamp;
use whence_projections::ReadDb;

use crate::engine::proof::checkpointer::{CheckpointPolicy, Checkpointer};
use crate::engine::proof::{Checkpoint, Signer, directory};
use crate::engine::service_keys;
use crate::infra::clock::Clock;
use crate::infra::keys::{Keys, MasterKey};
use crate::store::{EventStore, Location};

/// A log that exists, and the key that opens it.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The store of the log, and the database of the read models.
    pub store: Location,
    /// The key from which every other key derives.
    pub master_key: MasterKey,
}

impl LogConfig {
    /// Returns the keys that derive from the master key.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys::derive(&self.master_key)
    }

    /// Returns the keys of an open log: those that derive from the master key, and those that its vault
    /// has.
    pub async fn load_keys(&self, store: &dyn EventStore, now: Timestamp) -> anyhow::Result<Keys> {
        let keys = self.keys();
        service_keys::load(&keys, store, now).await.context("the keys of the log")?;
        Ok(keys)
    }

    /// Opens the log for reading, also while a service runs on it.
    pub async fn open_to_read(&self) -> anyhow::Result<Arc<dyn EventStore>> {
        self.store.open_to_read(self.keys().fingerprint(), Clock::system()).await
    }

    /// Opens the log for appending. A log in files can be opened so by one process only.
    pub async fn open(&self, clock: Clock) -> anyhow::Result<Arc<dyn EventStore>> {
        self.store.ensure_log_exists().await?;
        self.store.open(self.keys().fingerprint(), clock).await
    }

    /// Opens the read models, also while a service writes them.
    pub async fn open_read_db(&self) -> anyhow::Result<ReadDb> {
        self.store.open_read_db_shared().await
    }

    /// Opens the read models to read them, also where nothing can be written.
    pub async fn open_read_db_to_read(&self) -> anyhow::Result<ReadDb> {
        self.store.open_read_db_to_read().await
    }

    /// Returns the signer of this log, under the name that its last checkpoint has.
    pub fn signer(&self, keys: &Keys) -> anyhow::Result<Signer> {
        let latest = match self.checkpoint_directory() {
            Some(path) => directory::latest(&path)
                .with_context(|| format!("checkpoints in {}", path.display()))?,
            None => None,
        };
        let origin =
            latest.as_deref().and_then(Checkpoint::origin_of).unwrap_or("localhost/whence");
        Ok(Signer::new(keys, origin)?)
    }

    /// Returns a checkpointer for this log, which contradicts none of the checkpoints in its
    /// directory.
    pub fn checkpointer(&self, keys: &Keys, read_db: Arc<ReadDb>) -> anyhow::Result<Checkpointer> {
        let policy = self.checkpoint_directory().map(|directory| CheckpointPolicy {
            directory,
            events: 1,
            time: Duration::ZERO,
        });
        Ok(Checkpointer::new(self.signer(keys)?, read_db, policy))
    }

    /// Returns the directory in which a service stores checkpoints unless it is set up otherwise,
    /// when it exists.
    pub(crate) fn checkpoint_directory(&self) -> Option<PathBuf> {
        directory::default_of(&self.store).filter(|directory| directory.is_dir())
    }
}
