//! `whence code`: what operators do about referral codes.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use whence_events::{ReferralCode, UserId};

use super::measures::{MeasureArgs, MeasureSubject, take};
use crate::app::moderation::code_owner;
use crate::cli::admin_client::AdminClient;
use crate::domain::user::measure::Act;
use crate::engine::Engine;

/// Disable a referral code, or enable it again; on record with a reason
#[derive(Args, Clone, Debug)]
pub(crate) struct CodeArgs {
    #[command(subcommand)]
    command: CodeAction,
}

/// What is done about a code.
#[derive(Clone, Debug, Subcommand)]
enum CodeAction {
    Disable(CodeDisableArgs),
    Enable(CodeEnableArgs),
}

/// Credit nobody to a code from now on; what it was credited with stays
#[derive(Args, Clone, Debug)]
struct CodeDisableArgs {
    /// Referral code
    #[arg(value_name = "CODE")]
    code: String,

    #[command(flatten)]
    measure: MeasureArgs,
}

/// Enable a code again that an operator disabled
#[derive(Args, Clone, Debug)]
struct CodeEnableArgs {
    /// Referral code
    #[arg(value_name = "CODE")]
    code: String,

    #[command(flatten)]
    measure: MeasureArgs,
}

/// A measure about a code.
struct AboutCode {
    code: ReferralCode,
    enable: bool,
}

impl MeasureSubject for AboutCode {
    async fn call(&self, _: &AdminClient) -> anyhow::Result<(String, Value)> {
        let verb = if self.enable { "enable" } else { "disable" };
        Ok((format!("codes/{}/{verb}", self.code.as_str()), json!({})))
    }

    async fn act(&self, engine: &Engine) -> anyhow::Result<(UserId, Act)> {
        let code = self.code.clone();
        let owner = code_owner(engine, &code).await?;
        Ok((owner, if self.enable { Act::UnblockCode(code) } else { Act::BlockCode(code) }))
    }
}

/// Disables or enables a code.
pub(crate) async fn run(args: CodeArgs) -> anyhow::Result<()> {
    let (code, enable, measure) = match args.command {
        CodeAction::Disable(args) => (args.code, false, args.measure),
        CodeAction::Enable(args) => (args.code, true, args.measure),
    };
    let code = code.parse().ok().with_context(|| format!("{code}: no referral code"))?;
    take(&AboutCode { code, enable }, measure).await
}
