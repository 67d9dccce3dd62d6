//! The flags of `whence serve` about operators.

use clap::Args;

use crate::app::config::{OperatorConfig, operators};

/// Flags about operators.
#[derive(Args, Clone, Debug)]
pub(crate) struct OperatorArgs {
    /// Token of an operator, at least 20 characters, for /v1/admin; [NAME=]TOKEN, repeatable
    #[arg(
        long,
        env = "WHENCE_ADMIN_TOKEN",
        value_name = "TOKEN",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(super) admin_token: Vec<String>,
}

impl OperatorArgs {
    pub(super) fn into_config(self) -> anyhow::Result<Vec<OperatorConfig>> {
        operators::parse_all(&self.admin_token)
    }
}
