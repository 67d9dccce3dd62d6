//! `whence erase`: on a log that no service has open, or by asking the service.

use clap::Args;
use serde_json::json;
use whence_events::Actor;

use crate::app::erasure::{AddressErasure, Subject, erase, erase_address};
use crate::cli::admin_client::AdminClient;
use crate::cli::flags::operate::{OperateArgs, Target, UserName};
use crate::cli::terminal::stderr::note;
use crate::cli::terminal::stdout::print_text_or_json;
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::engine::log_config::LogConfig;
use crate::infra::clock::Clock;
use crate::infra::random::new_correlation_id;

/// Forget who a user was: keys destroyed, sessions ended, address released; cannot be undone
#[derive(Args, Clone, Debug)]
pub(crate) struct EraseArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    pub(crate) user: String,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    pub(crate) operate: OperateArgs,
}

/// Erases a user and says what is gone and what is left.
pub(crate) async fn run(args: EraseArgs) -> anyhow::Result<()> {
    let user = UserName::parse(&args.user)?;
    let json = args.operate.json;
    let erasure = match args.operate.into_target()? {
        Target::Server(client) => at_service(&client, &user).await?,
        Target::Log(config, operator) => Box::pin(here(&config, operator, &user)).await?,
    };
    print_text_or_json(&erasure, json)
}

async fn at_service(client: &AdminClient, user: &UserName) -> anyhow::Result<AddressErasure> {
    match user {
        UserName::Id(user_id) => {
            let user = client.post(&format!("users/{user_id}/erase"), &json!({})).await?;
            Ok(AddressErasure { user: Some(user), address_forgotten: false })
        }
        UserName::Email(email) => {
            client.post("users/erase", &json!({ "email": email.as_str() })).await
        }
    }
}

async fn here(
    config: &LogConfig,
    operator: String,
    user: &UserName,
) -> anyhow::Result<AddressErasure> {
    let engine = Engine::open(config).await?;
    let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
    let erasure = match user {
        UserName::Id(user_id) => {
            let subject = Subject { user_id: *user_id, email_key: None };
            let user = Some(erase(&engine, subject, &context).await?);
            AddressErasure { user, address_forgotten: false }
        }
        UserName::Email(email) => {
            erase_address(&engine, email, Clock::system().now(), &context).await?
        }
    };
    if let Err(error) = engine.project().await {
        note(format_args!("whence: it is erased, and the read models follow later: {error:#}"));
    }
    Ok(erasure)
}
