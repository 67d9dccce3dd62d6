//! `whence export`: events, or the answer of a view, as a file. What is exported and where to is no
//! setting: its flags have no environment variables.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::{ArgAction, Args};
use whence_events::{Actor, AuditRead, AuditSubject, Position};
use whence_projections::report::{AsOf, Query, View};

use crate::cli::flags::log::LogArgs;
use crate::cli::flags::operate::operator;
use crate::cli::flags::view::{BotRules, ViewArgs};
use crate::cli::terminal::output_file::{OutputFile, is_gone};
use crate::cli::terminal::stderr::note;
use crate::cli::terminal::stop::unless_stopped;
use crate::engine::handler::{Context, Handler};
use crate::engine::log_config::LogConfig;
use crate::engine::vault::Vault;
use crate::infra::clock::Clock;
use crate::infra::random::new_correlation_id;
use crate::insight::audit;
use crate::insight::export::{
    ExportFormat, Exported, PositionRange, UNREADABLE, export_events, export_table,
};
use crate::insight::report::answer;

/// Write events, or what a view answers, into a file that analysts' tools read
#[derive(Args, Clone, Debug)]
pub(crate) struct ExportArgs {
    /// events, or a view of `whence report`
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,

    /// How to write it
    #[arg(long)]
    pub(crate) format: ExportFormat,

    /// First position, where an earlier export says that the next goes on; of a view, a time
    #[arg(long, value_name = "POSITION")]
    pub(crate) from: Option<String>,

    /// Last position [default: the end of the log]; of a view, a time
    #[arg(long, value_name = "POSITION")]
    pub(crate) to: Option<String>,

    /// The question to a view.
    #[command(flatten)]
    pub(crate) question: ViewArgs,

    /// File to write, which appears when it is complete; -: stdout
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) out: String,

    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = false,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set,
        help = "Put ' before texts of a CSV that a spreadsheet would take for formulas"
    )]
    pub(crate) csv_safe: bool,

    /// Add the personal data of events in clear, as far as it was not erased
    #[arg(long)]
    pub(crate) open_personal_data: bool,

    /// Who you are, for the record of an export with personal data [default: your name on this
    /// machine]
    #[arg(long, env = "WHENCE_OPERATOR", value_name = "NAME")]
    pub(crate) operator: Option<String>,

    /// The log that is read.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is exported, and where to.
#[derive(Clone, Debug)]
struct ExportConfig {
    /// The events or the view that are exported.
    what: What,
    /// The format of the file.
    format: ExportFormat,
    /// Whether texts of a CSV are defused that a spreadsheet would take for formulas.
    csv_safe: bool,
    /// The name of a file, or `-`.
    out: String,
    /// The log that is read.
    log: LogConfig,
}

impl ExportArgs {
    /// Returns what the flags mean, and touches nothing.
    fn into_config(self) -> anyhow::Result<ExportConfig> {
        ensure!(self.format.is_there(), "--format parquet: this whence was built without Parquet");
        let what = if self.what == "events" { self.events()? } else { self.view()? };
        let Self { format, csv_safe, out, log, .. } = self;
        Ok(ExportConfig { what, format, csv_safe, out, log: log.into_config()? })
    }

    fn events(&self) -> anyhow::Result<What> {
        for (flag, given) in self.question.given() {
            ensure!(!given, "{flag} is for a view, not for events");
        }
        let position = |flag: &str, text: &Option<String>| -> anyhow::Result<Option<Position>> {
            let parse = |text: &String| {
                text.parse().with_context(|| format!("{flag} {text}: not a position"))
            };
            text.as_ref().map(parse).transpose()
        };
        Ok(What::Events {
            range: AskedRange {
                from: position("--from", &self.from)?,
                to: position("--to", &self.to)?,
            },
            opened_by: self.opened_by()?,
        })
    }

    /// Returns the name of the operator who is shown personal data, if one is.
    fn opened_by(&self) -> anyhow::Result<Option<String>> {
        if !self.open_personal_data {
            return Ok(None);
        }
        operator(self.operator.clone()).map(Some)
    }

    fn view(&self) -> anyhow::Result<What> {
        let view =
            View::parse(&self.what).map_err(|error| anyhow::anyhow!("{error}; and events"))?;
        ensure!(!self.open_personal_data, "--open-personal-data is for events: no view has any");
        let text = self.question.query_text(self.from.as_ref(), self.to.as_ref())?;
        let query = Query::parse(view, &text)?;
        let as_of = self.question.as_of(&query.zone)?;
        Ok(What::View { view, query, as_of, bot_rules: self.question.bot_rules })
    }
}

/// What is exported.
#[derive(Clone, Debug)]
enum What {
    /// Events of the log.
    Events {
        /// The positions that were asked for.
        range: AskedRange,
        /// The operator who is shown personal data in clear; `None`: it stays sealed.
        opened_by: Option<String>,
    },
    /// The answer of a view.
    View {
        /// The view that is asked.
        view: View,
        /// The question to it.
        query: Query,
        /// The moment or position at which the log ends for this answer.
        as_of: AsOf,
        /// The rules by which a landing is that of a bot.
        bot_rules: BotRules,
    },
}

/// The positions that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct AskedRange {
    /// The first position; `None`: the first one of the log.
    from: Option<Position>,
    /// The last position; `None`: the last one of the log.
    to: Option<Position>,
}

/// Exports what was asked for. A reader that goes away is no failure; Ctrl-C leaves no file.
pub(crate) async fn run(args: ExportArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    unless_stopped(Box::pin(export(config)), "stopped before the export was complete").await
}

async fn export(config: ExportConfig) -> anyhow::Result<()> {
    let ExportConfig { what, format, csv_safe, out, log } = config;
    match what {
        What::Events { range, opened_by } => {
            match events(&log, range, opened_by, (format, csv_safe), &out).await {
                Err(error) if is_gone(&error) => Ok(()),
                done => done,
            }
        }
        What::View { view, query, as_of, bot_rules } => {
            let store = log.open_to_read().await?;
            let vault = bot_rules.vault(&log, &store);
            let table = answer(&*store, vault.as_ref(), view, query, as_of).await?;
            let output = OutputFile::create(&out, false)?;
            let written = export_table(&table, format, csv_safe, output.writer()?);
            output.finish(written)
        }
    }
}

/// Exports events, and says on stderr from which position the next export continues.
async fn events(
    log: &LogConfig,
    range: AskedRange,
    opened_by: Option<String>,
    (format, csv_safe): (ExportFormat, bool),
    out: &str,
) -> anyhow::Result<()> {
    let store = log.open_to_read().await?;
    let head = store.head().await.context(UNREADABLE)?;
    let range = existing(range, head)?;
    let output = OutputFile::create(out, opened_by.is_some())?;
    let vault = match opened_by {
        None => None,
        Some(operator) => {
            put_on_record(log, operator).await?;
            note("whence: this export holds personal data in clear: keep it as you keep the log");
            Some(Vault::new(store.clone(), log.keys().wrapping))
        }
    };
    let done = export_events(store, vault, range, (format, csv_safe), output.writer()?).await;
    let done = done.with_context(|| output.cannot_write())?;
    output.complete()?;
    note(format_args!("whence: {}", summary(done, range)));
    Ok(())
}

/// Records in the log that an operator is shown its personal data, before the operator is.
async fn put_on_record(log: &LogConfig, operator: String) -> anyhow::Result<()> {
    let clock = Clock::system();
    let store = log.open(clock.clone()).await;
    let store = store.context("an export of personal data is put on record before it begins")?;
    let keys = log.load_keys(&*store, clock.now()).await?;
    let vault = Arc::new(Vault::new(store.clone(), keys.wrapping));
    let handler = Handler::new(store, vault, clock);
    let subject = AuditSubject::Events;
    let read = AuditRead { subject, user_id: None, code: None, personal_data: true };
    let context = Context::of_request(new_correlation_id(), Actor::Operator(operator));
    audit::record(&handler, read, &context).await.map(drop).context("it cannot be put on record")
}

/// Returns the positions that were asked for, as far as the log has them.
fn existing(asked: AskedRange, head: Position) -> anyhow::Result<PositionRange> {
    let from = asked.from.unwrap_or(1).max(1);
    let next = head.saturating_add(1);
    ensure!(from <= next, "--from {from}: the log ends at {head}, so go on from {next} at most");
    let to = asked.to.unwrap_or(head);
    ensure!(to <= head, "--to {to}: the log ends at {head}");
    ensure!(asked.to.is_none_or(|to| from <= to), "--from {from} lies behind --to {to}");
    Ok(PositionRange { from, to })
}

fn summary(done: Exported, range: PositionRange) -> String {
    let Exported { events, last } = done;
    match last {
        Some(last) => {
            format!("{events} events, the last at position {last}; --from {} goes on", last + 1)
        }
        None => format!("no event at or behind position {0}; --from {0} goes on", range.from),
    }
}
