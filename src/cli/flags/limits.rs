//! The flags of `whence serve` about limits.

use clap::Args;

use crate::app::config::LimitConfig;

/// Flags about limits.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitArgs {
    /// Sessions kept in memory, some 300 bytes each
    #[arg(long, env = "WHENCE_SESSION_CACHE", default_value_t = 100_000, value_name = "N")]
    pub(super) session_cache: usize,

    /// Codes one client address may ask for in an hour; 0: any number
    #[arg(long, env = "WHENCE_STARTS_PER_CLIENT", default_value_t = 60, value_name = "N")]
    pub(super) starts_per_client: u32,

    /// Codes one client address may try in an hour; 0: any number
    #[arg(long, env = "WHENCE_VERIFIES_PER_CLIENT", default_value_t = 600, value_name = "N")]
    pub(super) verifies_per_client: u32,
}

impl LimitArgs {
    pub(super) fn into_config(self) -> LimitConfig {
        LimitConfig {
            session_cache: self.session_cache,
            starts_per_client: self.starts_per_client,
            verifies_per_client: self.verifies_per_client,
        }
    }
}
