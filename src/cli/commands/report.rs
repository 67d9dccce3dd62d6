//! `whence report`: what the log says to analysts. What is asked has no environment variables, because it
//! is no setting.

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use whence_projections::report::{AsOf, Dimension, Query, QueryText, View};

use crate::cli::flags::log::LogArgs;
use crate::cli::terminal::canvas::canvas_of_stdout;
use crate::cli::terminal::output_file::{OutputFile, is_gone};
use crate::cli::terminal::stdout::print;
use crate::insight::charts::{self, Chart, page, sections};
use crate::insight::report::{answer, as_csv, as_of, as_text, fold};

/// Groups of bars that are drawn in a terminal.
const CHARTED: usize = 20;

/// Flags of `whence report`.
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

    /// What else is asked of it.
    #[command(flatten)]
    pub(crate) question: ViewArgs,

    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Draw it instead
    #[arg(long, conflicts_with_all = ["format", "html"])]
    pub(crate) chart: bool,

    /// Write a page with charts and tables of the view, or of all views; -: stdout
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub(crate) html: Option<String>,

    /// List the views, and what each can be grouped by
    #[arg(long)]
    pub(crate) list: bool,

    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What can be asked of a view besides a time.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ViewArgs {
    /// What to group a view by instead of what it has by itself, with commas between
    #[arg(long, value_name = "DIMENSION,...")]
    pub(crate) by: Option<String>,

    /// Count only this in a view, such as channel=Direct; `country=` is where nothing is known. Repeatable
    #[arg(long = "where", value_name = "DIMENSION=VALUE")]
    pub(crate) filters: Vec<String>,

    /// Read the log up to here only for a view: a position, a day (what came before it), or a time
    #[arg(long, value_name = "TIME|POSITION")]
    pub(crate) as_of: Option<String>,

    /// Whose days and weeks a view has: a name of the IANA database [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// RFC 4180, with a header; nothing between two commas is unknown
    Csv,
    /// One object with the rows
    Json,
}

impl ReportArgs {
    /// As the views take it; `as_of` is for who reads the log.
    #[must_use]
    pub(crate) fn asked(&self) -> QueryText {
        self.question.asked(self.from.as_ref(), self.to.as_ref())
    }
}

impl ViewArgs {
    /// The same for a time.
    #[must_use]
    pub(crate) fn asked(&self, from: Option<&String>, to: Option<&String>) -> QueryText {
        QueryText {
            from: from.cloned(),
            to: to.cloned(),
            by: self.by.clone(),
            filters: self.filters.clone(),
            timezone: self.timezone.clone(),
        }
    }
}

/// Prints what is asked for.
pub(crate) async fn run(args: ReportArgs) -> anyhow::Result<()> {
    if args.list {
        return print(&list());
    }
    if let Some(file) = &args.html {
        return write_page(&args, file).await;
    }
    let Some(name) = &args.view else {
        let names: Vec<_> = View::ALL.iter().map(|view| view.name()).collect();
        bail!("which view? There are {}; --list says more", names.join(", "));
    };
    // All that can be wrong with the question, before the log is opened.
    let view = View::parse(name)?;
    let mut question = args.asked();
    if args.chart && view == View::Signups {
        // A picture of eight dimensions at once is none; their table is.
        question.by.get_or_insert_with(|| "day".to_owned());
    }
    let query = Query::parse(view, &question)?;
    let as_of = as_of(args.question.as_of.as_deref(), query.zone)?;
    let log = args.log.into_config()?.open_to_read().await?;
    let table = answer(&*log, view, query, as_of).await?;
    if args.chart {
        let chart = Chart::of(view, &table, CHARTED);
        return print(&charts::draw(&table, &chart, canvas_of_stdout()));
    }
    print(&match args.format {
        Format::Table => as_text(&table),
        Format::Csv => as_csv(&table),
        Format::Json => format!("{}\n", table.to_json()),
    })
}

/// Writes the page into a file, which appears when it is complete.
async fn write_page(args: &ReportArgs, file: &str) -> anyhow::Result<()> {
    let question = args.asked();
    let views = match &args.view {
        Some(name) => vec![View::parse(name)?],
        None => View::ALL.to_vec(),
    };
    let one = question.by.is_none() && question.filters.is_empty();
    ensure!(one || views.len() == 1, "--by and --where are for one view: name it");
    let query = Query::parse(views[0], &question)?;
    let as_of: AsOf = as_of(args.question.as_of.as_deref(), query.zone)?;
    let log = args.log.clone().into_config()?.open_to_read().await?;
    let analytics = fold(&*log, &views, as_of).await.context("no report")?;
    let scope = scope(args);
    let page =
        tokio::task::spawn_blocking(move || page(&sections(&analytics, &views, &query), &scope));
    let page = page.await?.context("the page cannot be made")?;
    let output = OutputFile::create(file, false)?;
    let written = output.writer()?.write_all(page.as_bytes());
    let done = written.with_context(|| output.cannot_write()).and_then(|()| output.complete());
    match done {
        Err(error) if is_gone(&error) => Ok(()),
        done => done,
    }
}

/// What was asked, in a sentence.
fn scope(args: &ReportArgs) -> String {
    let asked = &args.question;
    let zone = asked.timezone.as_deref().unwrap_or("UTC");
    let mut parts = vec![format!("Days and weeks are those of {zone}")];
    parts.extend(args.from.as_ref().map(|from| format!("counted from {from} on")));
    parts.extend(args.to.as_ref().map(|to| format!("counted up to {to}")));
    parts.extend(asked.filters.iter().map(|filter| format!("only {filter}")));
    format!("{}.", parts.join(", "))
}

fn list() -> String {
    let lines = View::ALL.map(|view| {
        let by: Vec<_> = view.dimensions().map(Dimension::name).collect();
        format!("{:15} {}\n{:15}   by {}\n", view.name(), view.about(), "", by.join(", "))
    });
    lines.concat()
}
