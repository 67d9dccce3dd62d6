//! The flags of `whence verify`, and what they mean.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::log::{LogArgs, LogConfig};
use crate::proof::Verifier;

/// Flags of `whence verify`. Each has an environment variable of the same name.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,

    #[arg(
        long,
        env = "WHENCE_CHECKPOINT",
        value_name = "PATH",
        value_delimiter = ',',
        help = "Signed checkpoint, or directory of them, that the log has to agree with; \
                repeatable, beside those in the directory checkpoints of a sqlite log"
    )]
    pub(crate) checkpoint: Vec<PathBuf>,

    /// Verifier key of the checkpoints, NAME+ID+BASE64 [default: the one of the master key]
    #[arg(long, env = "WHENCE_KEY", value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// What is verified.
#[derive(Clone, Debug)]
pub struct VerifyConfig {
    /// The log.
    pub log: LogConfig,
    /// Files or directories of checkpoints.
    pub checkpoints: Vec<PathBuf>,
    /// By whom they have to be signed, when it is not who has the master key.
    pub key: Option<Verifier>,
}

impl VerifyArgs {
    /// What the flags mean. Touches nothing.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn into_config(self) -> anyhow::Result<VerifyConfig> {
        let key = self.key.as_deref().map(str::parse).transpose().context("--key")?;
        let log = self.log.into_config()?;
        let mut checkpoints = self.checkpoint;
        checkpoints.extend(log.checkpoints().filter(|directory| directory.is_dir()));
        Ok(VerifyConfig { log, checkpoints, key })
    }
}
