//! The flags of the commands that work on a log without serving it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use zeroize::Zeroizing;

use super::{files, secrets};
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
        default_value = DEFAULT_STORE,
        value_name = "STORE",
        hide_env_values = true
    )]
    pub(crate) store: String,

    /// File that holds what --store is, for a URL with a password
    #[arg(long, env = "WHENCE_STORE_FILE", value_name = "FILE")]
    pub(crate) store_file: Option<PathBuf>,

    /// Where the read models of a kurrentdb store are: postgres://...
    #[arg(long, env = "WHENCE_READ_DB", value_name = "URL", hide_env_values = true)]
    pub(crate) read_db: Option<String>,

    /// File that holds what --read-db is
    #[arg(long, env = "WHENCE_READ_DB_FILE", value_name = "FILE")]
    pub(crate) read_db_file: Option<PathBuf>,

    /// Master key, 64 hexadecimal digits [default: the file master.key beside a sqlite log, which
    /// serve makes when it is missing]
    #[arg(long, env = "WHENCE_MASTER_KEY", value_name = "HEX", hide_env_values = true)]
    pub(crate) master_key: Option<String>,

    /// File that holds the master key; a second line, while it is rotated, the one before it
    #[arg(long, env = "WHENCE_MASTER_KEY_FILE", value_name = "FILE")]
    pub(crate) master_key_file: Option<PathBuf>,
}

/// The store of a command that names none.
const DEFAULT_STORE: &str = "sqlite:./whence-data";

impl LogArgs {
    /// Reads the files that hold flags, but for the one of the master key.
    pub(crate) fn read_files(&mut self) -> anyhow::Result<()> {
        let is_given = self.store != DEFAULT_STORE;
        if let Some(store) = secrets::from_file("store", is_given, self.store_file.as_deref())? {
            self.store.clone_from(&store);
        }
        secrets::fill("read-db", &mut self.read_db, self.read_db_file.as_deref())
    }

    /// Returns the master key that was given, and overwrites its text.
    pub(crate) fn take_master_key(&mut self) -> anyhow::Result<Option<MasterKey>> {
        take_master_key(&mut self.master_key, self.master_key_file.as_deref())
    }

    /// Returns the log that the flags name, and touches nothing. It is an error when there is no
    /// log in the directory.
    pub(crate) fn into_config(mut self) -> anyhow::Result<LogConfig> {
        self.read_files()?;
        let store = Location::parse(&self.store, self.read_db.as_deref())?;
        let master_key = master_key_of(&store, self.take_master_key()?)?;
        Ok(LogConfig { store, master_key })
    }
}

/// Returns the key of an existing log: the one that was given, or the one in its directory.
pub(crate) fn master_key_of(
    store: &Location,
    given: Option<MasterKey>,
) -> anyhow::Result<MasterKey> {
    let directory = store.directory();
    if let Some(directory) = directory {
        ensure!(directory.join("log.db").exists(), "there is no log in {}", directory.display());
    }
    match (given, directory) {
        (Some(key), _) => Ok(key),
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

/// Returns the master key that a flag or a file gives, and overwrites the text of the flag. The error
/// never repeats the key, not even a wrong one.
pub(crate) fn take_master_key(
    given: &mut Option<String>,
    file: Option<&Path>,
) -> anyhow::Result<Option<MasterKey>> {
    let given = given.take().map(Zeroizing::new);
    let in_file = secrets::from_file("master-key", given.is_some(), file)?;
    let parse = |text: &Zeroizing<String>, flag| {
        MasterKey::parse(text).with_context(|| format!("{flag} is not 64 hexadecimal digits"))
    };
    match (&given, &in_file) {
        (Some(text), _) => parse(text, "--master-key").map(Some),
        (None, Some(text)) => parse(text, "the file of --master-key").map(Some),
        (None, None) => Ok(None),
    }
}
