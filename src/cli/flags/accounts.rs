//! The flags of `whence serve` about accounts.

use std::time::Duration;

use clap::{Args, value_parser};

use crate::app::config::AccountConfig;

/// Flags about accounts.
#[derive(Args, Clone, Debug)]
pub(crate) struct AccountArgs {
    /// Plan every account starts with
    #[arg(long, env = "WHENCE_FREE_PLAN", default_value = "free", value_name = "NAME")]
    pub(super) free_plan: String,

    /// Days that an address is kept which nobody verified, after its last code; 0: for ever
    #[arg(
        long,
        env = "WHENCE_KEEP_UNVERIFIED_DAYS",
        default_value_t = 30,
        value_name = "N",
        value_parser = value_parser!(u16).range(0..=3650)
    )]
    pub(super) keep_unverified_days: u16,
}

impl AccountArgs {
    pub(super) fn into_config(self) -> AccountConfig {
        let days = self.keep_unverified_days;
        let keep = Duration::from_hours(24 * u64::from(days));
        AccountConfig { plan: self.free_plan, keep_unverified: (days > 0).then_some(keep) }
    }
}
