//! The flags of `whence export`.

use anyhow::ensure;
use clap::Args;
use whence_events::Position;

use super::{LogArgs, LogConfig};
use crate::export::Format;

/// Flags of `whence export`. What is exported and where to is said on the command line only.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// What to export: events
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,

    /// How to write it
    #[arg(long)]
    pub(crate) format: Format,

    /// First position to export: where an earlier export says that the next one goes on
    #[arg(long, value_name = "POSITION")]
    pub(crate) from: Option<Position>,

    /// Last position to export [default: the end of the log]
    #[arg(long, value_name = "POSITION")]
    pub(crate) to: Option<Position>,

    /// File to write, which appears when it is complete; -: stdout
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) out: String,

    /// Add personal data in clear, as far as it was not erased
    #[arg(long)]
    pub(crate) open_personal_data: bool,

    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct ExportConfig {
    /// How to write it.
    pub format: Format,
    /// The first position; `None`: the first there is.
    pub from: Option<Position>,
    /// The last position; `None`: that of the log.
    pub to: Option<Position>,
    /// A file, or `-`.
    pub out: String,
    /// Whether personal data goes out in clear.
    pub open_personal_data: bool,
    /// Out of which log.
    pub log: LogConfig,
}

impl ExportArgs {
    /// What the flags mean. Touches nothing.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn into_config(self) -> anyhow::Result<ExportConfig> {
        ensure!(self.what == "events", "{}: there is no such view; events is one", self.what);
        ensure!(self.format.is_there(), "--format parquet: this whence was built without Parquet");
        Ok(ExportConfig {
            format: self.format,
            from: self.from,
            to: self.to,
            out: self.out,
            open_personal_data: self.open_personal_data,
            log: self.log.into_config()?,
        })
    }
}
