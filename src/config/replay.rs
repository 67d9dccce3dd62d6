//! The flags of `whence replay`.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::log::{LogArgs, LogConfig};

/// Flags of `whence replay`. Each has an environment variable of the same name.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Which read models, such as identity [default: all of them]
    #[arg(value_name = "PROJECTION")]
    projections: Vec<String>,

    /// Only compare: tell which rows are not as the log has them, and change nothing
    #[arg(long, env = "WHENCE_CHECK", value_parser = BoolishValueParser::new())]
    check: bool,

    #[command(flatten)]
    log: LogArgs,
}

/// What to rebuild or to check.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// Names of projections; none: all of them.
    pub projections: Vec<String>,
    /// Whether nothing is to be changed.
    pub check: bool,
    /// The log.
    pub log: LogConfig,
}

impl ReplayArgs {
    /// What the flags mean. Touches nothing.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn into_config(self) -> anyhow::Result<ReplayConfig> {
        let Self { projections, check, log } = self;
        Ok(ReplayConfig { projections, check, log: log.into_config()? })
    }
}
