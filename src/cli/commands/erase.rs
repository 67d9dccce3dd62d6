//! `whence erase`: on a log that no service has open, or by asking the service.

use clap::Args;
use serde_json::json;
use whence_events::{Actor, StreamId};

use crate::app::erasure::{Erasure, Subject, erase};
use crate::cli::admin_client::AdminClient;
use crate::cli::flags::operate::{OperateArgs, Target, UserName};
use crate::cli::terminal::stderr::note;
use crate::cli::terminal::stdout::print_text_or_json;
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::engine::log_config::LogConfig;
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

async fn at_service(client: &AdminClient, user: &UserName) -> anyhow::Result<Erasure> {
    let user_id = user.id_at(client).await?;
    client.post(&format!("users/{user_id}/erase"), &json!({})).await
}

async fn here(config: &LogConfig, operator: String, user: &UserName) -> anyhow::Result<Erasure> {
    let engine = Engine::open(config).await?;
    let user_id = user.id_in(&engine).await?;
    let email_key = match user {
        UserName::Id(_) => None,
        UserName::Email(email) => Some(engine.keys.email_key(email)),
    };
    let subject = Subject { user_id, email_key };
    let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
    let erasure = erase(&engine, subject, &context).await?;
    if let Err(error) = engine.project().await {
        let stream = StreamId::User(subject.user_id);
        note(format_args!(
            "whence: {stream} is erased, and the read models follow later: {error:#}"
        ));
    }
    Ok(erasure)
}
