//! The flags of the commands that work on a log without serving it.

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use super::files;
use crate::engine::log_config::LogConfig;
use crate::infra::keys::MasterKey;
use crate::store::Location;

/// Flags that name a log. Each has an environment variable of the same name, that of `whence
/// serve`.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArgs {
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

    /// Master key, 64 hexadecimal digits [default: the file master.key beside a sqlite log, which
    /// serve makes when it is missing]
    #[arg(long, env = "WHENCE_MASTER_KEY", value_name = "HEX", hide_env_values = true)]
    pub(crate) master_key: Option<String>,
}

impl LogArgs {
    /// Returns the log that the flags name, and touches nothing. It is an error when there is no
    /// log in the directory.
    pub(crate) fn into_config(self) -> anyhow::Result<LogConfig> {
        let store = Location::parse(&self.store, self.read_db.as_deref())?;
        let master_key = master_key_of(&store, self.master_key.as_deref())?;
        Ok(LogConfig { store, master_key })
    }
}

/// Returns the key of an existing log: the one that was given, or the one in its directory.
pub(crate) fn master_key_of(store: &Location, given: Option<&str>) -> anyhow::Result<MasterKey> {
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

/// Returns a master key that was given. The error never repeats the key, not even a wrong one.
pub(crate) fn given_master_key(text: &str) -> anyhow::Result<MasterKey> {
    MasterKey::parse(text).context("--master-key is not 64 hexadecimal digits")
}
