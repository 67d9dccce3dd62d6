//! The flags of `whence report`. What is asked has no environment variables: it is no setting.

use clap::{Args, ValueEnum};
use whence_projections::report::QueryText;

use super::LogArgs;

/// Flags of `whence report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
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
pub struct ViewArgs {
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
pub enum Format {
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
    pub fn asked(&self) -> QueryText {
        self.question.asked(self.from.as_ref(), self.to.as_ref())
    }
}

impl ViewArgs {
    /// The same for a time.
    #[must_use]
    pub fn asked(&self, from: Option<&String>, to: Option<&String>) -> QueryText {
        QueryText {
            from: from.cloned(),
            to: to.cloned(),
            by: self.by.clone(),
            filters: self.filters.clone(),
            timezone: self.timezone.clone(),
        }
    }
}
