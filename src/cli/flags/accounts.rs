//! The flags of `whence serve` about accounts.

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};

use crate::app::config::AccountConfig;
use crate::domain::user::activity::ActivityPeriod;

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

    /// How often it is recorded at most that a session is used: once a calendar day or week (UTC; a week
    /// that is used before Monday 12:00 twice), or only when that extends the session
    #[arg(long, env = "WHENCE_SESSION_ACTIVITY", default_value = "week", value_name = "PERIOD")]
    pub(super) session_activity: ActivityChoice,

    /// Days for which users can withdraw that they asked to be erased; 0: they are erased at once
    #[arg(
        long,
        env = "WHENCE_ERASURE_GRACE_DAYS",
        default_value_t = 14,
        value_name = "N",
        value_parser = value_parser!(u16).range(0..=30)
    )]
    pub(super) erasure_grace_days: u16,
}

/// The values of `--session-activity`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ActivityChoice {
    Day,
    Week,
    None,
}

impl AccountArgs {
    pub(super) fn into_config(self) -> AccountConfig {
        let days = self.keep_unverified_days;
        let keep = Duration::from_hours(24 * u64::from(days));
        let session_activity = match self.session_activity {
            ActivityChoice::Day => ActivityPeriod::Day,
            ActivityChoice::Week => ActivityPeriod::Week,
            ActivityChoice::None => ActivityPeriod::None,
        };
        let keep_unverified = (days > 0).then_some(keep);
        let erasure_grace = Duration::from_hours(24 * u64::from(self.erasure_grace_days));
        AccountConfig { plan: self.free_plan, keep_unverified, session_activity, erasure_grace }
    }
}
