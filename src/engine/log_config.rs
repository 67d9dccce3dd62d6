//! Which log a command works on, and how to open it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use whence_projections::ReadDb;

use crate::engine::proof::checkpointer::{CheckpointPolicy, Checkpointer};
use crate::engine::proof::{Checkpoint, Signer, directory};
use crate::infra::clock::Clock;
use crate::infra::keys::{Keys, MasterKey};
use crate::store::{EventStore, Location};

/// A log that is there.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Where it is.
    pub store: Location,
    /// Its key.
    pub master_key: MasterKey,
}

impl LogConfig {
    /// The keys that derive from the master key.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys::derive(&self.master_key)
    }

    /// Where a service leaves signed checkpoints of a log in files, when it is not told otherwise.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = std::path::PathBuf> {
        self.store.directory().map(|directory| directory.join("checkpoints")).into_iter()
    }

    /// Opens the log for reading, also beside a service that runs on it.
    ///
    /// # Errors
    /// One clear sentence.
    pub async fn open_to_read(&self) -> anyhow::Result<Arc<dyn EventStore>> {
        self.store.open_to_read(self.keys().fingerprint(), Clock::system()).await
    }

    /// Opens the log for appending. A log in files takes that from one process only.
    ///
    /// # Errors
    /// One clear sentence.
    pub async fn open(&self, clock: Clock) -> anyhow::Result<Arc<dyn EventStore>> {
        self.store.ensure_log_exists().await?;
        self.store.open(self.keys().fingerprint(), clock).await
    }

    /// Opens the read models, also beside a service that writes them.
    ///
    /// # Errors
    /// One clear sentence.
    pub async fn open_read_db(&self) -> anyhow::Result<ReadDb> {
        self.store.open_read_db_shared().await
    }

    /// Returns what signs for this log, under the name that its last checkpoint has.
    pub fn signer(&self) -> anyhow::Result<Signer> {
        let latest = match self.checkpoint_directory() {
            Some(path) => directory::latest(&path)
                .with_context(|| format!("checkpoints in {}", path.display()))?,
            None => None,
        };
        let origin =
            latest.as_deref().and_then(Checkpoint::origin_of).unwrap_or("localhost/whence");
        Ok(Signer::new(&self.keys(), origin)?)
    }

    /// Returns what signs checkpoints of this log that contradict none before.
    pub fn checkpointer(&self, read_db: Arc<ReadDb>) -> anyhow::Result<Checkpointer> {
        let policy = self.checkpoint_directory().map(|directory| CheckpointPolicy {
            directory,
            events: 1,
            time: Duration::ZERO,
        });
        Ok(Checkpointer::new(self.signer()?, read_db, policy))
    }

    fn checkpoint_directory(&self) -> Option<PathBuf> {
        self.checkpoints().find(|directory| directory.is_dir())
    }
}
