//! What `whence user` and `whence code` have in common: a measure is taken on a log that no service has
//! open, or by asking the service.

use clap::Args;
use serde_json::{Value, json};
use whence_events::{Actor, StreamId, UserId};

use crate::app::moderation::{Moderation, moderate};
use crate::cli::admin_client::AdminClient;
use crate::cli::flags::operate::{OperateArgs, Target};
use crate::cli::terminal::stderr::note;
use crate::cli::terminal::stdout::print_text_or_json;
use crate::domain::user::measure::{Act, Reason};
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::infra::clock::Clock;
use crate::infra::random::new_correlation_id;

/// Flags of every measure.
#[derive(Args, Clone, Debug)]
pub(super) struct MeasureArgs {
    /// Why, for the record: 1 to 500 characters
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    pub(super) operate: Box<OperateArgs>,
}

/// What a measure is about, and how that is found.
pub(super) trait MeasureSubject {
    /// Returns the path of the call of a service that takes the measure, and more of its body.
    async fn call(&self, client: &AdminClient) -> anyhow::Result<(String, Value)>;

    /// Returns the user and the act.
    async fn act(&self, engine: &Engine) -> anyhow::Result<(UserId, Act)>;
}

/// Takes a measure and says what it did.
pub(super) async fn take(subject: &impl MeasureSubject, args: MeasureArgs) -> anyhow::Result<()> {
    let reason = Reason::parse(&args.reason)?;
    let json = args.operate.json;
    let done: Moderation = match args.operate.into_target()? {
        Target::Server(client) => {
            let (path, mut body) = subject.call(&client).await?;
            body["reason"] = json!(reason.as_str());
            client.post(&path, &body).await?
        }
        Target::Log(config, operator) => {
            let engine = Box::pin(Engine::open(&config)).await?;
            let (user_id, act) = subject.act(&engine).await?;
            let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
            let now = Clock::system().now();
            let done = moderate(&engine, user_id, act, reason, now, &context).await?;
            follow(&engine, user_id).await;
            done
        }
    };
    print_text_or_json(&done, json)
}

/// Brings the read models up to what was done about a user, which stands also when they do not follow.
pub(super) async fn follow(engine: &Engine, user_id: UserId) {
    if let Err(error) = engine.project().await {
        let stream = StreamId::User(user_id);
        note(format_args!(
            "whence: it is on record in {stream}, and the read models follow later: {error:#}"
        ));
    }
}
