//! The flags of `whence doctor`.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::ServeArgs;

/// Flags of `whence doctor`: those of `whence serve`, and one more.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// What serve would be started with.
    #[command(flatten)]
    pub(crate) serve: ServeArgs,

    /// Print what was found as JSON
    #[arg(long, env = "WHENCE_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,
}
