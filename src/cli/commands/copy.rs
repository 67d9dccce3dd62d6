//! `whence copy`: moves a log and its vault into another store.

use std::sync::Arc;

use anyhow::ensure;
use clap::Args;

use crate::cli::flags::files;
use crate::cli::flags::log::master_key_of;
use crate::cli::terminal::progress::ShownPass;
use crate::cli::terminal::stdout::print;
use crate::cli::terminal::stop::{GOES_ON, unless_stopped};
use crate::engine::copy::copy;
use crate::infra::clock::Clock;
use crate::infra::keys::{Keys, MasterKey};
use crate::store::{Location, Side, Transfer};

/// Flags of `whence copy`. Each has an environment variable of the same name.
#[derive(Args, Clone, Debug)]
pub(crate) struct CopyArgs {
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
pub(crate) struct CopyConfig {
    /// The source.
    pub(crate) from: Location,
    /// The target.
    pub(crate) to: Location,
    /// The key of both.
    pub(crate) master_key: MasterKey,
}

impl CopyArgs {
    /// What the flags mean. Touches nothing.
    ///
    /// # Errors
    /// One clear sentence.
    pub(crate) fn into_config(self) -> anyhow::Result<CopyConfig> {
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
    pub(crate) fn make_target(&self) -> anyhow::Result<()> {
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
    pub(crate) fn keep_key(&self) -> anyhow::Result<()> {
        match self.to.directory() {
            Some(directory) if files::existing_master_key(directory)?.is_none() => {
                files::store_master_key(directory, &self.master_key)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Copies, verifies, and says what was verified. Ctrl-C leaves what was copied so far; what is under way
/// then is taken wholly or not at all.
pub(crate) async fn run(args: CopyArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    unless_stopped(Box::pin(copy_stores(config)), GOES_ON).await
}

async fn copy_stores(config: CopyConfig) -> anyhow::Result<()> {
    let (source, target) = open(&config).await?;
    let mut shown = ShownPass::default();
    let copied = copy(&*source, &*target, &mut |step| shown.show(step)).await?;
    let (log, vault) = (&copied.log, &copied.vault);
    let mut text = format!(
        "log    {} events of {} streams, {} of them copied now\n       sha256 {}\n\
         vault  {} keys, {} of them destroyed\n       sha256 {}\n\
         {} holds all of this, byte for byte as {} does\n",
        log.events,
        log.streams,
        copied.events,
        log.digest,
        vault.keys,
        vault.destroyed,
        vault.digest,
        config.to,
        config.from
    );
    if copied.left > 0 {
        text += &format!("{} events came meanwhile: run it again\n", copied.left);
    }
    print(text)
}

async fn open(config: &CopyConfig) -> anyhow::Result<(Arc<dyn Transfer>, Arc<dyn Transfer>)> {
    let fingerprint = Keys::derive(&config.master_key).fingerprint();
    let open = async |location: &Location, side| {
        // A clock of its own: what the source says of the time is nothing to the target.
        location.open_for_copy(side, fingerprint, Clock::system()).await
    };
    let source = open(&config.from, Side::Source).await?;
    config.make_target()?;
    let target = open(&config.to, Side::Target).await?;
    config.keep_key()?;
    Ok((source, target))
}
