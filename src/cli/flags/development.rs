//! The flags of `whence serve` about development and logging.

use clap::Args;
use clap::builder::BoolishValueParser;

/// Flags about development and logging.
#[derive(Args, Clone, Debug)]
pub(crate) struct DevelopmentArgs {
    /// Allow directory mail and plain http although --public-url is not this machine
    #[arg(long, env = "WHENCE_DEVELOPMENT", value_parser = BoolishValueParser::new())]
    pub(super) development: bool,

    /// What to log on stderr, like info, warn or whence=debug,info
    #[arg(long, env = "WHENCE_LOG", default_value = "info", value_name = "FILTER")]
    pub(super) log: String,
}

impl DevelopmentArgs {
    /// Returns whether choices are allowed that only fit development.
    pub(super) fn is_on(&self) -> bool {
        self.development
    }

    /// Returns the filter of log lines.
    pub(crate) fn log_filter(&self) -> &str {
        &self.log
    }
}
