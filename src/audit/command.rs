//! `whence audit`: on a log that no service has open, or by asking the service.

use anyhow::{Context as _, bail};
use serde_json::json;
use whence_events::{Actor, Position, ReferralCode, Refusal, UserId};

use super::{CodeStory, Decisions, Place, Range, Show, UserStory, evidence, show};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Place as Where;
use crate::config::{AuditArgs, AuditCommand, ListFormat, LogConfig, OperateArgs, UserName, range};
use crate::erasure::find;
use crate::handle::Context;
use crate::records::OpenRecords;
use crate::remote::Remote;
use crate::say::{say, say_json};
use crate::secrets::new_correlation_id;

/// Tells a story.
///
/// # Errors
/// One clear sentence.
pub async fn run(args: AuditArgs) -> anyhow::Result<()> {
    match args.command {
        AuditCommand::User { user, open_personal_data, bundle, operate } => {
            let user = UserName::parse(&user)?;
            let json = operate.json;
            let desk = Desk::open(*operate).await?;
            if let Some(path) = bundle {
                return evidence::write(&path, &desk.user_bundle(&user, open_personal_data).await?);
            }
            let story = desk.user(&user, open_personal_data).await?;
            if json { say_json(&story) } else { say(&story.to_string()) }
        }
        AuditCommand::Code { code, bundle, operate } => {
            let parsed = code.parse().ok().with_context(|| format!("{code}: no referral code"))?;
            let json = operate.json;
            let desk = Desk::open(*operate).await?;
            if let Some(path) = bundle {
                return evidence::write(&path, &desk.code_bundle(&parsed).await?);
            }
            let story = desk.code(&parsed).await?;
            if json { say_json(&story) } else { say(&story.to_string()) }
        }
        AuditCommand::Check { file, key } => evidence::check(&file, key.as_deref()),
        AuditCommand::Referrals { from, to, format, operate } => {
            let range = range(from.as_deref(), to.as_deref())?;
            let format = if operate.json { ListFormat::Json } else { format };
            let times = [("from", from), ("to", to)];
            let times = times.into_iter().filter_map(|(name, time)| Some((name, time?))).collect();
            referrals(&Desk::open(*operate).await?, range, times, format).await
        }
    }
}

/// Where stories are told.
enum Desk {
    Service(Remote),
    Here(Box<OpenRecords>, Context),
}

impl Desk {
    async fn open(args: OperateArgs) -> anyhow::Result<Self> {
        Ok(match args.into_place()? {
            Where::Server(remote) => Self::Service(remote),
            Where::Log(config, operator) => Self::here(&config, operator).await?,
        })
    }

    async fn here(config: &LogConfig, operator: String) -> anyhow::Result<Self> {
        let open = Box::new(OpenRecords::open(config).await?);
        let context = App::context(new_correlation_id(), Actor::Operator(operator));
        Ok(Self::Here(open, context))
    }

    async fn user(&self, user: &UserName, open_personal_data: bool) -> anyhow::Result<UserStory> {
        let user_id = self.find(user).await?;
        match self {
            Self::Service(remote) => {
                let query = [("open_personal_data", open_personal_data.to_string())];
                remote.get(&format!("users/{user_id}"), &query).await
            }
            Self::Here(open, context) => {
                let show = Show::open_if(open_personal_data);
                Ok(super::user(open.records(), user_id, show, context).await?)
            }
        }
    }

    async fn find(&self, user: &UserName) -> anyhow::Result<UserId> {
        match (self, user) {
            (_, UserName::Id(id)) => Ok(*id),
            (Self::Service(remote), UserName::Email(email)) => find(remote, email).await,
            (Self::Here(open, _), UserName::Email(email)) => {
                let user_id = open.records().user_of(email).await?;
                user_id.context("there is no user with this address")
            }
        }
    }

    async fn code(&self, code: &ReferralCode) -> anyhow::Result<CodeStory> {
        match self {
            Self::Service(remote) => remote.get(&format!("codes/{}", code.as_str()), &[]).await,
            Self::Here(open, context) => {
                // Whom it brought is in the tables.
                open.project().await?;
                let now = Clock::system().now();
                Ok(super::code(open.records(), code, now, Show::Masked, context).await?)
            }
        }
    }

    async fn user_bundle(
        &self,
        user: &UserName,
        open_personal_data: bool,
    ) -> anyhow::Result<String> {
        if let Self::Service(remote) = self {
            let user_id = self.find(user).await?;
            let query = [("open_personal_data", open_personal_data.to_string())];
            return remote.get_text(&format!("users/{user_id}/bundle"), &query).await;
        }
        let story = self.user(user, open_personal_data).await?;
        self.bundle(&story.places(), serde_json::to_value(&story)?).await
    }

    async fn code_bundle(&self, code: &ReferralCode) -> anyhow::Result<String> {
        if let Self::Service(remote) = self {
            return remote.get_text(&format!("codes/{}/bundle", code.as_str()), &[]).await;
        }
        let story = self.code(code).await?;
        self.bundle(&story.places(), serde_json::to_value(&story)?).await
    }

    /// Of a log that is opened here.
    async fn bundle(&self, places: &[Place], story: serde_json::Value) -> anyhow::Result<String> {
        match self {
            Self::Service(_) => bail!("a service makes its bundles itself"),
            Self::Here(open, _) => {
                // The tree of the log is in the tables.
                open.project().await?;
                let (signer, keeper) = (open.signer()?, open.keeper()?);
                evidence::bundle(open.records(), &keeper, &signer, places, story).await
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
            Self::Service(remote) => {
                let mut query = times.to_vec();
                query.push(("after", after.to_string()));
                remote.get("referrals", &query).await
            }
            Self::Here(open, context) => {
                Ok(super::referrals(open.records(), range, after, context).await?)
            }
        }
    }
}

/// Prints page by page, so that any number of decisions takes the same memory; of JSON, which is one
/// value, all at once.
async fn referrals(
    desk: &Desk,
    range: Range,
    times: Vec<(&'static str, String)>,
    format: ListFormat,
) -> anyhow::Result<()> {
    let mut totals = Totals::default();
    let mut all = vec![];
    let mut after = Some(0);
    if format == ListFormat::Csv {
        say(show::CSV_HEADER)?;
    }
    while let Some(position) = after {
        let page = desk.decisions(range, &times, position).await?;
        after = page.next;
        totals.add(&page);
        match format {
            ListFormat::Text => say(&page.items.iter().map(show::decision).collect::<String>())?,
            ListFormat::Csv => say(&page.items.iter().map(show::csv).collect::<String>())?,
            ListFormat::Json => all.extend(page.items),
        }
    }
    match format {
        ListFormat::Text => say(&totals.to_string()),
        ListFormat::Csv => Ok(()),
        ListFormat::Json => say_json(&json!({ "items": all, "totals": totals.as_json() })),
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
            writeln!(f, "  {count} {reason}: {}", super::words::refusal(*reason))?;
        }
        Ok(())
    }
}
