//! `whence copy`: moves a log and its vault into another store.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;

use crate::cli::flags::files;
use crate::cli::flags::log::{master_key_of, take_master_key};
use crate::cli::flags::secrets;
use crate::cli::terminal::progress::ShownPass;
use crate::cli::terminal::stdout::print;
use crate::cli::terminal::stop::{RESUMABLE, unless_stopped};
use crate::engine::copy::copy;
use crate::infra::clock::Clock;
use crate::infra::keys::{Keys, MasterKey};
use crate::store::{Location, Side, Transfer};

/// Move to another store: copy log and keys, as they are, and verify the copy
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

    /// File that holds the master key
    #[arg(long, env = "WHENCE_MASTER_KEY_FILE", value_name = "FILE")]
    pub(crate) master_key_file: Option<PathBuf>,

    /// File that holds what --read-db is
    #[arg(long, env = "WHENCE_READ_DB_FILE", value_name = "FILE")]
    pub(crate) read_db_file: Option<PathBuf>,
}

/// The stores of a copy, and their key.
#[derive(Clone, Debug)]
struct CopyConfig {
    /// The store that is copied from.
    from: Location,
    /// The store that is copied into.
    to: Location,
    /// The master key of both.
    master_key: MasterKey,
}

impl CopyArgs {
    /// Returns what the flags mean, and touches nothing.
    fn into_config(mut self) -> anyhow::Result<CopyConfig> {
        secrets::fill("read-db", &mut self.read_db, self.read_db_file.as_deref())?;
        ensure!(self.from != self.to, "--from and --to are the same store");
        let read_db = self.read_db.as_deref();
        let sides = [&self.from, &self.to];
        let used = sides.into_iter().any(|store| Location::is_kurrentdb(store));
        ensure!(used || read_db.is_none(), "--read-db is for a kurrentdb store");
        let side = |flag, store: &str| {
            Location::named(flag, store, read_db.filter(|_| Location::is_kurrentdb(store)))
        };
        let (from, to) = (side("--from", &self.from)?, side("--to", &self.to)?);
        let given = take_master_key(&mut self.master_key, self.master_key_file.as_deref())?;
        let master_key = master_key_of(&from, given)?;
        Ok(CopyConfig { from, to, master_key })
    }
}

impl CopyConfig {
    /// Makes the directory of a target in files, where it is missing. It is an error when the
    /// target has another key.
    fn make_target(&self) -> anyhow::Result<()> {
        let Some(directory) = self.to.directory() else { return Ok(()) };
        files::make_private(directory)?;
        let key = files::existing_master_key(directory)?;
        let same = key.is_none_or(|key| key == self.master_key);
        ensure!(same, "{} holds another master key", directory.display());
        Ok(())
    }

    /// Stores the key in the directory of a target in files, where it is missing: only once the log
    /// there is known to be of this key.
    fn keep_key(&self) -> anyhow::Result<()> {
        match self.to.directory() {
            Some(directory) if files::existing_master_key(directory)?.is_none() => {
                files::store_master_key(directory, &self.master_key)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Copies, verifies, and says what was verified. Ctrl-C keeps what was copied so far; the batch
/// that is being copied then is taken wholly or not at all.
pub(crate) async fn run(args: CopyArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    unless_stopped(Box::pin(copy_stores(config)), RESUMABLE).await
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
    for foreign in source.log().foreign_events() {
        writeln!(text, "not of whence, and not copied: {foreign}")?;
    }
    if copied.left > 0 {
        writeln!(text, "{} events came meanwhile: run it again", copied.left)?;
    }
    print(text)
}

async fn open(config: &CopyConfig) -> anyhow::Result<(Arc<dyn Transfer>, Arc<dyn Transfer>)> {
    let fingerprint = &Keys::derive(&config.master_key).fingerprint();
    let open = async |location: &Location, side| {
        // Each store has its own clock: what the source says of the time means nothing to the
        // target.
        location.open_for_copy(side, fingerprint.clone(), Clock::system()).await
    };
    let source = open(&config.from, Side::Source).await?;
    config.make_target()?;
    let target = open(&config.to, Side::Target).await?;
    config.keep_key()?;
    Ok((source, target))
}
