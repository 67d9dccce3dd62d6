//! The flags of `whence serve` about operators.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::secrets;
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

    /// File with tokens of operators, one a line or with commas between
    #[arg(long, env = "WHENCE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(super) admin_token_file: Option<PathBuf>,
}

impl OperatorArgs {
    /// Reads the file that holds `--admin-token`.
    pub(super) fn read_file(&mut self) -> anyhow::Result<()> {
        let is_given = !self.admin_token.is_empty();
        let file = self.admin_token_file.as_deref();
        if let Some(tokens) = secrets::from_file("admin-token", is_given, file)? {
            let tokens = tokens.split([',', '\n']).map(str::trim);
            self.admin_token = tokens.filter(|t| !t.is_empty()).map(str::to_owned).collect();
        }
        Ok(())
    }

    pub(super) fn into_config(self) -> anyhow::Result<Vec<OperatorConfig>> {
        let tokens = Zeroizing::new(self.admin_token);
        operators::parse_all(&tokens)
    }
}
