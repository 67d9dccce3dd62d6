//! The flags of `whence serve` about checkpoints of the log.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, value_parser};
use url::Url;

use crate::app::config::CheckpointConfig;
use crate::engine::proof::Verifier;
use crate::engine::proof::checkpointer::CheckpointPolicy;
use crate::store::Location;

/// Flags about checkpoints of the log.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckpointArgs {
    /// What the log is called in its checkpoints [default: the host of --public-url and /whence]
    #[arg(long, env = "WHENCE_LOG_ORIGIN", value_name = "NAME")]
    pub(super) log_origin: Option<String>,

    #[arg(
        long,
        env = "WHENCE_CHECKPOINTS",
        value_name = "DIR",
        help = "Directory for signed checkpoints of the log [default: checkpoints beside a sqlite \
                log; none elsewhere]"
    )]
    pub(super) checkpoints: Option<PathBuf>,

    /// New events after which there is another checkpoint
    #[arg(
        long,
        env = "WHENCE_CHECKPOINT_EVENTS",
        default_value_t = 10_000,
        value_name = "N",
        value_parser = value_parser!(u64).range(1..)
    )]
    pub(super) checkpoint_events: u64,

    /// Seconds after which there is another checkpoint, when there is a new event
    #[arg(
        long,
        env = "WHENCE_CHECKPOINT_SECONDS",
        default_value_t = 60,
        value_name = "N",
        value_parser = value_parser!(u32).range(1..)
    )]
    pub(super) checkpoint_seconds: u32,
}

impl CheckpointArgs {
    pub(super) fn into_config(
        self,
        public_url: &Url,
        store: &Location,
    ) -> anyhow::Result<CheckpointConfig> {
        let mut config = CheckpointConfig::new(public_url.host_str().unwrap_or("localhost"), store);
        if let Some(origin) = self.log_origin {
            config.log_origin = origin;
        }
        // Only whether it can be the name of a key matters here: the key itself makes no
        // difference.
        let origin = &config.log_origin;
        Verifier::new(origin, [0; 32]).with_context(|| format!("--log-origin {origin}"))?;
        let directory = self.checkpoints.or(config.policy.map(|policy| policy.directory));
        config.policy = directory.map(|directory| CheckpointPolicy {
            directory,
            events: self.checkpoint_events,
            time: Duration::from_secs(self.checkpoint_seconds.into()),
        });
        Ok(config)
    }
}
