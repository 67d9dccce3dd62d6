//! `whence code`: what operators do about referral codes and the handles of creators.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use whence_events::{Actor, Handle, ReferralCode, UserId};

use super::measures::{MeasureArgs, MeasureSubject, take};
use crate::app::creators::{CreatorHandles, claim_handle, handles_of};
use crate::app::moderation::code_owner;
use crate::cli::admin_client::AdminClient;
use crate::cli::flags::operate::{OperateArgs, Target, UserName};
use crate::cli::terminal::stdout::print_text_or_json;
use crate::domain::handle::parse;
use crate::domain::user::measure::Act;
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::infra::random::new_correlation_id;

/// Disable or enable a referral code, on record with a reason; list or give handles of creators
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
    Handles(CodeHandlesArgs),
    ClaimHandle(CodeClaimHandleArgs),
}

/// List the handles of a creator
#[derive(Args, Clone, Debug)]
struct CodeHandlesArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    user: String,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Give a user a handle, also a reserved one; nobody else can have it afterwards
#[derive(Args, Clone, Debug)]
struct CodeClaimHandleArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    user: String,

    /// Handle: 2 to 32 of a-z and 0-9, with single _ . and - between them
    #[arg(value_name = "HANDLE")]
    handle: String,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
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

/// Disables or enables a code, or lists or gives handles.
pub(crate) async fn run(args: CodeArgs) -> anyhow::Result<()> {
    let (code, enable, measure) = match args.command {
        CodeAction::Disable(args) => (args.code, false, args.measure),
        CodeAction::Enable(args) => (args.code, true, args.measure),
        CodeAction::Handles(args) => return handles(&args.user, None, *args.operate).await,
        CodeAction::ClaimHandle(args) => {
            let handle = parse(&args.handle).ok();
            let handle = handle.with_context(|| format!("{}: no handle", args.handle))?;
            return handles(&args.user, Some(handle), *args.operate).await;
        }
    };
    let code = code.parse().ok().with_context(|| format!("{code}: no referral code"))?;
    take(&AboutCode { code, enable }, measure).await
}

/// Lists the handles of a user, once a new one is claimed.
async fn handles(user: &str, new: Option<Handle>, operate: OperateArgs) -> anyhow::Result<()> {
    let user = UserName::parse(user)?;
    let json = operate.json;
    let handles: CreatorHandles = match operate.into_target()? {
        Target::Server(client) => {
            let path = format!("users/{}/handles", user.id_at(&client).await?);
            match new {
                Some(handle) => client.post(&path, &json!({ "handle": handle })).await?,
                None => client.get(&path, &[]).await?,
            }
        }
        Target::Log(config, operator) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            let user_id = user.id_in(&engine).await?;
            let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
            match new {
                Some(handle) => {
                    let done = claim_handle(&engine, user_id, handle, &context).await?;
                    engine.project().await?;
                    done
                }
                None => handles_of(&engine, user_id).await?,
            }
        }
    };
    print_text_or_json(&handles, json)
}
