//! The flags of commands that operators run on a log, or have a running service run.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use clap::builder::BoolishValueParser;
use url::Url;
use whence_events::{EmailAddress, UserId};

use super::environment::name_on_this_machine;
use super::log::LogArgs;
use super::secrets;
use super::urls::is_this_machine;
use crate::app::config::operators;
use crate::cli::admin_client::AdminClient;
use crate::cli::terminal::stderr::note;
use crate::engine::Engine;
use crate::engine::log_config::LogConfig;

/// Flags that say where a command works, and for which operator.
#[derive(Args, Clone, Debug)]
pub(crate) struct OperateArgs {
    /// The log, when no service runs on it.
    #[command(flatten)]
    pub(crate) log: LogArgs,

    #[arg(
        long,
        env = "WHENCE_SERVER",
        value_name = "URL",
        help = "Service to ask instead of opening the log, like https://login.example.com"
    )]
    pub(crate) server: Option<Url>,

    /// Token of yours for that service
    #[arg(long, env = "WHENCE_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,

    /// File that holds that token
    #[arg(long, env = "WHENCE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,

    /// Who you are, for the record of a log that is opened here [default: your name on this machine]
    #[arg(long, env = "WHENCE_OPERATOR", value_name = "NAME")]
    pub(crate) operator: Option<String>,

    /// Print JSON
    #[arg(long, env = "WHENCE_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,
}

/// The place where a command works.
#[derive(Clone)]
pub(crate) enum Target {
    /// A service does the work, and knows the operator by the token.
    Server(AdminClient),
    /// A log is opened here; the text is the name of the operator.
    Log(LogConfig, String),
}

/// A user, as operators name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserName {
    /// A user who is named by id.
    Id(UserId),
    /// A user who is named by address.
    Email(EmailAddress),
}

impl OperateArgs {
    /// Returns the place that the flags name, and touches nothing.
    pub(crate) fn into_target(mut self) -> anyhow::Result<Target> {
        let Some(server) = self.server else {
            return Ok(Target::Log(self.log.into_config()?, operator(self.operator)?));
        };
        ensure!(
            self.operator.is_none(),
            "--operator is for a log that is opened here: a service knows its operators by their \
             tokens"
        );
        let usable = matches!(server.scheme(), "http" | "https") && server.host().is_some();
        ensure!(usable, "--server {server}: not an http or https URL");
        if server.scheme() == "http" && !is_this_machine(&server) {
            note(format_args!(
                "whence: --server {server} is not https: the token travels in clear"
            ));
        }
        secrets::fill("admin-token", &mut self.admin_token, self.admin_token_file.as_deref())?;
        let token = self.admin_token.context("--server needs --admin-token")?;
        Ok(Target::Server(AdminClient::new(server, operators::token_of(&token)?.to_owned())))
    }
}

impl UserName {
    /// Returns the id of the user, for which the service is asked when only the address is known.
    pub(crate) async fn id_at(&self, service: &AdminClient) -> anyhow::Result<UserId> {
        match self {
            Self::Id(user_id) => Ok(*user_id),
            Self::Email(email) => service.find_user(email).await,
        }
    }

    /// Returns the id of the user, also when the user is erased.
    pub(crate) async fn id_in(&self, engine: &Engine) -> anyhow::Result<UserId> {
        match self {
            Self::Id(user_id) => Ok(*user_id),
            Self::Email(email) => {
                let user_id = engine.user_of(email).await?;
                user_id.context("there is no user with this address")
            }
        }
    }

    /// Parses an id or an address.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        if text.contains('@') {
            let email = EmailAddress::parse(text).ok();
            return email.map(Self::Email).with_context(|| format!("{text}: no e-mail address"));
        }
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => bail!("{text}: neither a user id nor an e-mail address"),
        }
    }
}

/// Returns the name of the operator who works on a log: the given one, or the one that this machine
/// has.
pub(crate) fn operator(given: Option<String>) -> anyhow::Result<String> {
    let name = given.unwrap_or_else(default_operator);
    operators::check_name(&name).context("--operator")?;
    Ok(name)
}

fn default_operator() -> String {
    let name = name_on_this_machine().filter(|name| operators::check_name(name).is_ok());
    name.unwrap_or_else(|| "unnamed".to_owned())
}
