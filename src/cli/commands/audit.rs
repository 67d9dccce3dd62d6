//! `whence audit`: on a log that no service has open, or by asking the service.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use whence_events::{Actor, Position, ReferralCode, Refusal, UserId};

use crate::cli::admin_client::AdminClient;
use crate::cli::flags::operate::{OperateArgs, Target, UserName};
use crate::cli::terminal::stdout::{print, print_json};
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::engine::log_config::LogConfig;
use crate::infra::clock::Clock;
use crate::infra::random::new_correlation_id;
use crate::insight::audit::{
    self, CodeStory, Decisions, Place, Range, Show, UserStory, range, show,
};
use crate::insight::bundle;

/// Flags of `whence audit`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

/// What an audit is about.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// One user: who brought them and why, every landing, all that happened
    User {
        /// User id or e-mail address
        #[arg(value_name = "USER")]
        user: String,
        /// Show e-mail addresses, names, IP addresses and referring pages in clear
        #[arg(
            long,
            env = "WHENCE_OPEN_PERSONAL_DATA",
            value_parser = BoolishValueParser::new()
        )]
        open_personal_data: bool,
        /// Write the story into this file instead, with the events and what proves them
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// Where, and as whom.
        #[command(flatten)]
        operate: Box<OperateArgs>,
    },
    /// One referral code: whose it is, what became of it, whom it brought
    Code {
        /// Referral code
        #[arg(value_name = "CODE")]
        code: String,
        /// Write the story into this file instead, with the events and what proves them
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// Where, and as whom.
        #[command(flatten)]
        operate: Box<OperateArgs>,
    },
    /// Check a file that --bundle wrote, with the public key of the log alone, and show what is in it
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Verifier key of the log, NAME+ID+BASE64 [default: the one in the file, which proves less]
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Every referral decision of a time, one line each, and totals
    Referrals {
        /// First day or moment, like 2026-01-31 or 2026-01-31T12:00:00Z [default: the beginning]
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Up to here, which no longer counts: a day or a moment [default: now]
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// How it is printed
        #[arg(long, default_value = "text", value_name = "FORMAT")]
        format: ListFormat,
        /// Where, and as whom.
        #[command(flatten)]
        operate: Box<OperateArgs>,
    },
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Tells a story.
///
/// # Errors
/// One clear sentence.
pub(crate) async fn run(args: AuditArgs) -> anyhow::Result<()> {
    match args.command {
        AuditCommand::User { user, open_personal_data, bundle, operate } => {
            let user = UserName::parse(&user)?;
            let json = operate.json;
            let source = AuditSource::open(*operate).await?;
            if let Some(path) = bundle {
                return write_bundle(&path, &source.user_bundle(&user, open_personal_data).await?);
            }
            let story = source.user(&user, open_personal_data).await?;
            if json { print_json(&story) } else { print(&story.to_string()) }
        }
        AuditCommand::Code { code, bundle, operate } => {
            let parsed = code.parse().ok().with_context(|| format!("{code}: no referral code"))?;
            let json = operate.json;
            let source = AuditSource::open(*operate).await?;
            if let Some(path) = bundle {
                return write_bundle(&path, &source.code_bundle(&parsed).await?);
            }
            let story = source.code(&parsed).await?;
            if json { print_json(&story) } else { print(&story.to_string()) }
        }
        AuditCommand::Check { file, key } => check(&file, key.as_deref()),
        AuditCommand::Referrals { from, to, format, operate } => {
            let range = range(from.as_deref(), to.as_deref())?;
            let format = if operate.json { ListFormat::Json } else { format };
            let times = [("from", from), ("to", to)];
            let times = times.into_iter().filter_map(|(name, time)| Some((name, time?))).collect();
            referrals(&AuditSource::open(*operate).await?, range, times, format).await
        }
    }
}

/// Where stories are told.
enum AuditSource {
    Service(AdminClient),
    Here(Box<OpenLog>),
}

/// A log that is opened here, and who reads it.
struct OpenLog {
    engine: Engine,
    config: LogConfig,
    context: Context,
}

impl AuditSource {
    async fn open(args: OperateArgs) -> anyhow::Result<Self> {
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

    async fn user(&self, user: &UserName, open_personal_data: bool) -> anyhow::Result<UserStory> {
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
        match (self, user) {
            (_, UserName::Id(id)) => Ok(*id),
            (Self::Service(client), UserName::Email(email)) => client.find_user(email).await,
            (Self::Here(log), UserName::Email(email)) => {
                let user_id = log.engine.user_of(email).await?;
                user_id.context("there is no user with this address")
            }
        }
    }

    async fn code(&self, code: &ReferralCode) -> anyhow::Result<CodeStory> {
        match self {
            Self::Service(client) => client.get(&format!("codes/{}", code.as_str()), &[]).await,
            Self::Here(log) => {
                // Whom it brought is in the read models.
                log.engine.project().await?;
                let now = Clock::system().now();
                Ok(audit::code(&log.engine, code, now, Show::Masked, &log.context).await?)
            }
        }
    }

    async fn user_bundle(
        &self,
        user: &UserName,
        open_personal_data: bool,
    ) -> anyhow::Result<String> {
        if let Self::Service(client) = self {
            let user_id = self.find(user).await?;
            let query = [("open_personal_data", open_personal_data.to_string())];
            return client.get_text(&format!("users/{user_id}/bundle"), &query).await;
        }
        let story = self.user(user, open_personal_data).await?;
        self.bundle(&story.places(), serde_json::to_value(&story)?).await
    }

    async fn code_bundle(&self, code: &ReferralCode) -> anyhow::Result<String> {
        if let Self::Service(client) = self {
            return client.get_text(&format!("codes/{}/bundle", code.as_str()), &[]).await;
        }
        let story = self.code(code).await?;
        self.bundle(&story.places(), serde_json::to_value(&story)?).await
    }

    /// Of a log that is opened here.
    async fn bundle(&self, places: &[Place], story: serde_json::Value) -> anyhow::Result<String> {
        match self {
            Self::Service(_) => bail!("a service makes its bundles itself"),
            Self::Here(log) => {
                // The tree of the log is in the read models.
                log.engine.project().await?;
                let checkpointer = log.config.checkpointer(log.engine.read_db.clone())?;
                let signer = log.config.signer()?;
                audit::bundle(&log.engine, &checkpointer, &signer, places, story).await
            }
        }
    }

    async fn decisions(
        &self,
        range: Range,
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

/// Prints page by page, so that any number of decisions takes the same memory; of JSON, which is one
/// value, all at once.
async fn referrals(
    source: &AuditSource,
    range: Range,
    times: Vec<(&'static str, String)>,
    format: ListFormat,
) -> anyhow::Result<()> {
    let mut totals = Totals::default();
    let mut all = vec![];
    let mut after = Some(0);
    if format == ListFormat::Csv {
        print(show::CSV_HEADER)?;
    }
    while let Some(position) = after {
        let page = source.decisions(range, &times, position).await?;
        after = page.next;
        totals.add(&page);
        match format {
            ListFormat::Text => print(&page.items.iter().map(show::decision).collect::<String>())?,
            ListFormat::Csv => print(&page.items.iter().map(show::csv).collect::<String>())?,
            ListFormat::Json => all.extend(page.items),
        }
    }
    match format {
        ListFormat::Text => print(&totals.to_string()),
        ListFormat::Csv => Ok(()),
        ListFormat::Json => print_json(&json!({ "items": all, "totals": totals.as_json() })),
    }
}

/// How many of what.
#[derive(Default)]
struct Totals {
    attributed: u64,
    refused: Vec<(Refusal, u64)>,
}

impl Totals {
    fn add(&mut self, page: &Decisions) {
        for decision in &page.items {
            let Some(reason) = decision.refused else {
                self.attributed += 1;
                continue;
            };
            match self.refused.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => self.refused.push((reason, 1)),
            }
        }
        self.refused.sort_by_key(|(reason, _)| *reason);
    }

    fn as_json(&self) -> serde_json::Value {
        let refused: serde_json::Map<_, _> =
            self.refused.iter().map(|(reason, n)| (reason.to_string(), (*n).into())).collect();
        json!({ "attributed": self.attributed, "refused": refused })
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let refused: u64 = self.refused.iter().map(|(_, count)| count).sum();
        writeln!(f, "{} attributed, {refused} refused", self.attributed)?;
        for (reason, count) in &self.refused {
            writeln!(f, "  {count} {reason}: {}", audit::refusal(*reason))?;
        }
        Ok(())
    }
}

/// Writes a bundle to a file that is not there yet: evidence replaces no evidence.
fn write_bundle(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.with_context(|| format!("--bundle {}", path.display()))?;
    print(&format!("{} holds the story and the evidence\n", path.display()))
}

/// Says what is in a bundle, once all of it has been checked.
fn check(path: &Path, key: Option<&str>) -> anyhow::Result<()> {
    let key = key.map(str::parse).transpose().context("--key")?;
    let report = bundle::check(path, key.as_ref())?;
    ensure!(report.events > 0, "the bundle {} holds no event", path.display());
    print(&words(path, &report))
}

fn words(path: &Path, report: &bundle::Report) -> String {
    let (events, over) = (report.events, report.checkpoint.size);
    let whose = if report.key_was_given { "the key that was given" } else { "the key in the file" };
    let mut text = format!(
        "{} is as it was written: {events} events, each shown to be in the log {} of {over} events,\n\
         signed by {whose}, {}\n",
        path.display(),
        report.checkpoint.origin,
        report.key
    );
    if !report.key_was_given {
        text += "Nobody says whose key that is: get it from the service and give it with --key.\n";
    }
    let story = &report.story;
    let user = serde_json::from_value::<UserStory>(story.clone()).map(|story| story.to_string());
    let code = || serde_json::from_value::<CodeStory>(story.clone()).map(|story| story.to_string());
    let story = user.or_else(|_| code()).unwrap_or_else(|_| format!("{story:#}"));
    format!("{text}\n{story}")
}
