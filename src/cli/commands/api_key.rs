//! `whence api-key`: on a log that no service has open, or by asking the service.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use serde_json::json;
use whence_events::{Actor, ApiKeyId, ApiKeyScope, Timestamp};

use crate::app::api_keys::{
    self, ApiKeyChanged, ApiKeyError, ApiKeyList, ApiKeyRequest, IssuedApiKey, KeyChange,
};
use crate::cli::flags::operate::{OperateArgs, Target};
use crate::cli::terminal::stdout::print_text_or_json;
use crate::domain::api_key::{ApiKeyName, ApiKeyRejection};
use crate::domain::user::measure::Reason;
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::infra::clock::Clock;
use crate::infra::random::new_correlation_id;

/// Issue, list, rotate or revoke the keys of back-ends
#[derive(Args, Clone, Debug)]
pub(crate) struct ApiKeyArgs {
    #[command(subcommand)]
    command: ApiKeyAction,
}

/// What is done with keys of back-ends.
#[derive(Clone, Debug, Subcommand)]
enum ApiKeyAction {
    Issue(ApiKeyIssueArgs),
    List(ApiKeyListArgs),
    Rotate(ApiKeyRotateArgs),
    EndGrace(ApiKeyEndGraceArgs),
    Revoke(ApiKeyRevokeArgs),
}

/// Make a key, and show it once
#[derive(Args, Clone, Debug)]
struct ApiKeyIssueArgs {
    /// Name to know it by: 1 to 64 characters, no secret and nobody's data
    #[arg(value_name = "NAME")]
    name: String,

    /// What it is for, once or more: users:read, attribution:read, analytics:read, billing:write
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<String>,

    /// Days after which it expires [default: never]
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u32>,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Each key with what it is for, its state and the day of its last use; no secret
#[derive(Args, Clone, Debug)]
struct ApiKeyListArgs {
    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Make another secret for a key, and show it once; the one before counts for some time
#[derive(Args, Clone, Debug)]
struct ApiKeyRotateArgs {
    /// Id of the key
    #[arg(value_name = "ID")]
    id: String,

    /// Hours for which the secret before still counts, up to 720
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    grace_hours: u32,

    /// Refuse earlier secrets from now on, for one that got into wrong hands
    #[arg(long, env = "WHENCE_AT_ONCE", value_parser = BoolishValueParser::new())]
    at_once: bool,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Refuse the earlier secrets of a key from now on
#[derive(Args, Clone, Debug)]
struct ApiKeyEndGraceArgs {
    /// Id of the key
    #[arg(value_name = "ID")]
    id: String,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Refuse a key from now on, for good
#[derive(Args, Clone, Debug)]
struct ApiKeyRevokeArgs {
    /// Id of the key
    #[arg(value_name = "ID")]
    id: String,

    /// Why, for the record: 1 to 500 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Does what is asked for with the keys.
pub(crate) async fn run(args: ApiKeyArgs) -> anyhow::Result<()> {
    match args.command {
        ApiKeyAction::Issue(args) => Box::pin(issue(args)).await,
        ApiKeyAction::List(args) => Box::pin(list(*args.operate)).await,
        ApiKeyAction::Rotate(args) => Box::pin(rotate(args)).await,
        ApiKeyAction::EndGrace(args) => {
            Box::pin(change(&args.id, KeyChange::EndGrace, *args.operate)).await
        }
        ApiKeyAction::Revoke(args) => {
            let revoke = KeyChange::Revoke(Reason::parse(&args.reason)?);
            Box::pin(change(&args.id, revoke, *args.operate)).await
        }
    }
}

async fn issue(args: ApiKeyIssueArgs) -> anyhow::Result<()> {
    let name = ApiKeyName::parse(&args.name)?;
    let scopes = args.scopes.iter().map(|scope| {
        ApiKeyScope::parse(scope).with_context(|| {
            let known: Vec<_> = ApiKeyScope::ALL.iter().map(|scope| scope.as_str()).collect();
            format!("{scope}: the scopes are {}", known.join(", "))
        })
    });
    let scopes = scopes.collect::<anyhow::Result<Vec<_>>>()?;
    let expires_at = args.expires_in_days.map(|days| in_days(Clock::system().now(), days));
    let new = ApiKeyRequest { name, scopes, expires_at };
    let json = args.operate.json;
    let issued: IssuedApiKey = match args.operate.into_target()? {
        Target::Server(client) => {
            let ApiKeyRequest { name, scopes, expires_at } = &new;
            let body = json!({ "name": name.as_str(), "scopes": scopes, "expires_at": expires_at });
            client.post("api-keys", &body).await?
        }
        Target::Log(config, operator) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            let (now, context) = (Clock::system().now(), context(operator));
            let issued = api_keys::issue(&engine, new, now, &context).await.map_err(sentence)?;
            engine.project().await?;
            issued
        }
    };
    print_text_or_json(&issued, json)
}

async fn list(operate: OperateArgs) -> anyhow::Result<()> {
    let json = operate.json;
    let keys: ApiKeyList = match operate.into_target()? {
        Target::Server(client) => client.get("api-keys", &[]).await?,
        Target::Log(config, _) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            engine.project().await?;
            api_keys::list(&engine, Clock::system().now()).await?
        }
    };
    print_text_or_json(&keys, json)
}

async fn rotate(args: ApiKeyRotateArgs) -> anyhow::Result<()> {
    let id = key_id(&args.id)?;
    let hours = if args.at_once { 0 } else { args.grace_hours };
    let grace = Duration::from_hours(hours.into());
    let json = args.operate.json;
    let issued: IssuedApiKey = match args.operate.into_target()? {
        Target::Server(client) => {
            let body = json!({ "grace_seconds": grace.as_secs() });
            client.post(&format!("api-keys/{id}/rotate"), &body).await?
        }
        Target::Log(config, operator) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            let (now, context) = (Clock::system().now(), context(operator));
            let rotated = api_keys::rotate(&engine, id, grace, now, &context).await;
            let issued = rotated.map_err(sentence)?;
            engine.project().await?;
            issued
        }
    };
    print_text_or_json(&issued, json)
}

async fn change(id: &str, change: KeyChange, operate: OperateArgs) -> anyhow::Result<()> {
    let id = key_id(id)?;
    let json = operate.json;
    let done: ApiKeyChanged = match operate.into_target()? {
        Target::Server(client) => {
            let (verb, body) = match &change {
                KeyChange::EndGrace => ("end-grace", json!({})),
                KeyChange::Revoke(reason) => ("revoke", json!({ "reason": reason.as_str() })),
            };
            client.post(&format!("api-keys/{id}/{verb}"), &body).await?
        }
        Target::Log(config, operator) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            let (now, context) = (Clock::system().now(), context(operator));
            let changed = api_keys::change(&engine, id, change, now, &context).await;
            let done = changed.map_err(sentence)?;
            engine.project().await?;
            done
        }
    };
    print_text_or_json(&done, json)
}

fn key_id(text: &str) -> anyhow::Result<ApiKeyId> {
    match text.parse() {
        Ok(id) => Ok(id),
        // Whoever pastes a key here has it in the history of the shell from now on.
        Err(_) if text.starts_with("whk_") => {
            bail!("name the key by its id, as `whence api-key list` shows it, not by its secret")
        }
        Err(_) => bail!("{text}: no id of an API key, which is a UUID"),
    }
}

fn in_days(now: Timestamp, days: u32) -> Timestamp {
    now + Duration::from_hours(24 * u64::from(days))
}

fn context(operator: String) -> Context {
    Context::of_request(new_correlation_id(), Actor::Operator(operator))
}

/// Returns the sentence about a refusal in terms of the flags.
fn sentence(error: ApiKeyError) -> anyhow::Error {
    match error {
        ApiKeyError::Rejected(ApiKeyRejection::GraceTooLong) => {
            anyhow::anyhow!("--grace-hours: 720 at most")
        }
        ApiKeyError::Rejected(ApiKeyRejection::ExpiresInPast) => {
            anyhow::anyhow!("--expires-in-days: 1 at least")
        }
        error @ (ApiKeyError::Rejected(_) | ApiKeyError::Store(_) | ApiKeyError::Query(_)) => {
            error.into()
        }
    }
}
