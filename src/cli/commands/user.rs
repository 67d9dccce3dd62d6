//! `whence user`: the sessions of a user, and what operators do about users.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use whence_events::{Actor, EmailAddress, SessionId, UserId};

use super::measures::{MeasureArgs, MeasureSubject, follow, take};
use crate::app::email_change::{AddressMove, WantedMove, move_address};
use crate::app::login_limits::{Unlocking, address_of, clear_lock};
use crate::cli::admin_client::AdminClient;
use crate::cli::flags::operate::{OperateArgs, Target, UserName};
use crate::cli::terminal::stdout::print_text_or_json;
use crate::domain::user::measure::{Act, Reason};
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::infra::clock::Clock;
use crate::infra::random::new_correlation_id;
use crate::insight::sessions::{SessionList, sessions_on_record};

/// List or end the sessions of a user, suspend, reinstate or move them; on record with a reason
#[derive(Args, Clone, Debug)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    command: UserAction,
}

/// What is done about a user.
#[derive(Clone, Debug, Subcommand)]
enum UserAction {
    Sessions(UserSessionsArgs),
    Revoke(UserRevokeArgs),
    Suspend(UserSuspendArgs),
    Reinstate(UserReinstateArgs),
    Unlock(UserUnlockArgs),
    Email(UserEmailArgs),
}

/// List the sessions in use
#[derive(Args, Clone, Debug)]
struct UserSessionsArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    user: String,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// End all sessions, or one
#[derive(Args, Clone, Debug)]
struct UserRevokeArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    user: String,

    /// End this session only
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,

    #[command(flatten)]
    measure: MeasureArgs,
}

/// End all sessions, and refuse logins and credits until the user is reinstated
#[derive(Args, Clone, Debug)]
struct UserSuspendArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    user: String,

    #[command(flatten)]
    measure: MeasureArgs,
}

/// Let a suspended user log in again
#[derive(Args, Clone, Debug)]
struct UserReinstateArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    user: String,

    #[command(flatten)]
    measure: MeasureArgs,
}

/// Let an address take codes again that wrong codes or too many requests have locked
#[derive(Args, Clone, Debug)]
struct UserUnlockArgs {
    /// User id, or e-mail address, also one without a user
    #[arg(value_name = "USER")]
    user: String,

    #[command(flatten)]
    measure: MeasureArgs,
}

/// Move the account of a user who lost their mailbox to another address; the previous one can object
#[derive(Args, Clone, Debug)]
struct UserEmailArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    user: String,

    /// Address that the account is to have, which nothing proves but your word
    #[arg(value_name = "NEW-EMAIL")]
    email: String,

    #[command(flatten)]
    measure: MeasureArgs,
}

/// A measure about a user.
struct AboutUser {
    user: UserName,
    act: Act,
}

impl MeasureSubject for AboutUser {
    async fn call(&self, client: &AdminClient) -> anyhow::Result<(String, Value)> {
        let user_id = self.user.id_at(client).await?;
        Ok(match &self.act {
            Act::RevokeSessions { only } => {
                let body = only.map_or_else(|| json!({}), |id| json!({ "session_id": id }));
                (format!("users/{user_id}/sessions/revoke"), body)
            }
            Act::Reinstate => (format!("users/{user_id}/reinstate"), json!({})),
            Act::Suspend | Act::BlockCode(_) | Act::UnblockCode(_) => {
                (format!("users/{user_id}/suspend"), json!({}))
            }
        })
    }

    async fn act(&self, engine: &Engine) -> anyhow::Result<(UserId, Act)> {
        Ok((self.user.id_in(engine).await?, self.act.clone()))
    }
}

/// Lists sessions, or takes a measure.
pub(crate) async fn run(args: UserArgs) -> anyhow::Result<()> {
    let (user, act, measure) = match args.command {
        UserAction::Sessions(args) => return list(args).await,
        UserAction::Unlock(args) => return unlock(args).await,
        UserAction::Email(args) => return Box::pin(change_email(args)).await,
        UserAction::Revoke(args) => {
            (args.user, Act::RevokeSessions { only: args.session }, args.measure)
        }
        UserAction::Suspend(args) => (args.user, Act::Suspend, args.measure),
        UserAction::Reinstate(args) => (args.user, Act::Reinstate, args.measure),
    };
    take(&AboutUser { user: UserName::parse(&user)?, act }, measure).await
}

async fn unlock(args: UserUnlockArgs) -> anyhow::Result<()> {
    let user = UserName::parse(&args.user)?;
    let reason = Reason::parse(&args.measure.reason)?;
    let json = args.measure.operate.json;
    let done: Unlocking = match args.measure.operate.into_target()? {
        Target::Server(client) => {
            let reason = reason.as_str();
            let (path, body) = match &user {
                UserName::Id(id) => (format!("users/{id}/unlock"), json!({ "reason": reason })),
                UserName::Email(email) => {
                    let body = json!({ "email": email.as_str(), "reason": reason });
                    ("users/unlock".to_owned(), body)
                }
            };
            client.post(&path, &body).await?
        }
        Target::Log(config, operator) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            let email = match user {
                UserName::Email(email) => email,
                UserName::Id(id) => {
                    address_of(&engine, id).await?.context("there is no such user")?
                }
            };
            let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
            let done = clear_lock(&engine, &email, &reason, &context).await?;
            engine.project().await?;
            done
        }
    };
    print_text_or_json(&done, json)
}

async fn change_email(args: UserEmailArgs) -> anyhow::Result<()> {
    let user = UserName::parse(&args.user)?;
    let email = EmailAddress::parse(&args.email).ok();
    let email = email.with_context(|| format!("{}: no e-mail address", args.email))?;
    let reason = Reason::parse(&args.measure.reason)?;
    let json = args.measure.operate.json;
    let done: AddressMove = match args.measure.operate.into_target()? {
        Target::Server(client) => {
            let user_id = user.id_at(&client).await?;
            let body = json!({ "email": email.as_str(), "reason": reason.as_str() });
            client.post(&format!("users/{user_id}/email"), &body).await?
        }
        Target::Log(config, operator) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            let user_id = user.id_in(&engine).await?;
            let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
            let wanted = WantedMove { user_id, email: &email, reason: &reason };
            let done = move_address(&engine, wanted, Clock::system().now(), &context).await?;
            follow(&engine, user_id).await;
            done
        }
    };
    print_text_or_json(&done, json)
}

async fn list(args: UserSessionsArgs) -> anyhow::Result<()> {
    let user = UserName::parse(&args.user)?;
    let json = args.operate.json;
    let sessions: SessionList = match args.operate.into_target()? {
        Target::Server(client) => {
            let user_id = user.id_at(&client).await?;
            client.get(&format!("users/{user_id}/sessions"), &[]).await?
        }
        Target::Log(config, operator) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            let user_id = user.id_in(&engine).await?;
            engine.project().await?;
            let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
            sessions_on_record(&engine, user_id, Clock::system().now(), &context).await?
        }
    };
    print_text_or_json(&sessions, json)
}
