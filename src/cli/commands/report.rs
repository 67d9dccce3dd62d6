//! `whence report`: what the log says to analysts. What is asked is no setting: its flags have no
//! environment variables.

use anyhow::{Context as _, bail, ensure};
use clap::{ArgAction, Args, ValueEnum};
use whence_projections::report::{Dimension, InvalidQuery, Query, QueryText, View, Zone};

use crate::cli::flags::log::LogArgs;
use crate::cli::flags::view::{BotRules, ViewArgs};
use crate::cli::terminal::canvas::canvas_of_stdout;
use crate::cli::terminal::output_file::OutputFile;
use crate::cli::terminal::stdout::{print, print_exact};
use crate::domain::bots::BOT_RULES_VERSION;
use crate::infra::plain::{plain, plain_json};
use crate::insight::charts::{self, Chart, page, sections};
use crate::insight::report::{answer, as_csv, as_text, fold};

/// How many groups of bars are drawn in a terminal.
const CHARTED: usize = 20;

/// Ask the log a question: signups, funnel, referrals, retention and more, as of any moment
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// The view; without one, the views there are
    #[arg(value_name = "VIEW")]
    pub(crate) view: Option<String>,

    /// Count from here on: a day, or a time like 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,

    /// Count up to here, which no longer counts: a day, or a time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,

    /// The rest of the question.
    #[command(flatten)]
    pub(crate) question: ViewArgs,

    /// How to print it
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,

    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set,
        help = "Put ' before texts of a CSV that a spreadsheet would take for formulas"
    )]
    pub(crate) csv_safe: bool,

    /// Draw it instead
    #[arg(long, conflicts_with_all = ["format", "html"])]
    pub(crate) chart: bool,

    /// Write a page with charts and tables of the view, or of all views; -: stdout
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub(crate) html: Option<String>,

    /// List the views, and what each can be grouped by
    #[arg(long)]
    pub(crate) list: bool,

    /// The log that is read.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// The ways to print a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Table,
    /// RFC 4180, with a header; nothing between two commas is unknown
    Csv,
    /// One object with the rows
    Json,
}

impl ReportArgs {
    /// Returns what is asked of the view, not yet parsed.
    fn query_text(&self) -> Result<QueryText, InvalidQuery> {
        self.question.query_text(self.from.as_ref(), self.to.as_ref())
    }
}

/// Prints the answer of a view, draws it, or writes a page of views.
pub(crate) async fn run(args: ReportArgs) -> anyhow::Result<()> {
    if args.list {
        return print(list());
    }
    if let Some(file) = &args.html {
        return write_page(&args, file).await;
    }
    let Some(name) = &args.view else {
        let names: Vec<_> = View::ALL.iter().map(|view| view.name()).collect();
        bail!("which view? There are {}; --list says more", names.join(", "));
    };
    // Everything that can be wrong with the question is found before the log is opened.
    let view = View::parse(name)?;
    let mut question = args.query_text()?;
    if args.chart && view == View::Signups {
        // A chart of eight dimensions at once shows nothing; their table does.
        question.by.get_or_insert_with(|| "day".to_owned());
    }
    let query = Query::parse(view, &question)?;
    let as_of = args.question.as_of(&query.zone)?;
    let log = args.log.into_config()?;
    let store = log.open_to_read().await?;
    let vault = args.question.bot_rules.vault(&log, &store);
    let table = answer(&*store, vault.as_ref(), view, query, as_of).await?;
    if args.chart {
        let chart = Chart::of(view, &table, CHARTED);
        return print_exact(charts::draw(&table, &chart, canvas_of_stdout()));
    }
    match args.format {
        ReportFormat::Table => print(as_text(&table)),
        ReportFormat::Csv => print_exact(as_csv(&table, args.csv_safe)),
        ReportFormat::Json => print_exact(plain_json(&format!("{}\n", table.to_json()))),
    }
}

/// Writes the page into a file, which appears when it is complete.
async fn write_page(args: &ReportArgs, file: &str) -> anyhow::Result<()> {
    let question = args.query_text()?;
    let views = match &args.view {
        Some(name) => vec![View::parse(name)?],
        None => View::ALL.to_vec(),
    };
    let one = question.by.is_none() && question.filters.is_empty();
    ensure!(one || views.len() == 1, "--by and --where are for one view: name it");
    let query = Query::parse(views[0], &question)?;
    let as_of = args.question.as_of(&query.zone)?;
    let log = args.log.clone().into_config()?;
    let store = log.open_to_read().await?;
    let vault = args.question.bot_rules.vault(&log, &store);
    let report_fold = fold(&*store, vault.as_ref(), &views, as_of).await.context("no report")?;
    let scope = scope(args, &query.zone);
    let page =
        tokio::task::spawn_blocking(move || page(&sections(&report_fold, &views, &query), &scope));
    let page = page.await?.context("the page cannot be made")?;
    let output = OutputFile::create(file, false)?;
    let written = output.writer()?.write_all(page.as_bytes());
    output.finish(written)
}

/// Returns what was asked, in a sentence.
fn scope(args: &ReportArgs, zone: &Zone) -> String {
    let asked = &args.question;
    let (zone, release) = (zone.name(), zone.release());
    let mut parts = vec![format!("Days and weeks are those of {zone} (time zones {release})")];
    parts.extend(args.from.as_ref().map(|from| format!("counted from {from} on")));
    parts.extend(args.to.as_ref().map(|to| format!("counted up to {to}")));
    let half_life = asked.half_life.as_ref();
    parts.extend(half_life.map(|time| format!("half of the credit is left after {time}")));
    parts.extend(asked.filters.iter().map(|filter| format!("only {filter}")));
    if asked.bot_rules == BotRules::Today {
        parts.push(format!("bots by the rules of today (version {BOT_RULES_VERSION})"));
    }
    plain(&format!("{}.", parts.join(", ")))
}

fn list() -> String {
    let lines = View::ALL.map(|view| {
        let by: Vec<_> = view.dimensions().map(Dimension::name).collect();
        format!("{:15} {}\n{:15}   by {}\n", view.name(), view.about(), "", by.join(", "))
    });
    lines.concat()
}
