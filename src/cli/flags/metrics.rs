//! The flags of `whence serve` about metrics.

use std::net::SocketAddr;

use clap::Args;

use crate::app::config::{MetricsConfig, MetricsToken};

/// Flags about metrics.
#[derive(Args, Clone, Debug)]
pub(crate) struct MetricsArgs {
    /// Address and port of a listener for GET /metrics alone
    #[arg(long, env = "WHENCE_METRICS_LISTEN", value_name = "ADDR")]
    pub(super) metrics_listen: Option<SocketAddr>,

    #[arg(
        long,
        env = "WHENCE_METRICS_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        help = "Bearer token that GET /metrics asks for, at least 20 characters; without \
                --metrics-listen, the service itself answers then"
    )]
    pub(super) metrics_token: Option<String>,
}

impl MetricsArgs {
    /// Returns the address that the metrics are to be read at alone.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        self.metrics_listen
    }

    pub(super) fn into_config(self) -> anyhow::Result<MetricsConfig> {
        let token = self.metrics_token.as_deref().map(MetricsToken::parse).transpose()?;
        Ok(MetricsConfig { listen: self.metrics_listen, token })
    }
}
