//! The flags of the commands that work on a log without serving it.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use whence_projections::ReadDb;

use super::{files, given_master_key};
use crate::clock::Clock;
use crate::secrets::{Keys, MasterKey};
use crate::store::{EventStore, Location};

/// Which log. Each flag has an environment variable of the same name, that of `whence serve`.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Where the log is: sqlite:DIR, postgres://... or kurrentdb://...
    #[arg(
        long,
        env = "WHENCE_STORE",
        default_value = "sqlite:./whence-data",
        value_name = "STORE",
        hide_env_values = true
    )]
    pub(crate) store: String,

    /// Where the read models of a kurrentdb store are: postgres://...
    #[arg(long, env = "WHENCE_READ_DB", value_name = "URL", hide_env_values = true)]
    pub(crate) read_db: Option<String>,

    /// Master key, 64 hexadecimal digits [default: the file master.key beside the log]
    #[arg(long, env = "WHENCE_MASTER_KEY", value_name = "HEX", hide_env_values = true)]
    pub(crate) master_key: Option<String>,
}

/// A log that is there.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Where it is.
    pub store: Location,
    /// Its key.
    pub master_key: MasterKey,
}

impl LogArgs {
    /// What the flags mean. Touches nothing.
    ///
    /// # Errors
    /// One clear sentence; also when there is no log in the directory.
    pub fn into_config(self) -> anyhow::Result<LogConfig> {
        let store = Location::parse(&self.store, self.read_db.as_deref())?;
        let master_key = master_key_of(&store, self.master_key.as_deref())?;
        Ok(LogConfig { store, master_key })
    }
}

/// The key of a log that has to be there: the one that was given, or the one beside it.
pub(super) fn master_key_of(store: &Location, given: Option<&str>) -> anyhow::Result<MasterKey> {
    let directory = store.directory();
    if let Some(directory) = directory {
        ensure!(directory.join("log.db").exists(), "there is no log in {}", directory.display());
    }
    match (given, directory) {
        (Some(key), _) => given_master_key(key),
        (None, Some(directory)) => files::existing_master_key(directory)?.with_context(|| {
            format!(
                "there is no master.key in {}: --master-key has to be given",
                directory.display()
            )
        }),
        (None, None) => bail!(
            "--master-key has to be given, for there is no file of it beside a log in a database"
        ),
    }
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
        self.store.insist_on_a_log().await?;
        self.store.open(self.keys().fingerprint(), clock).await
    }

    /// Opens the read models, also beside a service that writes them.
    ///
    /// # Errors
    /// One clear sentence.
    pub async fn open_reads(&self) -> anyhow::Result<ReadDb> {
        self.store.open_reads_beside().await
    }
}
