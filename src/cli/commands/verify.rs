//! `whence verify`: checks that nothing in the log was changed.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cli::flags::log::LogArgs;
use crate::cli::terminal::progress::ShownPass;
use crate::cli::terminal::stdout::print;
use crate::insight::verify::{Verdict, VerifyConfig, verify};

/// Read the whole log again and say what was altered, removed, inserted, reordered or cut off
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    /// The log that is verified.
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

impl VerifyArgs {
    /// Returns what the flags mean, and touches nothing.
    fn into_config(self) -> anyhow::Result<VerifyConfig> {
        let key = self.key.as_deref().map(str::parse).transpose().context("--key")?;
        let log = self.log.into_config()?;
        let mut checkpoints = self.checkpoint;
        checkpoints.extend(log.checkpoint_directory());
        Ok(VerifyConfig { log, checkpoints, key })
    }
}

/// Verifies, and says what was found; the error says that the log is not what it was.
pub(crate) async fn run(args: VerifyArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    let mut shown = ShownPass::default();
    match verify(&config, &mut |step| shown.show(step)).await? {
        Verdict::Unaltered(summary) => print(summary),
        Verdict::Altered(findings) => {
            print(findings)?;
            bail!("the log is not what it was: see above for what was found")
        }
    }
}
