//! The flags of `whence serve` about the referral decision.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum, value_parser};
use whence_events::RuleSettings;

use super::files;
use crate::app::config::{ReferralConfig, countries};
use crate::domain::touch::{Model, Window};

/// Flags about the referral decision.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReferralArgs {
    /// Days that a landing counts, 1 to 400
    #[arg(
        long,
        env = "WHENCE_REFERRAL_WINDOW_DAYS",
        default_value_t = 30,
        value_name = "N",
        value_parser = value_parser!(u16).range(1..=400)
    )]
    pub(super) referral_window_days: u16,

    /// Hours that an account counts as new, at most 10 years
    #[arg(
        long,
        env = "WHENCE_REFERRAL_GRACE_HOURS",
        default_value_t = 24,
        value_name = "N",
        value_parser = value_parser!(u32).range(0..=87_600)
    )]
    pub(super) referral_grace_hours: u32,

    /// Which code is credited when a visitor follows links of two referrers
    #[arg(long, env = "WHENCE_REFERRAL_MODEL", default_value = "first", value_name = "MODEL")]
    pub(super) referral_model: ModelArg,

    /// Refuse what looks wrong (see the next three) instead of only noting it
    #[arg(long, env = "WHENCE_REFERRAL_STRICT", value_parser = BoolishValueParser::new())]
    pub(super) referral_strict: bool,

    /// Attributions of one referrer in 24 hours that are noted, or refused when strict
    #[arg(long, env = "WHENCE_REFERRAL_VELOCITY_CAP", default_value_t = 50, value_name = "N")]
    pub(super) referral_velocity_cap: u32,

    /// Country whose sign-ups are not attributed when strict; repeatable
    #[arg(long, env = "WHENCE_BLOCKED_COUNTRY", value_name = "CC", value_delimiter = ',')]
    pub(super) blocked_country: Vec<String>,

    /// File of disposable mail domains, one a line, noted or refused when strict
    #[arg(long, env = "WHENCE_DISPOSABLE_DOMAINS", value_name = "FILE")]
    pub(super) disposable_domains: Option<PathBuf>,
}

/// The values of `--referral-model`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ModelArg {
    /// The first one, until its window is over
    First,
    /// The last one
    Last,
}

impl From<ModelArg> for Model {
    fn from(arg: ModelArg) -> Self {
        match arg {
            ModelArg::First => Self::First,
            ModelArg::Last => Self::Last,
        }
    }
}

impl ReferralArgs {
    pub(super) fn into_config(self) -> anyhow::Result<ReferralConfig> {
        let window = Window::from_days(self.referral_window_days)
            .context("--referral-window-days is 1 to 400")?;
        let disposable_domains = files::read_domains(self.disposable_domains.as_deref())?;
        let rules = RuleSettings {
            window_seconds: window.length().as_secs(),
            grace_seconds: Duration::from_hours(self.referral_grace_hours.into()).as_secs(),
            strict: self.referral_strict,
            velocity_cap: self.referral_velocity_cap,
            blocked_countries: countries(&self.blocked_country)?,
            ..ReferralConfig::DEFAULT
        };
        let config = ReferralConfig::new(rules, disposable_domains)?;
        Ok(ReferralConfig { model: self.referral_model.into(), ..config })
    }
}
