//! The flags of `whence copy`, and what they mean.

use anyhow::ensure;
use clap::Args;

use super::files;
use super::log::master_key_of;
use crate::secrets::MasterKey;
use crate::store::Location;

/// Flags of `whence copy`. Each has an environment variable of the same name.
#[derive(Args, Clone, Debug)]
pub struct CopyArgs {
    /// Store to copy from: sqlite:DIR, postgres://... or kurrentdb://...
    #[arg(long, env = "WHENCE_FROM", value_name = "STORE", hide_env_values = true)]
    pub(crate) from: String,

    /// Store to copy into: an empty one, or one that a copy was begun into
    #[arg(long, env = "WHENCE_TO", value_name = "STORE", hide_env_values = true)]
    pub(crate) to: String,

    /// Where the keys of the side that is a kurrentdb store are: postgres://...
    #[arg(long, env = "WHENCE_READ_DB", value_name = "URL", hide_env_values = true)]
    pub(crate) read_db: Option<String>,

    /// Master key of both, 64 hexadecimal digits [default: the file master.key of a sqlite source]
    #[arg(long, env = "WHENCE_MASTER_KEY", value_name = "HEX", hide_env_values = true)]
    pub(crate) master_key: Option<String>,
}

/// What is copied where.
#[derive(Clone, Debug)]
pub struct CopyConfig {
    /// The source.
    pub from: Location,
    /// The target.
    pub to: Location,
    /// The key of both.
    pub master_key: MasterKey,
}

impl CopyArgs {
    /// What the flags mean. Touches nothing.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn into_config(self) -> anyhow::Result<CopyConfig> {
        ensure!(self.from != self.to, "--from and --to are the same store");
        let read_db = self.read_db.as_deref();
        let sides = [&self.from, &self.to];
        let used = sides.into_iter().any(|store| Location::is_kurrentdb(store));
        ensure!(used || read_db.is_none(), "--read-db is for a kurrentdb store");
        let side = |flag, store: &str| {
            Location::named(flag, store, read_db.filter(|_| Location::is_kurrentdb(store)))
        };
        let (from, to) = (side("--from", &self.from)?, side("--to", &self.to)?);
        let master_key = master_key_of(&from, self.master_key.as_deref())?;
        Ok(CopyConfig { from, to, master_key })
    }
}

impl CopyConfig {
    /// Makes the directory of a target in files, where it is missing.
    ///
    /// # Errors
    /// One clear sentence; also when the target has another key.
    pub fn make_target(&self) -> anyhow::Result<()> {
        let Some(directory) = self.to.directory() else { return Ok(()) };
        files::make_private(directory)?;
        let key = files::existing_master_key(directory)?;
        let same = key.is_none_or(|key| key == self.master_key);
        ensure!(same, "{} holds another master key", directory.display());
        Ok(())
    }

    /// Puts the key beside a target in files, where it is missing: only once the log there is known
    /// to be of this key.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn keep_key(&self) -> anyhow::Result<()> {
        match self.to.directory() {
            Some(directory) if files::existing_master_key(directory)?.is_none() => {
                files::store_master_key(directory, &self.master_key)
            }
            Some(_) | None => Ok(()),
        }
    }
}
