//! Where an audit reads: a service that is asked, or a log that is opened here.

use anyhow::bail;
use whence_events::{Actor, Position, ReferralCode, UserId};

use crate::cli::admin_client::AdminClient;
use crate::cli::flags::operate::{OperateArgs, Target, UserName};
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::engine::log_config::LogConfig;
use crate::infra::clock::Clock;
use crate::infra::random::new_correlation_id;
use crate::insight::audit::{self, CodeStory, Decisions, EventPlace, Show, TimeRange, UserStory};

/// Where an audit reads.
pub(super) enum AuditSource {
    /// A service tells its own stories.
    Service(AdminClient),
    /// A log that is opened here is read by this program.
    Here(Box<OpenLog>),
}

/// A log that is opened here, and on whose behalf it is read.
pub(super) struct OpenLog {
    engine: Engine,
    config: LogConfig,
    context: Context,
}

impl AuditSource {
    /// Opens the log that the flags name, or the way to the service.
    pub(super) async fn open(args: OperateArgs) -> anyhow::Result<Self> {
        Ok(match args.into_target()? {
            Target::Server(client) => Self::Service(client),
            Target::Log(config, operator) => Self::here(config, operator).await?,
        })
    }

    async fn here(config: LogConfig, operator: String) -> anyhow::Result<Self> {
        let engine = Engine::open(&config).await?;
        let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
        Ok(Self::Here(Box::new(OpenLog { engine, config, context })))
    }

    /// Returns the story of a user.
    pub(super) async fn user(
        &self,
        user: &UserName,
        open_personal_data: bool,
    ) -> anyhow::Result<UserStory> {
        let user_id = self.find(user).await?;
        match self {
            Self::Service(client) => {
                let query = [("open_personal_data", open_personal_data.to_string())];
                client.get(&format!("users/{user_id}"), &query).await
            }
            Self::Here(log) => {
                let show = Show::open_if(open_personal_data);
                Ok(audit::user(&log.engine, user_id, show, &log.context).await?)
            }
        }
    }

    async fn find(&self, user: &UserName) -> anyhow::Result<UserId> {
        match self {
            Self::Service(client) => user.id_at(client).await,
            Self::Here(log) => user.id_in(&log.engine).await,
        }
    }

    /// Returns the story of a referral code.
    pub(super) async fn code(&self, code: &ReferralCode) -> anyhow::Result<CodeStory> {
        match self {
            Self::Service(client) => client.get(&format!("codes/{}", code.as_str()), &[]).await,
            Self::Here(log) => {
                // The users that it brought are in the read models.
                log.engine.project().await?;
                let now = Clock::system().now();
                Ok(audit::code(&log.engine, code, now, Show::Masked, &log.context).await?)
            }
        }
    }

    /// Returns the text of a bundle with the story of a user.
    pub(super) async fn user_bundle(
        &self,
        user: &UserName,
        open_personal_data: bool,
    ) -> anyhow::Result<String> {
        if let Self::Service(client) = self {
            let user_id = user.id_at(client).await?;
            let query = [("open_personal_data", open_personal_data.to_string())];
            return client.get_text(&format!("users/{user_id}/bundle"), &query).await;
        }
        let story = self.user(user, open_personal_data).await?;
        self.bundle(&story.places(), serde_json::to_value(&story)?).await
    }

    /// Returns the text of a bundle with the story of a referral code.
    pub(super) async fn code_bundle(&self, code: &ReferralCode) -> anyhow::Result<String> {
        if let Self::Service(client) = self {
            return client.get_text(&format!("codes/{}/bundle", code.as_str()), &[]).await;
        }
        let story = self.code(code).await?;
        self.bundle(&story.places(), serde_json::to_value(&story)?).await
    }

    /// Returns the text of a bundle with events of a log that is opened here.
    async fn bundle(
        &self,
        places: &[EventPlace],
        story: serde_json::Value,
    ) -> anyhow::Result<String> {
        match self {
            Self::Service(_) => bail!("a service makes its bundles itself"),
            Self::Here(log) => {
                // The tree of the log is in the read models.
                log.engine.project().await?;
                let keys = &log.engine.keys;
                let checkpointer = log.config.checkpointer(keys, log.engine.read_db.clone())?;
                let signer = log.config.signer(keys)?;
                audit::bundle(&log.engine, &checkpointer, &signer, places, story).await
            }
        }
    }

    /// Returns the next page of decisions after a position; `times` is what a service is asked.
    pub(super) async fn decisions(
        &self,
        range: TimeRange,
        times: &[(&'static str, String)],
        after: Position,
    ) -> anyhow::Result<Decisions> {
        match self {
            Self::Service(client) => {
                let mut query = times.to_vec();
                query.push(("after", after.to_string()));
                client.get("referrals", &query).await
            }
            Self::Here(log) => Ok(audit::referrals(&log.engine, range, after, &log.context).await?),
        }
    }
}
